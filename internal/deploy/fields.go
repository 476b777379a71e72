package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/stack"
)

// Fields are the settings of a service that can be read from a profile and from a running container alike, by name.
type Fields map[string]string

// Expected returns the fields that a container of a service should have, when it reads what was delivered.
func Expected(in stack.Stack, s stack.Service, delivered generate.Delivery) Fields {
	_, rootWritable := s.Excepted("HSE-FS-001")
	out := Fields{
		"user": fmt.Sprintf("%d:%d", s.User.UID, s.User.GID), "read_only": fmt.Sprint(!rootWritable), "privileged": "false",
		"limits.memory": fmt.Sprint(s.Limits.Memory.Bytes), "limits.swap": fmt.Sprint(s.Limits.Memory.Bytes),
		"limits.cpus": fmt.Sprintf("%.3f", float64(s.Limits.Nano)/1e9), "limits.pids": fmt.Sprint(s.Limits.PIDs),
		"restart": s.Restart, "cap_drop": "ALL", "security_opt": "no-new-privileges:true",
	}
	var capabilities, ports, networks, mounts []string
	for _, c := range s.Capabilities {
		capabilities = append(capabilities, c.Name)
	}
	for _, p := range s.Ports {
		ports = append(ports, fmt.Sprintf("%s:%d:%d/%s", p.Address, p.Host, p.Container, p.Protocol))
	}
	networks = append(networks, s.Networks...)
	if len(networks) == 0 {
		networks = []string{"default"}
	}
	for _, w := range s.Volumes() {
		mounts = append(mounts, VolumeName(in, w.Volume)+":"+w.Path+":rw")
	}
	if volume := delivered.Secrets[s.Name]; volume != "" {
		mounts = append(mounts, volume+":"+stack.SecretDir+":ro")
	}
	if volume := delivered.Configs[s.Name]; volume != "" {
		mounts = append(mounts, volume+":"+stack.ConfigDir+":ro")
	}
	for _, h := range s.HostPaths {
		mounts = append(mounts, h.Host+":"+h.Path+":ro")
	}
	for name, list := range map[string][]string{"cap_add": capabilities, "ports": ports, "networks": networks, "mounts": mounts} {
		out[name] = strings.Join(slices.Sorted(slices.Values(list)), " ")
	}
	return out
}

// flatten returns every setting of a service as a path and a text. What is kept twice, as text and as number, counts once.
func flatten(s stack.Service) map[string]string {
	data, err := json.Marshal(s)
	var tree any
	if err == nil {
		err = json.Unmarshal(data, &tree)
	}
	if err != nil {
		return map[string]string{"": err.Error()} // cannot happen: the model is plain data
	}
	out := map[string]string{}
	walk(tree, "", out)
	return out
}

func walk(v any, path string, out map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			switch key {
			case "Text":
				walk(value, path, out)
			case "Bytes", "Nano", "Configs", "Rollout", "Replicas": // files count by their content, not by its text; a rollout and a number are no part of a container
			default:
				walk(value, strings.TrimPrefix(path+"."+strings.ToLower(key), "."), out)
			}
		}
	case []any:
		for i, value := range v {
			at := fmt.Sprintf("%s[%d]", path, i)
			if named, ok := value.(map[string]any); ok {
				if name, ok := named["Name"].(string); ok {
					at = path + "." + name
				}
			}
			walk(value, at, out)
		}
	case nil:
	default:
		out[path] = fmt.Sprint(v)
	}
}

// difference says in words what changed, sorted by path.
func difference(before, after map[string]string) []string {
	paths := map[string]bool{}
	for path := range before {
		paths[path] = true
	}
	for path := range after {
		paths[path] = true
	}
	var out []string
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		b, hadB := before[path]
		a, hadA := after[path]
		switch {
		case a == b && hadA == hadB:
		case !hadB:
			out = append(out, fmt.Sprintf("%s is new: %s", path, a))
		case !hadA:
			out = append(out, fmt.Sprintf("%s is gone: %s", path, b))
		default:
			out = append(out, fmt.Sprintf("%s: %s → %s", path, b, a))
		}
	}
	return out
}

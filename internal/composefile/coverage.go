package composefile

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"

	"github.com/hsectl/hsectl/internal/composefile/specification"
)

// unjudged lists what may weaken a service and no control looks at.
func (p *Project) unjudged(s types.ServiceConfig) []string {
	out := slices.Concat(beyondControls(s), p.catalogue.Open(s, "service", ""))
	resource := func(v any, kind, section, name string) {
		out = append(out, p.catalogue.Open(v, kind, section+"."+name)...)
	}
	used := map[string][]string{"networks": slices.Collect(maps.Keys(s.Networks)), "models": slices.Collect(maps.Keys(s.Models))}
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeVolume {
			used["volumes"] = append(used["volumes"], v.Source)
		}
	}
	for _, use := range s.Secrets {
		used["secrets"] = append(used["secrets"], use.Source)
	}
	for _, use := range s.Configs {
		used["configs"] = append(used["configs"], use.Source)
	}
	for _, name := range used["networks"] {
		resource(p.types.Networks[name], "network", "networks", name)
		out = append(out, unknownNetwork(name, p.types.Networks[name])...)
	}
	for _, name := range used["volumes"] {
		resource(p.types.Volumes[name], "volume", "volumes", name)
		out = append(out, unknownVolume(name, p.types.Volumes[name])...)
	}
	for _, name := range used["secrets"] {
		resource(p.types.Secrets[name], "secret", "secrets", name)
		out = append(out, unknownFile("secrets."+name, p.types.Secrets[name].File)...)
	}
	for _, name := range used["configs"] {
		resource(p.types.Configs[name], "config", "configs", name)
		out = append(out, unknownFile("configs."+name, p.types.Configs[name].File)...)
	}
	for _, n := range p.novel {
		switch {
		case len(n.Path) == 1:
			out = append(out, n.Path[0])
		case specification.Sections()[n.Path[0]] == "service":
			if slices.Contains(p.ancestors(s.Name, 0), n.Path[1]) {
				out = append(out, strings.Join(n.Path[2:], "."))
			}
		case slices.Contains(used[n.Path[0]], n.Path[1]):
			out = append(out, strings.Join(n.Path, "."))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// unknownFile names the file of a secret or config that is none as it is written: Compose binds whatever is at its path, also a
// directory, and where the path of one that begins above the file leads is not known.
func unknownFile(at, file string) []string {
	switch clean := path.Clean(file); {
	case file == "":
		return nil
	case clean == ".." || strings.HasPrefix(clean, "../"):
		return []string{at + ".file " + file + ", which is outside the directory of the file"}
	case clean == "." || clean == "/" || strings.HasSuffix(file, "/"):
		return []string{at + ".file " + file + ", which is a directory"}
	}
	return nil
}

// ancestors are a service and those of the same files that it extends.
func (w written) ancestors(name string, depth int) []string {
	out := []string{name}
	if depth > 16 {
		return out
	}
	for i := range w {
		_, _, value := w[i : i+1].service(name)
		_, extends := specification.LookUp(value, "extends")
		if extends == nil {
			continue
		}
		if _, service := specification.LookUp(extends, "service"); service != nil {
			extends = service
		}
		if extends.Kind == yaml.ScalarNode && extends.Value != name {
			out = append(out, w.ancestors(extends.Value, depth+1)...)
		}
	}
	return out
}

// beyondControls lists values that no control judges, of keys that controls judge otherwise.
func beyondControls(s types.ServiceConfig) []string {
	var out []string
	note := func(present bool, what string) {
		if present {
			out = append(out, what)
		}
	}
	odd := func(key, value string, known ...string) {
		borrowed := strings.HasPrefix(value, "service:") || strings.HasPrefix(value, "container:")
		note(value != "" && !slices.Contains(known, value) && !(borrowed && (key == "pid" || key == "ipc")), key+" "+value)
	}
	odd("pid", s.Pid, "host")
	odd("ipc", s.Ipc, "host", "none", "private", "shareable")
	odd("uts", s.Uts, "host")
	odd("userns_mode", s.UserNSMode, "host")
	odd("cgroup", s.Cgroup, "host", "private")
	odd("isolation", s.Isolation, "default")
	for _, name := range options(s).Unjudged() {
		note(true, "security_opt "+name)
	}
	if v := s.Environment["DOCKER_HOST"]; v != nil {
		note(*v != "", "environment DOCKER_HOST")
	}
	for _, v := range s.Volumes {
		note(!slices.Contains([]string{types.VolumeTypeBind, types.VolumeTypeVolume, types.VolumeTypeTmpfs}, v.Type), "volumes of type "+v.Type)
		note(v.Bind != nil && v.ReadOnly && v.Bind.Recursive == "writable", "volumes.bind.recursive writable")
		note(v.Type == types.VolumeTypeBind && strings.HasPrefix(path.Clean(v.Source), ".."), "volumes "+v.Source+", which begins at a directory that is not known")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Networks)) {
		if n := s.Networks[name]; n != nil {
			for key := range n.DriverOpts {
				note(key != endpointSysctls, "networks."+name+".driver_opts "+key)
			}
		}
	}
	if b := s.Build; b != nil {
		note(b.Network == "host", "build.network host")
		note(b.Isolation != "" && b.Isolation != "default", "build.isolation "+b.Isolation)
	}
	return out
}

package deploy

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/record"
)

// Fields are the settings of a service that can be read from the applied file and from a running container alike, by name.
type Fields map[string]string

// applied is a Compose file as deploy applies it, read back.
type applied struct {
	nodes   generate.Nodes
	project *types.Project
}

// readApplied reads a Compose file that deploy applies, with the values of its variables.
func readApplied(file []byte, environment map[string]string) (applied, error) {
	nodes, err := generate.ReadNodes(file)
	if err != nil {
		return applied{}, err
	}
	p, err := generate.Load(context.Background(), file, environment) // in memory: there is nothing to wait for
	return applied{nodes, p}, err
}

// readRelease reads the file of a release.
func readRelease(r record.Release) (applied, error) {
	out, err := readApplied(r.Compose, r.Environment)
	if err != nil {
		return out, &record.DamagedError{What: fmt.Sprintf("release %d of %s", r.Number, r.Stack), Err: err}
	}
	return out, nil
}

// fields are those that the containers of a service should have; nil when the file has no such service.
func (a applied) fields(service string) Fields {
	if a.project == nil {
		return nil
	}
	s, ok := a.project.Services[service]
	if !ok {
		return nil
	}
	return fieldsOf(a.project, s)
}

// Expected returns the fields that the containers of each service of an applied file should have.
func Expected(file []byte, environment map[string]string) (map[string]Fields, error) {
	read, err := readApplied(file, environment)
	if err != nil {
		return nil, err
	}
	out := map[string]Fields{}
	for name := range read.project.Services {
		out[name] = read.fields(name)
	}
	return out, nil
}

func fieldsOf(p *types.Project, s types.ServiceConfig) Fields {
	memory, cpus, pids := int64(s.MemLimit), s.CPUS, s.PidsLimit
	if s.Deploy != nil && s.Deploy.Resources.Limits != nil {
		limits := s.Deploy.Resources.Limits
		memory, cpus, pids = cmp.Or(int64(limits.MemoryBytes), memory), cmp.Or(limits.NanoCPUs.Value(), cpus), cmp.Or(limits.Pids, pids)
	}
	return Fields{
		"user": s.User, "read_only": fmt.Sprint(s.ReadOnly), "privileged": fmt.Sprint(s.Privileged), "restart": s.Restart,
		"limits.memory": fmt.Sprint(memory), "limits.swap": fmt.Sprint(int64(s.MemSwapLimit)), "limits.cpus": fmt.Sprintf("%.3f", cpus), "limits.pids": fmt.Sprint(max(pids, 0)),
		"cap_add": joined(bare(s.CapAdd)), "cap_drop": joined(bare(s.CapDrop)), "security_opt": joined(s.SecurityOpt),
		"ports": joined(portsOf(s)), "networks": joined(networksOf(p, s)), "mounts": joined(mountsOf(p, s)),
	}
}

func joined(list []string) string { return strings.Join(slices.Sorted(slices.Values(list)), " ") }

func bare(capabilities []string) []string {
	var out []string
	for _, c := range capabilities {
		out = append(out, strings.TrimPrefix(c, "CAP_"))
	}
	return out
}

func portsOf(s types.ServiceConfig) []string {
	var out []string
	for _, p := range s.Ports {
		out = append(out, fmt.Sprintf("%s:%s:%d/%s", p.HostIP, p.Published, p.Target, p.Protocol))
	}
	return out
}

// networksOf are the networks that a container joins, by their names on the engine.
func networksOf(p *types.Project, s types.ServiceConfig) []string {
	if s.NetworkMode != "" {
		return []string{s.NetworkMode}
	}
	var out []string
	for key := range s.Networks {
		out = append(out, p.Networks[key].Name)
	}
	return out
}

// mountsOf are the volumes and binds of a container, by their names on the engine.
func mountsOf(p *types.Project, s types.ServiceConfig) []string {
	var out []string
	for _, m := range s.Volumes {
		source, mode := m.Source, "rw"
		if m.ReadOnly {
			mode = "ro"
		}
		switch m.Type {
		case types.VolumeTypeVolume:
			source = p.Volumes[m.Source].Name
		case types.VolumeTypeBind:
		default:
			continue // a tmpfs in the long form is none that the engine lists as a volume
		}
		out = append(out, source+":"+m.Target+":"+mode)
	}
	return out
}

// outside are the keys of a service that are no part of its containers: Compose leaves them out when it decides whether a
// container has to be made anew (pkg/compose/hash.go of docker/compose: build, pull policy, scale, dependencies, profiles).
func outside(path string) bool {
	key, _, _ := strings.Cut(path, ".")
	return slices.Contains([]string{"build", "depends_on", "profiles", "pull_policy", "scale"}, key) || path == "deploy.replicas"
}

// difference says in words what changed between two nodes, sorted by path.
func difference(before, after generate.Settings, ignore func(path string) bool) []string {
	paths := maps.Clone(before)
	maps.Copy(paths, after)
	var out []string
	whole := "\x00" // the item of a list that is new or gone, which says all about its settings
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		b, hadB := before[path]
		a, hadA := after[path]
		name, item := generate.Item(path)
		if item && hadA != hadB {
			whole = name + "."
		}
		switch {
		case a == b && hadA == hadB, strings.HasPrefix(path, whole), item && hadA && hadB, ignore != nil && ignore(path):
		case !hadB:
			out = append(out, fmt.Sprintf("%s is new: %s", name, a))
		case !hadA:
			out = append(out, fmt.Sprintf("%s is gone: %s", name, b))
		default:
			out = append(out, fmt.Sprintf("%s: %s → %s", name, b, a))
		}
	}
	return out
}

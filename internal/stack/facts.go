package stack

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
	"github.com/hsectl/hsectl/internal/profile"
)

// Facts returns what the rendered service is declared to be: the first of the two witnesses.
func (s Stack) Facts(service Service) policy.Facts {
	_, rootWritable := service.Excepted("HSE-FS-001")
	in := s.Intent(service)
	restart, retries := service.Restart, 0
	if policyName, n, ok := strings.Cut(service.Restart, ":"); ok {
		restart = policyName
		retries, _ = strconv.Atoi(n) // validated by the profile
	}
	f := policy.Facts{
		Service:      service.Name,
		RootReadOnly: declared(!rootWritable),
		Mounts:       declared(slices.Concat(in.Writable, in.Host)),
		// One process stands for all: this is what the engine is asked to give each of them.
		Processes: declared([]policy.Process{{
			Name: "of the service", UIDs: [4]int{in.UID, in.UID, in.UID, in.UID}, GIDs: [4]int{in.GID, in.GID, in.GID, in.GID},
			Bounding: in.Capabilities, NoNewPrivs: true, Seccomp: 2,
		}}),
		Privileged: declared(false),
		Masked:     declared([]string{"/proc/kcore", "/proc/keys", "/proc/timer_list"}),
		Namespaces: declared(policy.Namespaces{}),
		Devices:    declared([]string(nil)),
		Ports:      declared(in.Ports),
		Networks:   declared(s.networkFacts(service)),
		Memory:     declared(in.Memory),
		MemorySwap: declared(in.Memory),
		CPUs:       declared(in.CPUs),
		PIDs:       declared(in.PIDs),
		OpenFiles:  declared(int64(service.OpenFiles)),
		CoreSize:   declared(int64(0)),
		Stop:       declared(in.Stop),
		Restart:    declared(policy.Restart{Policy: restart, Retries: retries}),
		Health:     declared(policy.Health{Test: service.test()}),
		Arguments:  declared(service.arguments()),
		Log:        declared(policy.Log{Driver: service.Log.Driver, Bounded: service.Log.Driver != "json-file" || service.Log.MaxSize.Bytes > 0}),
		Image:      declared(policy.Image{Reference: service.Image}),
		Declaration: declared(policy.Declaration{
			User: fmt.Sprintf("%d:%d", in.UID, in.GID), Hostname: service.Hostname, Prepared: true, Target: "compose",
		}),
	}
	f.Keeping = declared(s.Keeping(service))
	if sites := s.Sites(service); len(sites) > 0 {
		f.Sites = declared(sites)
	}
	if in.Loaded != "" {
		f.Loaded = declared(in.Loaded)
	}
	f.Surface = s.surface(service)
	f.Environment = declared(service.variables())
	var files []policy.Secret
	for _, use := range service.Secrets {
		files = append(files, policy.Secret{Name: use.Name, Readable: true})
	}
	f.Secrets = declared(files)
	return profile.Passthrough(service.Extra).Weaken(f)
}

// defaultShm is what the engine gives when nothing is set.
const defaultShm = 64 << 20

// surface is what the model cannot express otherwise: nothing of the host, nothing of others, the engine's own filter.
func (s Stack) surface(service Service) policy.Surface {
	out := policy.Surface{
		User:   declared(fmt.Sprintf("%d:%d", service.User.UID, service.User.GID)),
		Shm:    declared(policy.Shm{Size: cmp.Or(service.ShmSize.Bytes, defaultShm)}),
		Filter: declared("default"), Sysctls: declared([]string(nil)), Cgroup: declared(policy.Cgroup{}), Runtime: declared("runc"),
		Borrowed: declared([]string(nil)), ExtraHosts: declared([]string(nil)),
	}
	var relations []policy.Relation
	for _, d := range service.DependsOn {
		relations = append(relations, policy.Relation(d))
	}
	out.DependsOn = declared(relations)
	return out
}

// peers are the services that share a network with this one.
func (s Stack) peers(service Service) []string {
	var out []string
	for _, other := range s.Services {
		if other.Name != service.Name && slices.ContainsFunc(other.Networks, func(n string) bool { return slices.Contains(service.Networks, n) }) {
			out = append(out, other.Name)
		}
	}
	return out
}

func declared[T any](v T) policy.Fact[T] { return policy.Seen(v, finding.Declared) }

// variables are those of the container as far as they are known: one that deploy must get from its own environment
// stands with a word in place of its value, so that its name is judged.
func (s Service) variables() []policy.Variable {
	var out []policy.Variable
	for _, v := range s.Environment {
		value := v.Value
		switch {
		case v.Required:
			value = "required"
		case v.Default != nil:
			value = *v.Default
		}
		out = append(out, policy.Variable{Name: v.Name, Value: value})
	}
	for _, use := range s.Secrets {
		if use.Env != "" {
			out = append(out, policy.Variable{Name: use.Env, Value: SecretDir + "/" + use.Name})
		}
	}
	return out
}

// arguments are what everybody who may look at the container can read: entry point, command and labels.
func (s Service) arguments() []string {
	out := slices.Concat(s.Entrypoint, s.Command)
	for _, l := range s.Labels {
		out = append(out, l.Name+"="+l.Value)
	}
	return out
}

func (s Service) test() []string {
	if s.Health == nil {
		return nil
	}
	return s.Health.Test
}

// Intent returns what the profile grants the service.
func (s Stack) Intent(service Service) policy.Intent {
	in := policy.Intent{
		UID: service.User.UID, GID: service.User.GID,
		Denied: service.Denied, Networks: service.Networks, Peers: s.peers(service), Listen: service.Listen,
		Memory: service.Limits.Memory.Bytes, CPUs: float64(service.Limits.Nano) / 1e9, PIDs: int64(service.Limits.PIDs),
		Replicas: service.Wanted(),
		Stop:     policy.Stop{Signal: service.Shutdown.Signal, Grace: service.Shutdown.Grace, Init: service.Init},
		Image:    service.Image, Preset: service.Preset, Untested: service.Untested,
		Loaded: s.Loaded(service),
	}
	for _, c := range service.Capabilities {
		in.Capabilities |= policy.CapabilityMask(c.Name)
		if c.File {
			in.FileCapabilities |= policy.CapabilityMask(c.Name)
		}
	}
	for _, w := range service.Writable {
		external := slices.ContainsFunc(s.Volumes, func(v Volume) bool { return v.Name == w.Volume && v.External })
		m := policy.Mount{Path: w.Path, Kind: "volume", Source: w.Volume, Writable: true, Exec: true, External: external}
		if w.Volume == "" {
			m = policy.Mount{Path: w.Path, Kind: "tmpfs", Writable: true, Size: w.Size.Bytes, Exec: w.Exec, Owned: true}
		}
		in.Writable = append(in.Writable, m)
	}
	for _, h := range service.HostPaths {
		in.Host = append(in.Host, policy.Mount{Path: h.Path, Kind: "bind", Source: h.Host, Exec: true})
	}
	for _, p := range service.Ports {
		in.Ports = append(in.Ports, policy.Port(p))
	}
	for _, use := range service.Secrets {
		in.Secrets = append(in.Secrets, use.Name)
	}
	for _, n := range s.networkFacts(service) {
		in.Egress = in.Egress || !n.Internal
	}
	return in
}

func (s Stack) networkFacts(service Service) []policy.Network {
	var out []policy.Network
	for _, name := range service.Networks {
		for _, n := range s.Networks {
			if n.Name == name {
				// A network that publishes without egress has no masquerading: nothing answers to its addresses.
				out = append(out, policy.Network{Name: name, Internal: !n.Egress})
			}
		}
	}
	return out
}

// Check judges every service by the table of controls, as declared. Exceptions turn failures into waived findings.
func (s Stack) Check() []finding.Finding {
	var out []finding.Finding
	for _, service := range s.Services {
		out = append(out, service.Waive(controls.Check(s.Facts(service), s.Intent(service), false))...)
	}
	return out
}

// Waive marks the failures that the service's exceptions allow. One that has expired allows nothing, and the failure says so.
func (s Service) Waive(findings []finding.Finding) []finding.Finding {
	out := slices.Clone(findings)
	for i, f := range out {
		e, ok := s.Excepted(f.Control)
		switch {
		case !ok || f.Status != finding.Fail && f.Status != finding.Drift:
		case s.expired(e):
			out[i].Detail += "; the exception for it expired on " + e.Expires
		default:
			out[i].Status = finding.Waived
			out[i].Waiver = &finding.Waiver{Reason: e.Reason, Owner: e.Owner, Expires: e.Expires}
		}
	}
	return out
}

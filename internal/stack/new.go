package stack

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/profile"
)

// New hardens a profile. Parse has validated it, so nothing can be wrong with it any more.
func New(p *profile.Profile) Stack {
	s := Stack{Name: p.Name, Extra: p.Passthrough}
	volumes := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		service := newService(p, name)
		for _, w := range service.Volumes() {
			volumes[w.Volume] = true
		}
		s.Services = append(s.Services, service)
	}
	for _, name := range slices.Sorted(maps.Keys(volumes)) {
		s.Volumes = append(s.Volumes, newVolume(p, name))
	}
	s.Secrets = ownSecrets(p)
	for _, name := range slices.Sorted(maps.Keys(p.Networks)) {
		n := p.Networks[name]
		s.Networks = append(s.Networks, Network{
			Name: name, External: n.External, Egress: n.Egress || n.External, Internal: !n.Egress && !n.Publish && !n.External,
		})
	}
	s.Firewall = newFirewall(p, s.Services)
	s.Jobs, s.Hooks = newJobs(p), newHooks(p)
	s.addEdge(p)
	return s
}

// ownSecrets returns the secrets of the profile, without those that only its monitoring stack reads: they are asked for
// when that is deployed.
func ownSecrets(p *profile.Profile) []Secret {
	used := map[string]bool{}
	for _, service := range p.Services {
		for _, use := range service.Secrets {
			used[use.Name], used[p.Secrets[use.Name].From] = true, true
		}
	}
	for _, hook := range p.Hooks {
		for _, name := range hook.Secrets {
			used[name], used[p.Secrets[name].From] = true, true
		}
	}
	watching := p.MonitoringSecrets()
	var out []Secret
	for _, name := range slices.Sorted(maps.Keys(p.Secrets)) {
		if used[name] || !slices.Contains(watching, name) {
			out = append(out, NewSecret(name, p.Secrets[name]))
		}
	}
	return out
}

// NewSecret returns the secret as the profile declares it.
func NewSecret(name string, from profile.Secret) Secret {
	return Secret{Name: name, Env: from.Env, File: from.File, Age: from.Age, Command: from.Command, From: from.From, Format: from.Format, Generate: from.Generate}
}

func newService(p *profile.Profile, name string) Service {
	from := p.Services[name]
	user := User{from.User.UID, from.User.GID}
	if !from.User.Set {
		user = ImageUser()
	}
	s := Service{
		Name: name, Preset: from.Preset, Owner: from.Owner, Image: from.Image, Entrypoint: from.Entrypoint,
		Command: slices.Concat(from.Command, from.Arguments), Hostname: from.Hostname, User: user,
		Init:   from.Init != nil && *from.Init,
		Gains:  from.NewPrivileges,
		Limits: newResources(from.Limits), Reservations: newResources(from.Reservations),
		ShmSize: size(from.ShmSize), OpenFiles: from.OpenFiles,
		Shutdown: Shutdown{Signal: from.Shutdown.Signal, Grace: from.Shutdown.Grace.D, Timeout: from.Shutdown.Timeout.D, Logs: from.Shutdown.Logs},
		Replicas: from.Containers(), Rollout: newRollout(p, name),
		Health: newHealth(from), Networks: from.Networks, Profiles: from.Profiles, Restart: from.Restart,
		Log:    Log{Driver: from.Logging.Driver, MaxSize: size(from.Logging.MaxSize), MaxFiles: from.Logging.MaxFiles},
		Denied: from.Verify.Denied, Listen: from.Verify.Listen, ListenUDP: from.Verify.ListenUDP, Extra: from.Passthrough,
	}
	s.Protocols = newProtocols(from)
	for _, r := range from.Verify.Reach {
		s.Reach = append(s.Reach, Reach(r))
	}
	if from.Health != nil {
		s.Untested = from.Health.None
	}
	if b := from.Build; b != nil {
		s.Build = &Build{Context: b.Context, Dockerfile: cmp.Or(b.Dockerfile, "Dockerfile"), Target: b.Target, Args: map[string]string{}}
		for k, v := range b.Args {
			s.Build.Args[k] = string(v)
		}
	}
	for _, w := range from.Writable {
		s.Writable = append(s.Writable, newWritable(w, user))
	}
	for _, h := range from.HostPaths {
		s.HostPaths = append(s.HostPaths, HostPath(h))
	}
	for _, c := range from.Capabilities {
		if c.Name == profile.DefaultCapabilities {
			s.Default = true
			continue
		}
		s.Capabilities = append(s.Capabilities, Capability(c))
	}
	for _, use := range from.Secrets {
		s.Secrets = append(s.Secrets, SecretFile{use.Name, use.Env})
		if first, ok := newFirstStart(from, use); ok {
			s.FirstStarts = append(s.FirstStarts, first)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(from.Environment)) {
		e := from.Environment[key]
		s.Environment = append(s.Environment, Variable{Name: key, Value: string(e.Value), Required: e.Required, Default: (*string)(e.Default)})
	}
	for _, key := range slices.Sorted(maps.Keys(from.Labels)) {
		s.Labels = append(s.Labels, Label{key, string(from.Labels[key])})
	}
	for _, port := range from.Ports {
		s.Ports = append(s.Ports, newPorts(port)...)
	}
	for _, d := range from.DependsOn {
		s.DependsOn = append(s.DependsOn, Dependency(d))
	}
	s.Metrics, s.SLO = newObservation(from)
	if p.Monitoring != nil && s.Log.Driver == "json-file" {
		// The shipper knows a line's service by these, without asking the engine.
		s.Log.Labels = []string{"com.docker.compose.project", "com.docker.compose.service"}
	}
	for _, e := range p.Exceptions {
		if e.Service == name {
			s.Exceptions = append(s.Exceptions, Exception{Control: e.Control, Reason: e.Reason, Question: e.Question, Owner: cmp.Or(e.Owner, from.Owner), Expires: e.Expires.String()})
		}
	}
	return s
}

// newFirstStart finds the entry of the preset that a secret is. Where the data is in no volume it lives as long as its container,
// and is initialised with every new one.
func newFirstStart(from profile.Service, use profile.SecretUse) (FirstStart, bool) {
	for _, f := range from.FirstStart {
		if use.FirstStart != f.Name && (use.Env == "" || !slices.Contains(f.Env, use.Env)) {
			continue
		}
		volume := ""
		for _, w := range from.Writable {
			if w.Volume != "" && (w.Path == f.Data || strings.HasPrefix(w.Path, f.Data+"/")) {
				volume = w.Volume
			}
		}
		return FirstStart{Secret: use.Name, Volume: volume, Login: f.Login, Change: f.Change}, volume != ""
	}
	return FirstStart{}, false
}

// newPorts returns a published port: two where it is published on every address, as the engine has it.
func newPorts(port profile.Port) []Port {
	if port.Address != profile.EveryAddress {
		return []Port{Port(port)}
	}
	four, six := Port(port), Port(port)
	four.Address, six.Address = netip.IPv4Unspecified().String(), netip.IPv6Unspecified().String()
	return []Port{four, six}
}

// Paired reports whether a port is the half of IPv6 of one that is published on every address. An engine without IPv6 has the
// other half only.
func (s Service) Paired(p Port) bool {
	other := p
	other.Address = netip.IPv4Unspecified().String()
	return p.Address == netip.IPv6Unspecified().String() && slices.Contains(s.Ports, other)
}

func newObservation(s profile.Service) (*Metrics, Objectives) {
	var o Objectives
	if s.SLO != nil {
		o = Objectives{LatencyP95: s.SLO.LatencyP95.D, Availability: s.SLO.Availability.P}
	}
	if s.Metrics == nil {
		return nil, o
	}
	m := Metrics(*s.Metrics)
	return &m, o
}

func size(b profile.Bytes) Size { return Size{b.N, b.Text} }

func newResources(r profile.Resources) Resources {
	return Resources{CPUs: r.CPUs.Text, Nano: r.CPUs.Nano, Memory: size(r.Memory), PIDs: r.PIDs}
}

// newWritable gives a directory to the service's user only, unless the profile says otherwise.
func newWritable(w profile.Writable, user User) Writable {
	out := Writable{Path: w.Path, Volume: w.Volume, Size: size(w.Tmpfs), Mode: 0o700, Owner: user, Exec: w.Exec}
	if !user.Known() && w.Volume == "" {
		out.Mode = 0o1777 // as the engine makes a tmpfs by itself
	}
	if w.Mode.Set {
		out.Mode = w.Mode.Bits
	}
	if w.Owner.Set {
		out.Owner = User{w.Owner.UID, w.Owner.GID}
	}
	return out
}

func newHealth(s profile.Service) *Health {
	h := s.Health
	if h == nil {
		return nil
	}
	var test []string
	switch command, ok := s.ProbeCommand(); {
	case h.Shell != "":
		test = []string{"CMD-SHELL", h.Shell}
	case len(h.Command) > 0:
		test = append([]string{"CMD"}, h.Command...)
	case ok:
		test = append([]string{"CMD"}, command...)
	default:
		return nil
	}
	return &Health{Test: test, Interval: h.Interval.D, Timeout: h.Timeout.D, Retries: h.Retries, StartPeriod: h.StartPeriod.D}
}

package stack

import (
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

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

// Intent returns what the profile grants the service.
func (s Stack) Intent(service Service) policy.Intent {
	in := policy.Intent{
		UID: service.User.UID, GID: service.User.GID,
		Denied: service.Denied, Networks: service.Networks, Peers: s.peers(service), Listen: service.Listen, ListenUDP: service.ListenUDP,
		Memory: service.Limits.Memory.Bytes, CPUs: float64(service.Limits.Nano) / 1e9, PIDs: int64(service.Limits.PIDs),
		Replicas: service.Wanted(),
		Stop:     policy.Stop{Signal: service.Shutdown.Signal, Grace: service.Shutdown.Grace, Init: service.Init},
		Image:    service.Image, Preset: service.Preset, Untested: service.Untested,
		Loaded: s.Loaded(service), Once: Once(s, service), NoTest: service.noTest(),
		Images: s.known.Images, Engine: s.known.Engine, Today: s.judged,
	}
	for _, c := range service.Capabilities {
		in.Capabilities |= policy.CapabilityMask(c.Name)
		if c.File {
			in.FileCapabilities |= policy.CapabilityMask(c.Name)
		}
	}
	if service.Default {
		in.Kept = policy.CapabilityMask(policy.DefaultCapabilities()...)
	}
	for _, w := range service.Writable {
		external := slices.ContainsFunc(s.Volumes, func(v Volume) bool { return v.Name == w.Volume && v.External })
		m := policy.Mount{Path: w.Path, Kind: "volume", Source: w.Volume, Writable: true, Exec: true, External: external}
		if w.Volume == "" {
			m = policy.Mount{Path: w.Path, Kind: "tmpfs", Writable: true, Size: w.Size.Bytes, Exec: w.Exec, Owned: w.Owner.Known()}
		} else if w.Owner.Known() {
			in.Tops = append(in.Tops, policy.Top{Path: w.Path, UID: w.Owner.UID, GID: w.Owner.GID, Mode: w.Mode})
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
	for _, n := range networkFacts(s, service) {
		in.Egress = in.Egress || !n.Internal
	}
	return in
}

// Once reports whether a service runs once: it is not started again, and others wait until it has ended with 0.
func Once(s Stack, service Service) bool {
	if service.Restart != "no" && !strings.HasPrefix(service.Restart, "on-failure") {
		return false
	}
	return slices.ContainsFunc(s.Services, func(other Service) bool {
		if depends, ok := other.Extra["depends_on"].(map[string]any); ok {
			on, _ := depends[service.Name].(map[string]any)
			if on["condition"] == "service_completed_successfully" {
				return true
			}
		}
		return slices.ContainsFunc(other.DependsOn, func(d Dependency) bool { return d.Service == service.Name && d.Condition == "completed" })
	})
}

// noTest is the reason of the exception that lets the service have no health test, while it lasts.
func (s Service) noTest() string {
	if e, ok := s.Excepted("HSE-HLT-001"); ok && !s.expired(e) {
		return e.Reason
	}
	return ""
}

func networkFacts(s Stack, service Service) []policy.Network {
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
			out[i].Waiver = &finding.Waiver{Reason: e.Reason, Question: e.Question, Owner: e.Owner, Expires: e.Expires}
		}
	}
	return out
}

// Accept is Waive that waives what is unknown, too: an exception accepts that the control fails, and so that it may.
func (s Service) Accept(findings []finding.Finding) []finding.Finding {
	out := s.Waive(findings)
	for i, f := range out {
		if f.Status != finding.Unknown {
			continue
		}
		f.Status = finding.Fail
		if accepted := s.Waive([]finding.Finding{f})[0]; accepted.Status == finding.Waived {
			out[i] = accepted
		}
	}
	return out
}

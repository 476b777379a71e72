package stack

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/profile"
)

// Opening is a published port, and who may reach it.
type Opening struct {
	Port  Port
	World bool
	From  []netip.Prefix // when not World
}

// Beyond reports whether the port is reached from beyond the host.
func (p Port) Beyond() bool { return profile.Port(p).Beyond() }

func newFirewall(p *profile.Profile, services []Service) []Opening {
	var out []Opening
	for _, o := range p.Firewall {
		for _, s := range services {
			for _, port := range s.Ports {
				if port.Host == o.Port && port.Protocol == cmp.Or(o.Protocol, "tcp") && (port.Beyond() || o.Local()) {
					from, world := o.Sources()
					out = append(out, Opening{port, world, from})
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b Opening) int {
		return cmp.Or(cmp.Compare(a.Port.Host, b.Port.Host), cmp.Compare(a.Port.Protocol, b.Port.Protocol), cmp.Compare(a.Port.Address, b.Port.Address))
	})
	return out
}

// Loopback are the ports that are published for this machine only, on IPv4: the kernel drops what comes to ::1 from elsewhere.
func (s Stack) Loopback() []Port {
	var out []Port
	for _, service := range s.Services {
		for _, p := range service.Ports {
			if a, err := netip.ParseAddr(p.Address); err == nil && a.Is4() && a.IsLoopback() {
				out = append(out, p)
			}
		}
	}
	slices.SortFunc(out, func(a, b Port) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Address, b.Address))
	})
	return out
}

// Openings are what the machine's firewall is judged by; nil when the profile says nothing of ports that others reach.
func (s Stack) Openings() []policy.Opening {
	var out []policy.Opening
	for _, o := range s.Firewall {
		if !o.Port.Beyond() {
			continue
		}
		out = append(out, policy.Opening{Port: policy.Port(o.Port), World: o.World, From: o.From})
	}
	return out
}

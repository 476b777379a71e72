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
				if port.Host == o.Port && port.Protocol == cmp.Or(o.Protocol, "tcp") && port.Beyond() {
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

// Openings are what the machine's firewall is judged by; nil when the profile says nothing.
func (s Stack) Openings() []policy.Opening {
	var out []policy.Opening
	for _, o := range s.Firewall {
		out = append(out, policy.Opening{Port: policy.Port(o.Port), World: o.World, From: o.From})
	}
	return out
}

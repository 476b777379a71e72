package platform

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/lifecycle"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/firewall"
)

// loopbackClosed wants ports on loopback to be reached from this machine only. Engines before a release translate what a neighbour on the
// same network sends to 127.0.0.1, and forward what it sends to the container: there the rules of the machine must refuse both.
func loopbackClosed(m policy.Machine, engine lifecycle.Engine, today time.Time) policy.Verdict {
	switch {
	case !m.Loopback.Known():
		return policy.Unknown(m.Loopback, "the ports on loopback")
	case len(m.Loopback.Value) == 0:
		return policy.NotApplicable(m.Loopback.Tier, "no container publishes a port on loopback")
	case engine.Loopback == (lifecycle.Version{}):
		return policy.Undetermined("which engines keep neighbours away from loopback: " + cmp.Or(engine.Data.Stale(today), "the data does not say"))
	}
	version, _, ok := lifecycle.VersionOf(m.Versions.Value["engine"])
	if !ok {
		return policy.Undetermined("the version of the engine is not known")
	}
	if !version.Before(engine.Loopback) {
		if stale := engine.Data.Stale(today); stale != "" {
			return policy.Undetermined("engine " + version.String() + ": " + stale)
		}
		return policy.Pass(m.Versions.Tier, "engine %s keeps neighbours away from %d ports on loopback", version, len(m.Loopback.Value))
	}
	about := fmt.Sprintf("engine %s, before %s, lets neighbours on the same network reach ports on loopback", version, engine.Loopback)
	open, blind := openOnLoopback(m)
	switch {
	case len(open) > 0:
		return policy.Fail(m.Versions.Tier, "%s: %s", about, strings.Join(open, "; "))
	case len(blind) > 0:
		return policy.Undetermined(about + "; whether the firewall closes them: " + strings.Join(blind, "; "))
	}
	return policy.Pass(m.Filter.Tier, "%s, and the firewall closes %d of them", about, len(m.Loopback.Value))
}

// openOnLoopback are the ports that the rules of the machine leave open, and why others cannot be judged.
func openOnLoopback(m policy.Machine) (open, blind []string) {
	if !m.Filter.Known() || !m.Nft.Known() {
		return nil, []string{cmp.Or(m.Filter.Why, m.Nft.Why, "its rules could not be read")}
	}
	nftables, err := firewall.ParseNftables(m.Nft.Value, m.Compat)
	if err != nil {
		return nil, []string{err.Error()}
	}
	for _, p := range m.Loopback.Value {
		rules := firewall.New(m.Filter.Value, nftables, false)
		port := firewall.Port(p.Port)
		sources, err := rules.Sources(port, firewall.Forward, nil)
		way, doubt := reached(sources, err)
		for _, at := range p.Inside {
			sources, err := rules.Direct(port, at.Address, at.Bridge)
			through, unsure := reached(sources, err)
			if through != "" {
				through += fmt.Sprintf(" by its address %s", at.Address)
			}
			way, doubt = cmp.Or(way, through), cmp.Or(doubt, unsure)
		}
		name := p.Port.String() + " of " + p.Container
		switch {
		case way != "":
			open = append(open, name+" can be reached from "+way)
		case doubt != "":
			blind = append(blind, name+" depends on what cannot be judged: "+doubt)
		}
	}
	return open, blind
}

// reached says from where a port is open for sure, or which rule cannot be judged.
func reached(sources []firewall.Source, err error) (from, doubt string) {
	if err != nil {
		return "", err.Error()
	}
	for _, s := range sources {
		switch {
		case s.Accepted && s.Refused:
			doubt = cmp.Or(doubt, s.Rule)
		case s.Accepted:
			return s.First.String(), ""
		}
	}
	return "", doubt
}

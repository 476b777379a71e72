package profile

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/hsectl/hsectl/internal/yamldoc"
)

// Opening says from where a published port may be reached.
type Opening struct {
	Port     int      `yaml:"port" doc:"port of the host that a service publishes, or the edge"`
	Protocol string   `yaml:"protocol" doc:"tcp or udp; tcp unless written"`
	From     []string `yaml:"from" doc:"addresses and networks that may reach it, such as 10.0.0.0/8; or world"`
}

// World is everybody.
const World = "world"

// Sources returns the networks of an opening, and whether everybody may come. What cannot be read is left out; the
// validator has refused it.
func (o Opening) Sources() (from []netip.Prefix, world bool) {
	for _, text := range o.From {
		if text == World {
			world = true
		} else if p, err := source(text); err == nil {
			from = append(from, p)
		}
	}
	return from, world
}

// source reads an address or a network.
func source(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err == nil && p != p.Masked() {
		return p, yamldoc.BadValue("write "+p.Masked().String(), "%q is an address within a network", text)
	}
	return p, err
}

// Beyond reports whether a published port is reached from beyond the host.
func (p Port) Beyond() bool {
	a, err := netip.ParseAddr(p.Address)
	return err != nil || !a.IsLoopback()
}

func (o Opening) opens(p Port) bool {
	protocol := o.Protocol
	if protocol == "" {
		protocol = "tcp"
	}
	return o.Port == p.Host && protocol == p.Protocol && p.Beyond()
}

func (v *validator) firewall() {
	if v.p.Firewall == nil {
		return
	}
	var published []Port
	for _, s := range v.p.Services {
		published = append(published, s.Ports...)
	}
	for i, o := range v.p.Firewall {
		path := fmt.Sprintf("firewall[%d]", i)
		if o.Protocol != "" && o.Protocol != "tcp" && o.Protocol != "udp" {
			v.bad(path+".protocol", "write tcp or udp", "there is no protocol %q", o.Protocol)
			continue
		}
		if !slices.ContainsFunc(published, o.opens) {
			v.bad(path+".port", "take it out, or publish the port on an address that others reach", "nothing publishes port %d beyond this machine", o.Port)
		}
		for j, other := range v.p.Firewall[:i] {
			if other.Port == o.Port && (other.Protocol == o.Protocol || other.Protocol+o.Protocol == "tcp") {
				v.bad(path, "join the two", "port %d stands in firewall[%d], too", o.Port, j)
			}
		}
		if len(o.From) == 0 {
			v.bad(path+".from", "write from: [10.0.0.0/8], or from: [world]", "nobody may reach port %d; then it need not be published", o.Port)
		}
		for j, text := range o.From {
			if text == World {
				continue
			}
			if _, err := source(text); err != nil {
				v.bad(fmt.Sprintf("%s.from[%d]", path, j), cmp.Or(yamldoc.Hint(err), "write an address, a network such as 10.0.0.0/8, or world"), "%q is not a network", text)
			}
		}
		if slices.Contains(o.From, World) && len(o.From) > 1 {
			v.bad(path+".from", "keep world, or the networks", "world holds the other networks")
		}
	}
	v.unopened()
}

// unopened wants a word about each port that others can reach: the list is what the firewall is judged by.
func (v *validator) unopened() {
	for name, s := range v.p.Services {
		for i, p := range s.Ports {
			if p.Beyond() && p.check() == nil && !slices.ContainsFunc(v.p.Firewall, func(o Opening) bool { return o.opens(p) }) {
				v.bad(fmt.Sprintf("services.%s.ports[%d]", name, i), fmt.Sprintf("add {port: %d, protocol: %s, from: [world]} or a network to firewall:", p.Host, p.Protocol),
					"port %d/%s is published on %s, and firewall: does not say who may reach it", p.Host, p.Protocol, p.Address)
			}
		}
	}
}

package verify

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/verify/kernel"
)

// Machine is what a look at all processes of the machine shows of a container: its place, and those that are in it and are none
// of its own.
type Machine struct {
	Home      kernel.Home      `json:"home"`
	Strangers []kernel.Process `json:"strangers"`
}

// Special is a file in a writable place that gives rights.
type Special struct {
	Path         string `json:"path"`
	Mode         uint32 `json:"mode"` // of the system call stat
	Capabilities bool   `json:"capabilities,omitempty"`
}

// Top is the top directory of a volume, as the service's user sees it.
type Top struct {
	Path string `json:"path"`
	UID  int    `json:"uid"`
	GID  int    `json:"gid"`
	Mode int    `json:"mode"`
}

// Bits of a mode (inode(7)).
const (
	modeSetuid, modeSetgid                  = 0o4000, 0o2000
	modeFormat, modeCharacter, modeBlock    = 0o170000, 0o020000, 0o060000
	modePermissions, modeRegular, modeGroup = 0o7777, 0o100000, 0o010
)

// GivesRights tells a file that gives whoever runs or opens it rights that he has not: by its mode, as stat says it. Setgid without
// leave for the group to run it only asks for locks.
func GivesRights(mode uint32) bool {
	switch mode & modeFormat {
	case modeCharacter, modeBlock:
		return true
	case modeRegular:
		return mode&modeSetuid != 0 || mode&modeSetgid != 0 && mode&modeGroup != 0
	}
	return false
}

// intrusions fills what appears in a running container that nothing rendered puts there, but for processes.
func intrusions(f *policy.Facts, c Container, first RawProcess) {
	d := c.Dump
	f.UDP = datagramPorts(first)
	f.Wiring, f.Names = wiring(c)
	f.Special = special(d)
	f.Openable = openable(*f, d, first)
	f.Tops = tops(c)
}

// unseen makes the facts of a container unknown that could not be looked at.
func unseen(f *policy.Facts, why string) {
	f.Wiring, f.Names, f.Special = policy.Unseen[[]string](why), policy.Unseen[[]string](why), policy.Unseen[[]string](why)
	f.Openable, f.UDP, f.Tops = policy.Unseen[[]string](why), policy.Unseen[[]int](why), policy.Unseen[[]policy.Top](why)
}

func datagramPorts(first RawProcess) policy.Fact[[]int] {
	text, ok := first.Files["net/udp"]
	if !ok || slices.Contains(first.Unread, "net/udp6") {
		return policy.Unseen[[]int]("the socket tables could not be read")
	}
	ports, err := inState(unconnected, text, first.Files["net/udp6"])
	if err != nil {
		return policy.Unseen[[]int](err.Error())
	}
	return policy.Seen(slices.Compact(slices.Sorted(maps.Values(ports))), finding.Effective)
}

// wiring holds the network and the names against what the engine has connected. A network that is not the container's own is
// judged where it is at home.
func wiring(c Container) (wires, names policy.Fact[[]string]) {
	if c.Wiring == nil || c.Wiring.Shared {
		return wires, names
	}
	d := c.Dump
	if found, err := c.Wiring.Strange(d.Wires); d.Unfinished[LookWires] != "" {
		wires = policy.Unseen[[]string](display.Name(d.Unfinished[LookWires]))
	} else if err != nil {
		wires = policy.Unseen[[]string](display.Name(err.Error()))
	} else {
		wires = policy.Seen(found, finding.Effective)
	}
	switch found, err := c.Wiring.StrangeNames(d.Names); {
	case d.Barred != "":
		names = policy.Unseen[[]string](display.Name(d.Barred))
	case err != nil:
		names = policy.Unseen[[]string](display.Name(err.Error()))
	default:
		names = policy.Seen(found, finding.Effective)
	}
	return wires, names
}

func special(d *Dump) policy.Fact[[]string] {
	var out []string
	for _, s := range d.Special {
		what := "may be run with the rights of its owner or its group"
		switch {
		case s.Mode&modeFormat == modeCharacter || s.Mode&modeFormat == modeBlock:
			what = "is a device"
		case s.Capabilities:
			what = "gives capabilities"
		}
		out = append(out, fmt.Sprintf("%s, with mode %04o, %s", display.Name(s.Path), s.Mode&modePermissions, what))
	}
	why := d.Unfinished[LookSpecial]
	if d.Barred != "" {
		why = d.Barred
	}
	if why != "" && len(out) == 0 {
		return policy.Unseen[[]string](display.Name(why))
	}
	return policy.Seen(out, finding.Effective)
}

// openable holds device files, and on version 1 of control groups the rules of the container's own, against those of every container. A
// container that was given devices is judged by what was asked for.
func openable(f policy.Facts, d *Dump, first RawProcess) policy.Fact[[]string] {
	if f.Privileged.Value || len(f.Devices.Value) > 0 {
		return policy.Fact[[]string]{}
	}
	if why := d.Unfinished[LookNodes]; why != "" || d.Barred != "" {
		return policy.Unseen[[]string](display.Name(why + d.Barred))
	}
	out := kernel.StrangeNodes(d.Nodes)
	if kernel.OwnGroup(first.Files["cgroup"], "devices") {
		rules, ok := d.Cgroup["devices.list"]
		if !ok {
			return policy.Unseen[[]string]("the rules of the control group could not be read")
		}
		found, err := kernel.StrangeRules(rules)
		if err != nil {
			return policy.Unseen[[]string](err.Error())
		}
		out = append(out, found...)
	}
	return policy.Seen(out, finding.Effective)
}

func tops(c Container) policy.Fact[[]policy.Top] {
	if c.Dump.Barred != "" {
		return policy.Unseen[[]policy.Top](display.Name(c.Dump.Barred))
	}
	var out []policy.Top
	for _, t := range c.Dump.Tops {
		out = append(out, policy.Top{Path: t.Path, UID: t.UID, GID: t.GID, Mode: t.Mode & modePermissions, Prepared: c.Prepared})
	}
	return policy.Seen(out, finding.Effective)
}

// strangers are the processes of a machine that are in the place of a container and belong neither to it, nor to a container that
// the engine lists as sharing just that with it, nor to a probe that hsectl made: containers are known by their whole ids.
// Where the machine was not looked at nothing is said.
func strangers(c Container, all []Resident, listed error) policy.Fact[[]string] {
	if c.Dump == nil || c.Dump.Machine == nil {
		return policy.Fact[[]string]{}
	}
	m := c.Dump.Machine
	if why := c.Dump.Unfinished[LookMachine]; why != "" && len(m.Strangers) == 0 {
		return policy.Unseen[[]string](display.Name(why))
	}
	if kinds := m.Home.Unread(); len(kinds) > 0 {
		return policy.Unseen[[]string](fmt.Sprintf("the namespaces %v could not be read", kinds))
	}
	if listed != nil {
		return policy.Unseen[[]string](display.Name(listed.Error()))
	}
	var out []string
	for _, p := range m.Strangers {
		kinds, group, strange := m.Home.Shares(p)
		if !strange {
			continue
		}
		known := false
		for _, r := range all {
			if r.ID == m.Home.ID || !slices.Contains(kernel.Containers(p.Place.Groups), r.ID) {
				continue
			}
			known = known || r.Own
			kinds = slices.DeleteFunc(kinds, func(kind string) bool { return lends(r, all, m.Home.ID, kind) })
		}
		if !known && (group || len(kinds) > 0) {
			out = append(out, p.Text(kinds, group))
		}
	}
	slices.Sort(out)
	return policy.Seen(slices.Compact(out), finding.Effective)
}

// lends reports whether a container and another one have a namespace of a kind in common because the engine was asked for that.
func lends(r Resident, all []Resident, id, kind string) bool {
	if kind == "net" {
		kind = "network"
	}
	if slices.Contains(r.Namespaces[id], kind) {
		return true
	}
	i := slices.IndexFunc(all, func(o Resident) bool { return o.ID == id })
	if i < 0 {
		return false
	}
	if slices.Contains(all[i].Namespaces[r.ID], kind) {
		return true
	}
	for third, kinds := range all[i].Namespaces { // both have that of a third one
		if slices.Contains(kinds, kind) && slices.Contains(r.Namespaces[third], kind) {
			return true
		}
	}
	return false
}

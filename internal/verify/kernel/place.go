// Package kernel reads what a kernel says of a container beyond its processes and mounts: who shares its namespaces and control
// groups, how its network is wired, which names it resolves, which devices it may use. It is given texts and messages and
// says what no engine makes there. It is pure.
package kernel

import (
	"regexp"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/display"
)

// Kinds are the names of the namespaces of a process, as files under /proc/PID/ns (namespaces(7)).
func Kinds() []string { return []string{"pid", "ipc", "uts", "net", "user", "cgroup", "mnt"} }

// Place is where a process is: its namespaces by kind, such as net:[4026531840], and the text of /proc/PID/cgroup.
type Place struct {
	Namespaces map[string]string `json:"namespaces"`
	Groups     string            `json:"groups"`
}

// Process is one of a machine, as far as it may be in the place of a container.
type Process struct {
	PID    int    `json:"pid"` // on the machine
	Name   string `json:"name"`
	Place  Place  `json:"place"`
	Inside bool   `json:"inside"` // it is in the pid namespace of the container, or in one below it
}

// Home is the place of a container: that of its first process. What it has in common with the process that started it is of
// the machine, and not its own.
type Home struct {
	ID      string `json:"id"` // of the container
	Place   Place  `json:"place"`
	Machine Place  `json:"machine"`
}

// Own are the kinds of namespaces that the container has for itself.
func (h Home) Own() []string {
	return slices.DeleteFunc(Kinds(), func(kind string) bool {
		return h.Place.Namespaces[kind] == "" || h.Place.Namespaces[kind] == h.Machine.Namespaces[kind]
	})
}

// Unread are the kinds of namespaces that could not be read of the container or of its machine.
func (h Home) Unread() []string {
	return slices.DeleteFunc(Kinds(), func(kind string) bool { return h.Place.Namespaces[kind] != "" && h.Machine.Namespaces[kind] != "" })
}

// Shares says which namespaces of its own a container has in common with a process that is none of its own, and whether
// its control group is among that. A process of the container is in its pid namespace, or in one below it, and in each of its control
// groups: what it does with its other namespaces is its own business.
func (h Home) Shares(p Process) (kinds []string, group, strange bool) {
	in, all := h.grouped(p.Place.Groups)
	own := h.Own()
	if p.Inside && all {
		return nil, in, false
	}
	for _, kind := range own {
		if p.Place.Namespaces[kind] == h.Place.Namespaces[kind] || kind == "pid" && p.Inside {
			kinds = append(kinds, kind)
		}
	}
	return kinds, in, len(kinds) > 0 || in
}

// grouped reports whether the text of a process's control groups has one of the container's, or one below, and whether it has all of
// them.
func (h Home) grouped(groups string) (some, all bool) {
	theirs := hierarchies(groups)
	all = true
	for controllers, path := range hierarchies(h.Place.Groups) {
		base, ok := h.base(path)
		if !ok {
			continue
		}
		if at := theirs[controllers]; at == base || strings.HasPrefix(at, base+"/") {
			some = true
		} else {
			all = false
		}
	}
	return some, some && all
}

// base is the control group that carries the container's id: its first process may have been moved below it.
func (h Home) base(path string) (string, bool) {
	at := strings.Index(path, h.ID)
	if h.ID == "" || at < 0 {
		return "", false
	}
	rest := path[at+len(h.ID):]
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		rest = rest[:i]
	}
	return path[:at+len(h.ID)] + rest, true
}

// hierarchies are the paths of a process in the control groups, by their controllers (cgroups(7)).
func hierarchies(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if parts := strings.SplitN(strings.TrimSpace(line), ":", 3); len(parts) == 3 {
			out[parts[1]] = parts[2]
		}
	}
	return out
}

// OwnGroup reports whether a process has a control group of its container for a controller of version 1. An engine without root makes
// none: then the rules of a group are not about the container.
func OwnGroup(groups, controller string) bool {
	for controllers, path := range hierarchies(groups) {
		if slices.Contains(strings.Split(controllers, ","), controller) {
			return len(Containers(path)) > 0
		}
	}
	return false
}

// identity is the whole id of a container.
var identity = regexp.MustCompile(`[0-9a-f]{64}`)

// Containers are the ids of containers in the text of a process's control groups.
func Containers(groups string) []string {
	found := identity.FindAllString(groups, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

// Text says what a process shares, in words.
func (p Process) Text(kinds []string, group bool) string {
	var what []string
	switch len(kinds) {
	case 0:
	case 1:
		what = append(what, "its "+kinds[0]+" namespace")
	default:
		what = append(what, "its namespaces "+strings.Join(kinds, ", "))
	}
	if group {
		what = append(what, "its control group")
	}
	text := display.Name(p.Name) + " is in " + strings.Join(what, " and ")
	if p.Inside && !group {
		text += ", and not in its control group"
	}
	return text
}

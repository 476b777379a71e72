package policy

import (
	"cmp"
	"slices"
	"strings"
)

// SecurityOptions are the security options of a container as they are written, and as an engine keeps them: with = or :, and
// of each kind the last one counts.
type SecurityOptions []string

type securityOption struct{ name, value string }

func (o SecurityOptions) parsed() []securityOption {
	var out []securityOption
	for _, text := range o {
		name, value, valued := strings.Cut(strings.Replace(text, "=", ":", 1), ":")
		if !valued {
			value = "true" // the bare word
		}
		out = append(out, securityOption{name, value})
	}
	return out
}

// on reports whether an option that is a truth is on in the end.
func (o SecurityOptions) on(name string) bool {
	on := false
	for _, option := range o.parsed() {
		if option.name == name {
			on = strings.EqualFold(option.value, "true") || option.value == "1"
		}
	}
	return on
}

// NoNewPrivileges reports whether no process can gain privileges.
func (o SecurityOptions) NoNewPrivileges() bool { return o.on("no-new-privileges") }

// WritableCgroups reports whether the container may change its own limits.
func (o SecurityOptions) WritableCgroups() bool { return o.on("writable-cgroups") }

// SystemPaths reports whether the kernel's paths are open.
func (o SecurityOptions) SystemPaths() bool {
	return slices.Contains(o.parsed(), securityOption{"systempaths", "unconfined"})
}

// Filter is the filter of system calls: default, custom, or unconfined.
func (o SecurityOptions) Filter(privileged bool) string {
	out := "default"
	if privileged {
		out = "unconfined"
	}
	for _, option := range o.parsed() {
		switch {
		case option.name != "seccomp":
		case option.value == "unconfined":
			out = option.value
		case option.value == "builtin":
			out = "default"
		default:
			out = "custom"
		}
	}
	return out
}

// Confined is what the security module is asked for: default, custom, or unconfined.
func (o SecurityOptions) Confined(privileged bool) string {
	asked := map[string]string{}
	for _, option := range o.parsed() {
		name, value := option.name, option.value
		switch {
		case name == "apparmor" && value == "unconfined", name == "label" && slices.Contains([]string{"disable", "type:spc_t", "type:unconfined_t"}, value):
			asked[name] = "unconfined"
		case name == "apparmor" && value == "docker-default":
			asked[name] = ""
		case name == "apparmor":
			asked[name] = "custom"
		case name == "label":
			asked[name] = cmp.Or(asked[name], "custom")
		}
	}
	if privileged || asked["apparmor"] == "unconfined" || asked["label"] == "unconfined" {
		return "unconfined"
	}
	return cmp.Or(asked["apparmor"], asked["label"], "default")
}

// Unjudged names the options whose meaning no control knows.
func (o SecurityOptions) Unjudged() []string {
	known := map[string][]string{"systempaths": {"unconfined"}, "seccomp": {"unconfined", "builtin"}, "apparmor": {"unconfined", "docker-default"}, "label": {"disable"}}
	var out []string
	for _, option := range o.parsed() {
		truth := option.name == "no-new-privileges" || option.name == "writable-cgroups"
		if !truth && !slices.Contains(known[option.name], option.value) {
			out = append(out, option.name)
		}
	}
	return out
}

// Borrowed names the namespaces that a container has from another one, or leaves to others, by the modes in which it was made.
func Borrowed(pid, ipc, network string) []string {
	var out []string
	for _, n := range []struct{ kind, mode string }{{"ipc", ipc}, {"network", network}, {"pid", pid}} {
		switch {
		case strings.HasPrefix(n.mode, "service:") || strings.HasPrefix(n.mode, "container:"):
			out = append(out, n.kind)
		case n.kind == "ipc" && n.mode == "shareable":
			out = append(out, "ipc, shareable")
		}
	}
	return out
}

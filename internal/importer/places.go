package importer

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"

	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/composefile/specification"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/profile"
)

// storage moves where a service writes.
type storage struct{ *moving }

// writable moves named volumes and tmpfs. Binds, read-only volumes and anonymous ones have no place: they are passed through.
func (m storage) writable() {
	var list, left []any
	var questions []string
	raw, _ := m.rest["volumes"].([]any)
	m.take("volumes", "tmpfs")
	loose := !m.t.Strict && m.user == ""
	for n, v := range m.s.Volumes {
		entry, question := m.place(v)
		if entry == nil {
			left = append(left, long(raw, n, v))
			continue
		}
		list, questions = append(list, flow(entry)), append(questions, question)
	}
	for _, t := range m.s.Tmpfs {
		mount := composefile.Tmpfs(t)
		if loose && mount.Size == 0 && !mount.Exec && tmpfsOption(t, "mode") == "" {
			left = append(left, map[string]any{"type": "tmpfs", "target": mount.Path}) // as large as it becomes
			continue
		}
		if !movable(mount.Path) {
			left = append(left, map[string]any{"type": "tmpfs", "target": mount.Path, "tmpfs": map[string]any{"size": max(mount.Size, 1<<26)}})
			continue
		}
		entry, question := m.tmpfs(mount.Path, mount.Size)
		if mount.Exec {
			entry["exec"] = true
		}
		if mode := tmpfsOption(t, "mode"); mode != "" {
			entry["mode"] = mode
		}
		list, questions = append(list, flow(entry)), append(questions, question)
	}
	if !m.t.Strict {
		m.ownPaths(list, left, questions)
		return
	}
	if m.preset == nil && !m.s.ReadOnly {
		if m.temporary() {
			list = append(list, flow(map[string]any{"path": "/tmp", "tmpfs": "64M", "mode": "1777"}))
		}
		more, asked, looked := m.observedWrites()
		if !looked {
			asked = []string{m.ask("where else does the service write? The root file system is read-only now")}
		}
		list, questions = append(list, more...), append(questions, asked...)
	}
	if kept, replaced := m.apart(list); replaced {
		all := node(append(kept, list...))
		all.Tag = override
		m.out.set("writable", all, append(questions, "in place of the paths that the preset has")...)
	} else if len(list) > 0 {
		m.out.set("writable", list, questions...)
	}
	if len(left) > 0 {
		m.rest["volumes"] = left
	}
}

func tmpfsOption(text, name string) string {
	_, options, _ := strings.Cut(text, ":")
	for _, o := range strings.Split(options, ",") {
		if k, v, _ := strings.Cut(o, "="); k == name {
			return v
		}
	}
	return ""
}

// movable reports whether a profile can have this path as a writable one.
func movable(p string) bool {
	if !path.IsAbs(p) || p == "/" || strings.ContainsAny(p, ":,\n") {
		return false
	}
	return !slices.ContainsFunc([]string{"/proc", "/sys", "/dev", "/run/secrets"}, func(d string) bool { return p == d || strings.HasPrefix(p, d+"/") })
}

// place returns the writable path for a volume, or nothing when it has none.
func (m storage) place(v types.ServiceVolumeConfig) (entry map[string]any, question string) {
	target := path.Clean(v.Target)
	nested := slices.ContainsFunc(m.s.Volumes, func(o types.ServiceVolumeConfig) bool {
		return o.Type != types.VolumeTypeTmpfs && path.Clean(o.Target) != target && strings.HasPrefix(target, path.Clean(o.Target)+"/")
	})
	plain := !v.ReadOnly && movable(target) && v.Consistency == "" && len(v.Extensions) == 0 && !nested && m.caution[m.name] < keepVolumes
	switch {
	case v.Type == types.VolumeTypeTmpfs && plain:
		size := int64(0)
		if v.Tmpfs != nil {
			size = int64(v.Tmpfs.Size)
		}
		entry, question = m.tmpfs(target, size)
		if v.Tmpfs != nil && v.Tmpfs.Mode != 0 {
			entry["mode"] = fmt.Sprintf("%04o", v.Tmpfs.Mode)
		}
		return entry, question
	case v.Type != types.VolumeTypeVolume || !plain || v.Source == "" || v.Volume != nil && (v.Volume.NoCopy || v.Volume.Subpath != "" || len(v.Volume.Labels) > 0):
		return nil, ""
	}
	entry = map[string]any{"path": target, "volume": v.Source}
	if first, ok := m.shared[v.Source]; ok && first != "" && m.user != "" && first != m.user {
		entry["owner"] = first
		question = m.ask("volume %s is written by users %s and %s; which of them owns it?", v.Source, first, m.user)
	} else if !ok || first == "" {
		m.shared[v.Source] = m.user
	}
	if v.Bind != nil && v.Bind.SELinux != "" && question == "" {
		question = m.ask("volume %s had the option %s; the engine labels its own volumes for SELinux, so it is left out", v.Source, v.Bind.SELinux)
	}
	return entry, question
}

// override is the directive of Compose and of profiles that a list takes the place of a weaker one.
const override = "!override"

// apart returns the writable paths of the preset that no path of the file is within, or holds. It reports whether one is
// left out, once the service has been in trouble: a database keeps its data where the file says.
func (m storage) apart(own []any) (kept []any, replaced bool) {
	list, _ := m.preset["writable"].([]any)
	if m.caution[m.name] == 0 {
		return nil, false
	}
	for _, item := range list {
		w, _ := item.(map[string]any)
		p, _ := w["path"].(string)
		same, clash := false, false
		for _, n := range own {
			_, v := specification.LookUp(n.(*yaml.Node), "path")
			same = same || v.Value == p
			clash = clash || v.Value != p && (strings.HasPrefix(v.Value, p+"/") || strings.HasPrefix(p, v.Value+"/"))
		}
		switch {
		case clash:
			replaced = true
		case !same:
			kept = append(kept, flow(maps.Clone(w)))
		}
	}
	return kept, replaced
}

func (m storage) tmpfs(target string, bytes int64) (entry map[string]any, question string) {
	if bytes <= 0 {
		bytes, question = 64<<20, m.ask("how large may %s become? No size is set", target)
	}
	return map[string]any{"path": target, "tmpfs": display.Bytes(bytes)}, question
}

// long returns the volume in the long form, as compose-go writes it.
func long(raw []any, n int, v types.ServiceVolumeConfig) any {
	if n < len(raw) {
		if one, ok := raw[n].(map[string]any); ok {
			Prune(one, "bind")
			Prune(one, "volume")
			Prune(one, "tmpfs")
			return one
		}
	}
	return map[string]any{"type": v.Type, "source": v.Source, "target": v.Target, "read_only": v.ReadOnly}
}

// ports moves one port to one port. Ranges, and ports that the engine chooses, are passed through.
func (m *moving) ports() {
	raw, _ := m.rest["ports"].([]any)
	m.take("ports")
	f := m.p.Published(m.s)
	var mine, left []any
	var questions []string
	for n, p := range m.s.Ports {
		host, err := strconv.Atoi(p.Published)
		odd := err != nil || p.Name != "" || p.AppProtocol != "" || p.Mode == "host" || p.Protocol != "tcp" && p.Protocol != "udp" || len(p.Extensions) > 0
		if odd || len(f.Value) == 0 {
			if n < len(raw) {
				left = append(left, raw[n])
			}
			continue
		}
		address := p.HostIP
		if address == "" {
			address = profile.EveryAddress
			questions = append(questions, m.ask("port %d%s is open to every network of the host; is it meant for the world? Drop the address for 127.0.0.1", host, map[bool]string{true: "/udp"}[p.Protocol == "udp"]))
		}
		if strings.Contains(address, ":") {
			address = "[" + strings.Trim(address, "[]") + "]"
		}
		text := fmt.Sprintf("%s:%d:%d", address, host, p.Target)
		if p.Protocol == "udp" {
			text += "/udp"
		}
		mine = append(mine, quoted(text))
	}
	if len(mine) > 0 {
		m.out.set("ports", mine, questions...)
	}
	if len(left) > 0 {
		m.rest["ports"] = left
	}
}

func (m *moving) networks() {
	m.take("networks")
	var names []any
	for _, name := range slices.Sorted(maps.Keys(m.s.Networks)) {
		names = append(names, clean(name))
		options := map[string]any{}
		if n := m.s.Networks[name]; n != nil {
			options = networkOptions(n)
		}
		if clean(m.s.Name) != m.s.Name {
			aliases, _ := options["aliases"].([]any)
			options["aliases"] = append(aliases, m.s.Name)
		}
		if len(options) > 0 {
			m.pass(options, "networks", clean(name))
		}
	}
	if len(names) > 0 {
		m.out.set("networks", flow(names))
	}
}

func networkOptions(n *types.ServiceNetworkConfig) map[string]any {
	out := map[string]any{}
	if len(n.Aliases) > 0 {
		out["aliases"] = anys(n.Aliases)
	}
	if len(n.LinkLocalIPs) > 0 {
		out["link_local_ips"] = anys(n.LinkLocalIPs)
	}
	for key, value := range map[string]string{"ipv4_address": n.Ipv4Address, "ipv6_address": n.Ipv6Address, "mac_address": n.MacAddress, "interface_name": n.InterfaceName} {
		if value != "" {
			out[key] = value
		}
	}
	for key, value := range map[string]int{"priority": n.Priority, "gw_priority": n.GatewayPriority} {
		if value != 0 {
			out[key] = value
		}
	}
	if len(n.DriverOpts) > 0 {
		options := map[string]any{}
		for k, v := range n.DriverOpts {
			options[k] = v
		}
		out["driver_opts"] = options
	}
	maps.Copy(out, n.Extensions)
	return out
}

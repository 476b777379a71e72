package importer

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"

	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/composefile/resources"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/importer/needs"
	"github.com/hsectl/hsectl/internal/policy"
)

// What is known of a service is enforced. Everything else stays as the file and the image have it, each control under an exception
// that asks, because an import must break nothing.

// know finds out what is known of the service.
func (m *moving) know() {
	if m.t.Strict {
		return
	}
	m.needs = m.needsOf(m.s)
	if m.needs.Misplaced != "" {
		m.open(m.name, fmt.Sprintf("where is its data? %s is mounted, and this version of the image keeps its data elsewhere: see hsectl presets %s", m.needs.Misplaced, m.needs.Preset), "HSE-FS-007")
	}
}

func (i *importer) needsOf(from types.ServiceConfig) needs.Needs {
	s := needs.Service{Image: i.value(from.Image), Entrypoint: i.valuesOf(from.Entrypoint), Command: i.valuesOf(from.Command), Mounts: i.p.Mounts(from), Owner: i.t.Owner, Environment: map[string]string{}}
	for name, value := range from.Environment {
		if value != nil {
			s.Environment[name] = i.value(*value)
		}
	}
	for _, p := range from.Ports {
		s.Ports = append(s.Ports, int(p.Target))
	}
	for _, p := range from.Expose {
		if n, err := strconv.Atoi(p); err == nil {
			s.Ports = append(s.Ports, n)
		}
	}
	if i.caution[clean(from.Name)] >= noPreset {
		s.Image = "" // with its preset it was no valid profile
	}
	return needs.Of(s, i.t.Images[from.Name])
}

// reset says in a profile that what weaker layers say does not count.
func reset() *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!reset", Value: "null"} }

// asBefore takes back what a preset does to the program: its tuning is made for new data and for its own limits.
func (m *moving) asBefore() {
	if m.preset["command"] != nil && len(m.s.Command) == 0 {
		m.out.set("command", reset(), "the image's own: what the preset adds is for new data")
	}
	for _, key := range []string{"host_paths", "capabilities", "entrypoint"} {
		if m.preset[key] != nil && (key != "entrypoint" || len(m.s.Entrypoint) == 0) && (key != "capabilities" || m.needs.Capabilities || len(m.s.CapAdd) == 0) {
			if key == "capabilities" {
				continue // written below, or none
			}
			m.out.set(key, reset())
		}
	}
	if m.preset["init"] != nil && m.s.Init == nil {
		m.out.set("init", false)
	}
	if m.preset["hostname"] != nil && m.s.Hostname == "" && !m.needs.Files {
		m.out.set("hostname", reset())
	}
}

// untuned takes back the variables of a preset: they are made for its limits and for one container of new data.
func (m *moving) untuned(out ordered) {
	if tuned, _ := m.preset["environment"].(map[string]any); len(tuned) > 0 {
		out.n.Tag = override
		m.out.set("environment", out, "in place of the variables that the preset has")
	}
}

// ownUser takes the user that the file says, or that is known to be enough. Otherwise the image decides.
func (m *moving) ownUser(uid, gid int) {
	defer m.init()
	preset, _ := m.preset["user"].(string)
	switch {
	case uid > 0 && gid >= 0:
		comment := ""
		if gid == 0 {
			comment = m.ask("the group is 0, as the file says or implies; which group does the service need?")
			m.waive("HSE-USR-002", m.name, "imported: the group is 0 in "+m.t.Source)
		}
		m.runAs(fmt.Sprintf("%d:%d", uid, gid), comment)
	case uid == 0:
		m.runAs(rootUser, "")
		m.open(m.name, "which user can the service run as? It is root in "+m.t.Source, "HSE-USR-001", "HSE-USR-002", "HSE-USR-004")
	case m.s.User == "" && m.needs.User != "":
		m.user = m.needs.User
		if m.user != preset {
			m.runAs(m.user, "the user of the image, in this variant")
		}
		if _, group, _ := strings.Cut(m.user, ":"); group == "0" {
			m.waive("HSE-USR-002", m.name, "imported: the files of the image belong to group 0")
		}
	default:
		if preset != "" {
			m.out.set("user", reset())
		}
		m.open(m.name, m.whichUser(), "HSE-USR-001", "HSE-USR-002", "HSE-USR-003", "HSE-USR-004")
	}
}

func (m *moving) whichUser() string {
	seen := ""
	if o := m.seen(); o != nil && len(o.Users) > 0 {
		seen = "; its processes were seen to run as " + strings.Join(o.Users, " and ")
	}
	switch {
	case m.s.User != "":
		return fmt.Sprintf("which numbers does the user %q have in the image?%s", m.s.User, seen)
	case m.needs.Why != "":
		return fmt.Sprintf("which user can the service run as? The image decides now, because %s%s", m.needs.Why, seen)
	}
	return "which user can the service run as? The image decides now" + seen
}

// ownCapabilities keeps those that the file leaves the service, unless it is known to need none.
func (m *moving) ownCapabilities() {
	add, drop := composefile.CapabilityNames(m.s.CapAdd), composefile.CapabilityNames(m.s.CapDrop)
	why := "imported from " + m.t.Source
	var list []any
	grant := func(name, reason string) { list = append(list, flow(map[string]any{"name": name, "reason": reason})) }
	none := slices.Contains(drop, "ALL")
	switch {
	case m.s.Privileged: // what it has says its own exception
	case slices.Contains(add, "ALL"):
		for _, name := range policy.Capabilities() {
			if !slices.Contains(drop, name) {
				grant(name, why)
			}
		}
		add = nil
	case m.needs.Capabilities || none:
	case len(drop) == 0:
		grant("DEFAULT", "which of the engine's default capabilities are needed is not known")
		m.open(m.name, "which capabilities does the service need? It keeps those that the engine leaves every container", "HSE-CAP-001", "HSE-CAP-002")
	default:
		for _, name := range policy.DefaultCapabilities() {
			if !slices.Contains(drop, name) && !slices.Contains(add, name) {
				grant(name, "not dropped in "+m.t.Source)
			}
		}
		m.open(m.name, "which capabilities does the service need? It keeps those that the file does not drop", "HSE-CAP-002")
	}
	for _, name := range add {
		if !slices.Contains(drop, name) || none {
			grant(name, why)
		}
	}
	if slices.ContainsFunc(add, func(name string) bool { return policy.CapabilityMask(name)&policy.DangerousCapabilities() != 0 }) {
		m.open(m.name, "why does the service need each of its capabilities?", "HSE-CAP-002")
	}
	comment := ""
	if len(add) > 0 {
		comment = m.ask("why does the service need each of these?")
	}
	if len(list) > 0 || m.preset["capabilities"] != nil {
		all := node(list)
		if m.preset["capabilities"] != nil {
			all.Tag = override
		}
		m.out.set("capabilities", all, comment)
	}
	if !m.needs.Privileges && !m.s.Privileged && !policy.SecurityOptions(m.s.SecurityOpt).NoNewPrivileges() {
		m.out.set("new_privileges", true)
		m.open(m.name, "does a program of the image change its user when it starts, such as sudo? If not, drop the exception for HSE-PRV-002", "HSE-PRV-002")
	}
}

// ownPaths keeps what the file mounts, with the preset's temporary paths where nothing else is written.
func (m storage) ownPaths(list, left []any, questions []string) {
	mounted := func(p string) bool {
		return slices.ContainsFunc(m.p.Mounts(m.s), func(o policy.Mount) bool {
			at := path.Clean(o.Path)
			return at == p || strings.HasPrefix(at, p+"/") || strings.HasPrefix(p, at+"/")
		})
	}
	presets, _ := m.preset["writable"].([]any)
	var kept []any
	if m.needs.Files || m.needs.Data != "" && m.needs.User != "" {
		for _, item := range presets {
			w, _ := item.(map[string]any)
			if p, _ := w["path"].(string); w["tmpfs"] != nil && !mounted(p) {
				kept = append(kept, flow(maps.Clone(w)))
			}
		}
		if !mounted("/tmp") && !slices.ContainsFunc(presets, func(item any) bool { w, _ := item.(map[string]any); return w["path"] == "/tmp" }) {
			kept = append(kept, flow(map[string]any{"path": "/tmp", "tmpfs": "64M", "mode": "1777"}))
		}
	}
	switch {
	case m.needs.Data != "":
		m.open(m.name, "where shall its data at "+m.needs.Data+" be kept? It is in the container, or in a volume without a name, and a new volume is empty", "HSE-FS-001", "HSE-FS-007", "HSE-FS-008")
	case !m.needs.Files && !m.s.ReadOnly:
		written := ""
		if o := m.seen(); o != nil && len(o.Written) > 0 {
			written = "; it was seen to write in " + strings.Join(o.Written, ", ")
		}
		m.open(m.name, "where does the service write? Its root file system stays writable"+written, "HSE-FS-001", "HSE-FS-008")
	}
	if m.user == "" && slices.ContainsFunc(list, func(item any) bool { return strings.Contains(flowText(item), "tmpfs:") }) {
		m.open(m.name, "whose are its temporary file systems? The image decides who writes there", "HSE-PRE-001")
	}
	list = append(kept, list...)
	switch {
	case len(presets) > 0:
		all := node(list)
		all.Tag = override
		m.out.set("writable", all, append(questions, "in place of the paths that the preset has")...)
	case len(list) > 0:
		m.out.set("writable", list, questions...)
	}
	if len(left) > 0 {
		m.rest["volumes"] = left
	}
}

// flowText is a value of a list as it will be written.
func flowText(item any) string {
	data, err := yaml.Marshal(node(item))
	if err != nil {
		return ""
	}
	return string(data)
}

// ownLimits keeps the limits of the file. Others are not guessed: a limit that is too low kills the service under load.
func (m bounds) ownLimits() {
	limits := newOrdered()
	var missing, controls []string
	defaults, _ := m.preset["limits"].(map[string]any)
	suggestion := ""
	for _, l := range []struct {
		key, value string
		controls   []string
	}{
		{"memory", display.Bytes(resources.Memory(m.s)), []string{"HSE-RES-001", "HSE-RES-002"}},
		{"cpus", display.Decimal(resources.CPUs(m.s)), []string{"HSE-RES-003"}},
		{"pids", number(max(0, resources.PIDs(m.s))), []string{"HSE-RES-004"}},
	} {
		if l.value != "" {
			if n, err := strconv.Atoi(l.value); err == nil && l.key == "pids" {
				limits.set(l.key, n)
			} else {
				limits.set(l.key, l.value)
			}
			continue
		}
		if defaults[l.key] != nil || l.key == "pids" {
			limits.set(l.key, reset())
		}
		missing, controls = append(missing, l.key), append(controls, l.controls...)
	}
	if len(defaults) > 0 {
		suggestion = fmt.Sprintf("the preset suggests %v cpus, %v of memory and %v processes", defaults["cpus"], defaults["memory"], defaults["pids"])
	}
	if len(limits.n.Content) > 0 {
		limits.n.Style |= yaml.FlowStyle
		m.out.set("limits", limits, suggestion)
	}
	if m.preset["reservations"] != nil {
		m.out.set("reservations", reset())
	}
	if m.preset["shm_size"] != nil && m.s.ShmSize == 0 {
		m.out.set("shm_size", reset())
	}
	m.besides()
	if u := m.s.Ulimits["nofile"]; u == nil && m.needs.Preset == "" || u == nil && !m.needs.Files {
		m.out.set("open_files", reset())
		missing, controls = append(missing, "open files"), append(controls, "HSE-RES-005")
	}
	if len(missing) > 0 {
		m.open(m.name, "what does the service need at most of "+strings.Join(missing, ", ")+"? A limit that is too low kills it under load", controls...)
	}
}

// ownSignal leaves the stop signal to the image, where the file says none.
func (m lifetime) ownSignal(shutdown map[string]any) {
	if shutdown["signal"] == nil && !m.t.Strict {
		shutdown["signal"] = reset()
		if known, _ := m.preset["shutdown"].(map[string]any); known["signal"] != nil && m.needs.Files {
			delete(shutdown, "signal")
		}
	}
}

// imageTest writes the test that the image brings, with its times. The times of the file win.
func (m lifetime) imageTest(times *types.HealthCheckConfig) bool {
	shown := m.t.Images[m.s.Name]
	if shown == nil || len(shown.Health.Test) < 2 || !slices.Contains([]string{"CMD", "CMD-SHELL"}, shown.Health.Test[0]) {
		return false
	}
	h := types.HealthCheckConfig{Test: shown.Health.Test}
	for _, t := range []struct {
		from time.Duration
		to   **types.Duration
	}{{shown.Health.Interval, &h.Interval}, {shown.Health.Timeout, &h.Timeout}, {shown.Health.StartPeriod, &h.StartPeriod}, {shown.Health.StartInterval, &h.StartInterval}} {
		if t.from > 0 {
			d := types.Duration(t.from)
			*t.to = &d
		}
	}
	if n := shown.Health.Retries; n > 0 {
		retries := uint64(n)
		h.Retries = &retries
	}
	if times != nil {
		h.Interval, h.Timeout, h.StartPeriod = cmp.Or(times.Interval, h.Interval), cmp.Or(times.Timeout, h.Timeout), cmp.Or(times.StartPeriod, h.StartPeriod)
		h.StartInterval, h.Retries = cmp.Or(times.StartInterval, h.StartInterval), cmp.Or(times.Retries, h.Retries)
	}
	m.written(&h, "the image's own test")
	return true
}

// ownHealth keeps what tells that the service works: the preset's test where it is known to fit, the image's own, or none.
func (m lifetime) ownHealth(h *types.HealthCheckConfig) {
	inPreset, _ := m.preset["health"].(map[string]any)
	hasTest := slices.ContainsFunc([]string{"command", "shell", "http", "tcp"}, func(k string) bool { return inPreset[k] != nil })
	off := h != nil && (h.Disable || len(h.Test) > 0)
	switch {
	case !off && len(m.needs.Test) > 1:
		m.take("healthcheck")
		out := newOrdered()
		if m.needs.Test[0] == "CMD-SHELL" {
			out.set("shell", m.needs.Test[1])
		} else {
			out.set("command", flow(anys(m.needs.Test[1:])))
		}
		m.out.set("health", out, "proves that the server answers")
		return
	case !off && hasTest && m.needs.Health:
		m.take("healthcheck")
		return
	case !off && m.imageTest(h):
		m.take("healthcheck")
		return
	case !off && m.observedTest():
		m.take("healthcheck")
		return
	case off:
		m.rest["healthcheck"] = map[string]any{"disable": true}
	case h == nil:
		m.take("healthcheck")
	}
	if hasTest {
		out := newOrdered()
		for _, key := range []string{"command", "shell", "http", "tcp"} {
			if inPreset[key] != nil {
				out.set(key, reset())
			}
		}
		out.n.Style |= yaml.FlowStyle
		m.out.set("health", out)
	}
	controls := []string{"HSE-HLT-001", "HSE-HLT-004"}
	if !slices.Contains([]string{"", "no"}, cmp.Or(m.s.Restart, "no")) {
		controls = append(controls, "HSE-LIF-004")
	}
	m.open(m.name, "which test shows that the service works? "+m.listens()+"Write health:", controls...)
}

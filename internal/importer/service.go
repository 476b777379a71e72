package importer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/importer/needs"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/witness"
)

// moving is a service on its way into a profile. What is taken out of rest has found its place.
type moving struct {
	*importer
	s      types.ServiceConfig
	name   string // in the profile
	rest   map[string]any
	out    ordered
	preset map[string]any  // values of the preset; nil without one
	needs  needs.Needs     // what is known of it; nothing of a strict import
	user   string          // uid:gid; empty where the image decides
	filed  map[string]bool // variables that became files
	ref    string          // its image, with the values that variables have at the import
}

func (i *importer) service(s types.ServiceConfig, rest map[string]any) ordered {
	m := &moving{importer: i, s: s, name: clean(s.Name), rest: rest, out: newOrdered(), filed: map[string]bool{}, ref: i.value(s.Image)}
	delete(rest, "extends")
	m.image()
	m.know()
	m.runs()
	m.identity()
	m.capabilities()
	storage{m}.writable()
	bounds{m}.replicas()
	bounds{m}.limits()
	lifetime{m}.lifecycle()
	lifetime{m}.health()
	credentials{m}.secretUses()
	variables{m}.environment()
	m.ports()
	m.networks()
	lifetime{m}.dependencies()
	m.choices()
	m.logging()
	m.labels()
	m.passthrough()
	return m.out
}

// take removes keys from what is left, and reports whether one was there.
func (m *moving) take(keys ...string) bool {
	had := false
	for _, key := range keys {
		if _, ok := m.rest[key]; ok {
			had = true
			delete(m.rest, key)
		}
	}
	return had
}

// pass puts a value among what is passed through, beneath nested keys.
func (m *moving) pass(value any, keys ...string) {
	at := m.rest
	for _, key := range keys[:len(keys)-1] {
		inner, ok := at[key].(map[string]any)
		if !ok {
			inner = map[string]any{}
			at[key] = inner
		}
		at = inner
	}
	at[keys[len(keys)-1]] = value
}

func (m *moving) ask(format string, args ...any) string {
	return m.importer.ask(m.name, format, args...)
}

func (m *moving) image() {
	name, values := m.presetOf(m.s.Name, m.ref)
	if name != "" {
		m.preset = values
		m.draft.Presets[m.name] = name
		m.out.set("preset", name)
	}
	m.take("image")
	if m.s.Image != "" {
		text, known := m.profileForm(m.s.Image)
		comment := ""
		if !known {
			comment = m.ask("image was %s; this is its value at the import", m.p.Written(m.s.Image))
		}
		m.out.set("image", text, comment)
	}
	m.build()
}

func (m *moving) build() {
	b := m.s.Build
	if b == nil {
		return
	}
	rest, _ := m.rest["build"].(map[string]any)
	build := map[string]any{"context": escape(m.importer.place(b.Context))}
	if b.Dockerfile != "" && b.Dockerfile != "Dockerfile" && b.DockerfileInline == "" {
		build["dockerfile"] = escape(b.Dockerfile)
	}
	if b.Target != "" {
		build["target"] = escape(b.Target)
	}
	args := map[string]any{}
	left := map[string]any{}
	for name, value := range b.Args {
		if value == nil {
			left[name] = nil
			continue
		}
		switch {
		case m.say(*value, "").reveals(name):
			left[name] = discretion{m.importer}.hide(m.name, "the build argument "+name, name)
		case m.varies(*value):
			left[name] = asWritten(m.p.Written(*value))
		default:
			args[name] = escape(*value)
		}
	}
	for _, name := range m.p.BareArguments(m.s.Name) {
		delete(args, name)
		left[name] = nil
	}
	if len(args) > 0 {
		build["args"] = args
	}
	for _, key := range []string{"context", "dockerfile", "target", "args"} {
		delete(rest, key)
	}
	if len(left) > 0 {
		rest["args"] = left
	}
	if len(b.SSH) > 0 {
		rest["ssh"] = m.agents(b.SSH)
	}
	if len(rest) == 0 {
		m.take("build")
	}
	m.out.set("build", build)
}

// agents are the SSH agents and keys of a build, as Compose reads them.
func (m *moving) agents(all types.SSHConfig) []any {
	var out []any
	for _, key := range slices.SortedFunc(slices.Values(all), func(a, b types.SSHKey) int { return strings.Compare(a.ID, b.ID) }) {
		text := key.ID
		if key.Path != "" {
			text += "=" + m.importer.place(key.Path)
		}
		out = append(out, text)
	}
	return out
}

// escape keeps a dollar and a brace from being read as a variable of the profile.
func escape(text string) string { return strings.ReplaceAll(text, "${", "$${") }

// runs moves entry point and command. An empty list takes the image's own away, which a profile cannot say.
func (m *moving) runs() {
	for _, part := range []struct {
		key   string
		words []string
	}{{"entrypoint", m.s.Entrypoint}, {"command", m.s.Command}} {
		words, special := (discretion{m.importer}).spoken(m.name, part.key, part.words)
		switch {
		case special:
			m.rest[part.key] = words
			if raw := m.p.RawKey(m.s.Name, part.key); strings.Contains(raw, "$") && !strings.Contains(fmt.Sprint(words...), ":?it is in ") {
				m.rest[part.key] = asWritten(raw) // Compose takes it apart once its variables have values
			}
		case len(part.words) > 0:
			m.take(part.key)
			m.out.set(part.key, flow(anys(part.words)))
		case part.words == nil:
			m.take(part.key) // compose-go writes null for what is not set
		}
	}
	if m.take("hostname") {
		m.out.set("hostname", m.s.Hostname)
	}
	if !m.t.Strict {
		m.asBefore()
	}
}

func anys[S ~[]string](list S) []any {
	out := []any{}
	for _, s := range list {
		out = append(out, s)
	}
	return out
}

// identity moves the user, and asks for it when the file does not tell.
func (m *moving) identity() {
	m.take("user", "read_only")
	uids, gids := composefile.IDs(m.s.User)
	if !m.t.Strict {
		m.ownUser(uids[0], gids[0])
		return
	}
	preset, _ := m.preset["user"].(string)
	switch {
	case uids[0] > 0 && gids[0] >= 0:
		comment := ""
		if gids[0] == 0 {
			comment = m.ask("the group is 0, as the file says or implies; which group does the service need?")
		}
		m.runAs(fmt.Sprintf("%d:%d", uids[0], gids[0]), comment)
	case preset != "":
		m.user = preset
		if m.s.User != "" {
			m.out.set("user", quoted(preset), m.ask("user was %q; this is the preset's own", m.s.User))
		}
	case uids[0] == 0:
		m.runAs("0:0", m.ask("which user can the service run as? It runs as root"))
		m.waive("HSE-USR-001", m.name, "imported: user is root in "+m.t.Source)
	case m.observedUser():
	default:
		where := "docker image inspect --format '{{.Config.User}}' " + m.ref
		if m.s.Image == "" {
			where = "USER in its Dockerfile"
		}
		m.runAs("1000:1000", m.ask("which user does the image run as? See: %s", where))
	}
	m.init()
}

func (m *moving) init() {
	if m.take("init") {
		m.out.set("init", m.s.Init != nil && *m.s.Init)
	}
}

func (m *moving) runAs(user, comment string) {
	m.user = user
	m.out.set("user", quoted(user), comment)
}

func (m *moving) capabilities() {
	m.take("cap_add", "cap_drop")
	if !m.t.Strict {
		m.ownCapabilities()
		return
	}
	names := composefile.CapabilityNames(m.s.CapAdd)
	if slices.Contains(names, "ALL") {
		names = policy.Capabilities()
	}
	var list []any
	for _, name := range names {
		list = append(list, flow(map[string]any{"name": name, "reason": "imported from " + m.t.Source}))
	}
	if len(list) > 0 {
		m.out.set("capabilities", list, m.ask("why does the service need each of these?"))
	}
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// variables moves the variables of a service.
type variables struct{ *moving }

// environment keeps what comes from the caller's environment coming from there, and copies no value that looks like a
// secret.
func (m variables) environment() {
	m.take("environment")
	out := newOrdered()
	for _, name := range slices.Sorted(maps.Keys(m.s.Environment)) {
		if value := m.s.Environment[name]; m.filed[name] {
			continue
		} else if value != nil {
			m.variable(out, name, *value)
			continue
		}
		known, set := m.p.Variable(name)
		switch {
		case set && known != "" && envName.MatchString(name) && looksSecret(name, known):
			out.set(name, flow(map[string]any{"required": true}), m.asked(name, "comes from the environment of Compose"))
		default:
			m.pass(nil, "environment", name)
		}
	}
	if !m.t.Strict {
		m.untuned(out)
	}
	if len(out.n.Content) > 0 && out.n.Tag != override {
		m.out.set("environment", out)
	}
}

// asked asks what becomes of a variable whose value looks like a secret.
func (m variables) asked(name, where string) string {
	return m.ask("the value of %s looks like a secret and %s; make it one of secrets:, with env: %s_FILE where the image knows that", name, where, name)
}

// variable moves one variable. One that has the value of another stays so.
func (m variables) variable(out ordered, name, value string) {
	text := m.say(value, m.p.Raw(m.s.Name, name))
	plain := envName.MatchString(name)
	if text.reveals(name) {
		if !plain {
			m.pass(discretion{m.importer}.hide(m.name, name, name), "environment", name)
			return
		}
		out.set(name, flow(map[string]any{"required": true}), m.asked(name, "stays in "+m.t.Source))
		return
	}
	if len(text.kept) == 0 {
		if plain {
			out.set(name, value)
		} else {
			m.pass(value, "environment", name)
		}
		return
	}
	from := text.kept[0]
	otherwise, has := from.Default()
	known, _ := m.p.Variable(name)
	secret := looksSecret(name, "unknown")
	switch {
	case !plain || from.Text != text.written || from.Name != name || strings.ContainsAny(from.Rest, "$}\n"), strings.HasSuffix(from.Form, "+"), has && otherwise == "" && secret:
		m.pass(asWritten(text.written), "environment", name)
	case from.Required():
		out.set(name, flow(map[string]any{"required": true}))
	case has:
		out.set(name, flow(map[string]any{"default": otherwise}))
	case secret:
		out.set(name, flow(map[string]any{"required": true}), m.asked(name, "comes from the environment of Compose"))
	case known != "":
		out.set(name, flow(map[string]any{"required": true}))
	default:
		out.set(name, flow(map[string]any{"default": ""}))
	}
}

func (m *moving) labels() {
	labels := map[string]any{}
	m.take("labels")
	for _, name := range slices.Sorted(maps.Keys(m.s.Labels)) {
		value := m.s.Labels[name]
		switch {
		case m.say(value, "").reveals(name):
			m.pass(discretion{m.importer}.hide(m.name, "the label "+name, name), "labels", name)
		case m.varies(value):
			m.pass(asWritten(m.p.Written(value)), "labels", name)
		default:
			labels[name] = escape(value)
		}
	}
	if len(labels) > 0 {
		m.out.set("labels", labels)
	}
}

// passthrough writes what is left, with an exception for each control that it breaks.
func (m *moving) passthrough() {
	for _, key := range []string{"security_opt", "networks", "volumes", "ports", "secrets"} {
		if list, ok := m.rest[key].([]any); ok && len(list) == 0 {
			delete(m.rest, key)
		}
	}
	for key, v := range m.rest {
		if v == nil {
			delete(m.rest, key)
		}
	}
	var options []any
	for _, o := range m.s.SecurityOpt {
		if !strings.HasPrefix(o, "no-new-privileges") {
			options = append(options, o)
		}
	}
	m.take("security_opt")
	if len(options) > 0 {
		m.rest["security_opt"] = options
	}
	if len(m.rest) == 0 {
		return
	}
	m.within = m.name
	if !m.t.Strict && len(m.s.PostStart)+len(m.s.PreStop)+len(m.s.PreStart) > 0 {
		m.waive("HSE-USR-006", m.name, "imported: its hooks may have what the engine leaves every container")
	}
	verbatim, _ := m.verbatim(m.rest).(map[string]any)
	keys := slices.Sorted(maps.Keys(m.rest))
	m.draft.Passed[m.name] = keys
	m.passing = append(m.passing, passage{m.name, m.out, verbatim})
}

// passage is what a service passes through, to be written once it is judged.
type passage struct {
	service string
	out     ordered
	keys    map[string]any
}

// judgePassed writes what the services pass through, with an exception for each control that it breaks. All of it is rendered
// and read back at once.
func (i *importer) judgePassed() error {
	if len(i.passing) == 0 {
		return nil
	}
	all := map[string]map[string]any{}
	for _, s := range i.p.ServiceConfigs() {
		all[clean(s.Name)] = nil // what is passed through may name any of them
	}
	for _, p := range i.passing {
		all[p.service] = p.keys
	}
	i.within = "stack"
	rest, _ := i.verbatim(i.extra).(map[string]any)
	judged, err := witness.Passthrough(context.Background(), all, rest) // in memory: there is nothing to wait for
	unreadable, failed := errors.AsType[*witness.UnreadableError](err)
	if err != nil && !failed {
		return err
	}
	for _, p := range i.passing {
		w, comment := judged[p.service], ""
		if failed {
			comment = i.ask(p.service, "its effect is unknown: Compose cannot read it back: %v", unreadable.Err)
		}
		if w.Open != "" {
			comment = i.ask(p.service, "%s; is it still needed?", w.Open)
		}
		for _, control := range slices.Sorted(maps.Keys(w.Breaks)) {
			i.waive(control, p.service, "imported: "+w.Breaks[control])
		}
		p.out.set("passthrough", p.keys, comment)
	}
	return nil
}

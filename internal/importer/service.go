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
}

func (i *importer) service(s types.ServiceConfig, rest map[string]any) ordered {
	m := &moving{importer: i, s: s, name: clean(s.Name), rest: rest, out: newOrdered(), filed: map[string]bool{}}
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
	m.environment()
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
	name, values := m.presetOf(m.s.Name, m.s.Image)
	if name != "" {
		m.preset = values
		m.draft.Presets[m.name] = name
		m.out.set("preset", name)
	}
	m.take("image")
	if m.s.Image != "" {
		m.out.set("image", m.kept(m.s.Image), m.variables("image", m.s.Image))
	}
	m.build()
}

// kept is a text in which the variables that had no value at the import stay variables, where a profile knows their form.
func (m *moving) kept(text string) string {
	return profileVariable.ReplaceAllStringFunc(escape(text), func(found string) string {
		if name := profileVariable.FindStringSubmatch(found)[1]; slices.Contains(m.p.Unset, name) {
			return found[1:]
		}
		return found
	})
}

// profileVariable finds an escaped variable in one of the forms that a profile knows, too.
var profileVariable = regexp.MustCompile(`\$\$\{([A-Za-z_][A-Za-z0-9_]*)(?::[-?][^}$]*)?\}`)

// variables asks about a value that was put together from variables.
func (m *moving) variables(key, value string) string {
	raw := m.p.RawKey(m.s.Name, key)
	if !strings.Contains(raw, "$") || raw == value {
		return ""
	}
	return m.ask("%s was %s; this is its value at the import", key, raw)
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
		args[name] = escape(*value)
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
	if len(rest) == 0 {
		m.take("build")
	}
	m.out.set("build", build)
}

// escape keeps a dollar and a brace from being read as a variable of the profile.
func escape(text string) string { return strings.ReplaceAll(text, "${", "$${") }

// runs moves entry point and command. An empty list takes the image's own away, which a profile cannot say.
func (m *moving) runs() {
	for key, words := range map[string][]string{"entrypoint": m.s.Entrypoint, "command": m.s.Command} {
		if len(words) > 0 {
			m.take(key)
		} else if words == nil {
			m.take(key) // compose-go writes null for what is not set
		}
	}
	if len(m.s.Entrypoint) > 0 {
		m.out.set("entrypoint", flow(anys(m.s.Entrypoint)))
	}
	if len(m.s.Command) > 0 {
		m.out.set("command", flow(anys(m.s.Command)))
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
		where := "docker image inspect --format '{{.Config.User}}' " + m.s.Image
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

var sameVariable = regexp.MustCompile(`^\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-?])([^}$]*))?\}|([A-Za-z_][A-Za-z0-9_]*))$`)

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// environment keeps what comes from the caller's environment coming from there, and copies no value that looks like a
// secret.
func (m *moving) environment() {
	m.take("environment")
	out := newOrdered()
	for _, name := range slices.Sorted(maps.Keys(m.s.Environment)) {
		value, raw := m.s.Environment[name], m.p.Raw(m.s.Name, name)
		switch form := sameVariable.FindStringSubmatch(raw); {
		case m.filed[name]:
		case value == nil:
			m.pass(nil, "environment", name)
		case !envName.MatchString(name):
			m.pass(*value, "environment", name)
		case form != nil && (form[1] == name || form[4] == name):
			out.set(name, flow(caller(form)))
		case strings.Contains(strings.ReplaceAll(raw, "$$", ""), "$"):
			m.pass(asWritten(raw), "environment", name)
		case policy.LooksSecret(policy.Variable{Name: name, Value: *value}):
			out.set(name, flow(map[string]any{"required": true}), m.ask("the value of %s looks like a secret and stays in %s; make it one of secrets:, with env: %s_FILE where the image knows that", name, m.t.Source, name))
		default:
			out.set(name, *value)
		}
	}
	if !m.t.Strict {
		m.untuned(out)
	}
	if len(out.n.Content) > 0 && out.n.Tag != override {
		m.out.set("environment", out)
	}
}

// caller is a variable of the calling environment: required, or with a default.
func caller(form []string) map[string]any {
	if strings.HasSuffix(form[2], "?") {
		return map[string]any{"required": true}
	}
	return map[string]any{"default": form[3]}
}

func (m *moving) labels() {
	labels := map[string]any{}
	for name, value := range m.s.Labels {
		labels[name] = m.kept(value)
	}
	m.take("labels")
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

package importer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// credentials moves the secrets of a service.
type credentials struct{ *moving }

// fromVariable is a secret that was a variable of one or several services.
type fromVariable struct {
	env   string // variable of the deploying process that has the value
	value string // of the Compose file, so that different ones are not taken for one; never written
}

// secrets keeps those with a source that a profile knows; the others are passed through.
func (i *importer) secrets(out ordered) {
	all, _ := i.extra["secrets"].(map[string]any)
	mine := newOrdered()
	for _, name := range slices.Sorted(maps.Keys(i.files)) {
		mine.set(name, flow(map[string]any{"env": i.files[name].env}), "The value is where it was, and in no container's environment: set the variable for deploy.")
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := i.p.Types().Secrets[name]
		if bool(s.External) || s.Driver != "" || s.TemplateDriver != "" || len(s.Labels) > 0 {
			continue
		}
		switch {
		case s.File != "":
			mine.set(name, flow(map[string]any{"file": strings.ReplaceAll(i.mounted(s.File), "${", "$${")}))
		case s.Environment != "":
			mine.set(name, flow(map[string]any{"env": s.Environment}))
		default:
			continue
		}
		delete(all, name)
	}
	if len(mine.n.Content) > 0 {
		out.set("secrets", mine)
	}
	i.drop("secrets", all)
}

// secretUses moves the files of secrets, and makes such files of variables that the image also reads from one.
func (m credentials) secretUses() {
	m.take("secrets")
	var mine, left []any
	for _, use := range m.s.Secrets {
		source := m.p.Types().Secrets[use.Source]
		standard := use.Target == "" || use.Target == use.Source || use.Target == "/run/secrets/"+use.Source
		known := (source.File != "" || source.Environment != "") && !bool(source.External) && source.Driver == "" && source.TemplateDriver == "" && len(source.Labels) == 0
		if standard && known && use.UID == "" && use.GID == "" && use.Mode == nil {
			mine = append(mine, use.Source)
			continue
		}
		one := map[string]any{"source": use.Source}
		for key, value := range map[string]string{"target": use.Target, "uid": use.UID, "gid": use.GID} {
			if value != "" {
				one[key] = value
			}
		}
		if use.Mode != nil {
			one["mode"] = fmt.Sprintf("%04o", *use.Mode)
		}
		left = append(left, one)
	}
	for _, name := range slices.Sorted(maps.Keys(m.s.Environment)) {
		if use := m.asFile(name); use != nil {
			mine = append(mine, use)
			m.filed[name] = true
		}
	}
	if len(mine) > 0 {
		m.out.set("secrets", flow(mine))
		if m.user == "" && !m.t.Strict { // whoever the image is must be able to read them
			m.open(m.name, m.whichUser(), "HSE-SEC-002")
		}
	}
	if len(left) > 0 {
		m.rest["secrets"] = left
	}
}

// asFile returns the use of a secret in place of a variable that holds one, where the preset's image reads it from a file as
// well; nil where it cannot, or where something else in the service uses the variable.
func (m credentials) asFile(variable string) any {
	value, file := m.s.Environment[variable], variable+"_FILE"
	files, _ := m.preset["secret_files"].([]any)
	if !slices.Contains(files, any(file)) || m.s.Environment[file] != nil || m.mentions(variable) {
		return nil
	}
	plain, env := "", variable
	if value != nil {
		plain, env = m.value(*value), m.deployer(variable, *value)
	} else if plain, _ = m.p.Variable(variable); plain == "" { // it may well be none at all
		return nil
	}
	if env == "" || !looksSecret(variable, plain) {
		return nil
	}
	name := m.secretOf(variable, fromVariable{env, plain})
	m.draft.Filed = append(m.draft.Filed, fmt.Sprintf("%s: %s is the secret %s now, a file that the image reads; deploy takes its value from the variable %s", m.name, variable, name, m.files[name].env))
	return map[string]any{"name": name, "env": file}
}

// deployer names the variable of the deploying process that a value came from, or shall come from when the Compose file
// has it in plain text; empty for a default, and for what is put together.
func (m credentials) deployer(variable, value string) string {
	text := m.say(value, m.p.Raw(m.s.Name, variable))
	if len(text.kept) == 0 {
		return variable
	}
	from := text.kept[0]
	if otherwise, ok := from.Default(); from.Text != text.written || strings.HasSuffix(from.Form, "+") || ok && otherwise != "" {
		return ""
	}
	return from.Name
}

// secretOf returns the name of the secret that a variable becomes. Services with the same value share one.
func (m credentials) secretOf(variable string, from fromVariable) string {
	name := clean(variable)
	_, taken := m.p.Types().Secrets[name]
	if other, ok := m.files[name]; taken || ok && other != from {
		name = m.name + "_" + name
		if ok && other.env == from.env {
			from.env = strings.ToUpper(strings.ReplaceAll(m.name, "-", "_")) + "_" + variable
		}
	}
	m.files[name] = from
	return name
}

// mentions tells whether a command, a hook or the test of health of the service reads the variable.
func (m credentials) mentions(variable string) bool {
	words := fmt.Sprint(m.s.Command, m.s.Entrypoint, m.s.PostStart, m.s.PreStop)
	if m.s.HealthCheck != nil {
		words += fmt.Sprint(m.s.HealthCheck.Test)
	}
	return strings.Contains(words, variable)
}

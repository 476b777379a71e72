package importer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/composefile/variable"
	"github.com/hsectl/hsectl/internal/policy"
)

// value is a text with the values that its variables have at the import.
func (i *importer) value(text string) string { return i.p.Value(text) }

// valuesOf are the same of several texts; nil stays nil.
func (i *importer) valuesOf(texts []string) []string {
	var out []string
	for _, text := range texts {
		out = append(out, i.value(text))
	}
	return out
}

// varies reports whether one of the texts has a variable, which stays one.
func (i *importer) varies(texts ...string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return len(i.p.Kept(text)) > 0 })
}

// saying is a text with what is known of its variables.
type saying struct {
	written string // as a Compose file has it
	literal string // what is written apart from the variables
	kept    []variable.Variable
}

// say takes a text of the project apart. Raw is the same text as it is written, or empty; it says where the variables were, where
// the project does not keep them.
func (i *importer) say(text, raw string) saying {
	if kept := i.p.Kept(text); len(kept) > 0 || !strings.Contains(strings.ReplaceAll(raw, "$$", ""), "$") {
		return saying{i.p.Written(text), i.p.Literal(text), kept}
	}
	return saying{raw, variable.Literal(raw), variable.In(raw)}
}

// reveals reports whether something that is written, and not only a variable, looks like a secret: the text itself, or a default.
// The name is that of its key.
func (s saying) reveals(name string) bool {
	if len(s.kept) == 0 {
		return looksSecret(name, s.literal)
	}
	return looksSecret("", s.literal) || s.defaults(name) || policy.PasswordHash(s.written) // what a name tells is true of the variable
}

// defaults reports whether a default of a variable looks like a secret.
func (s saying) defaults(name string) bool {
	return slices.ContainsFunc(s.kept, func(v variable.Variable) bool {
		return slices.ContainsFunc(append(variable.In(v.Text), v), func(v variable.Variable) bool {
			otherwise, ok := v.Default()
			return ok && otherwise != "" && (looksSecret(name, otherwise) || looksSecret(v.Name, otherwise))
		})
	})
}

func looksSecret(name, value string) bool {
	return policy.LooksSecret(policy.Variable{Name: name, Value: value})
}

// discretion keeps values that look like secrets out of the profile.
type discretion struct{ *importer }

// unspeakable are what the name of a variable does not have.
var unspeakable = regexp.MustCompile(`[^A-Z0-9]+`)

// variableFor names the variable of the deploying environment that takes the place of a value that looks like a secret.
func variableFor(words ...string) string {
	name := strings.Trim(unspeakable.ReplaceAllString(strings.ToUpper(strings.Join(words, "_")), "_"), "_")
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "VALUE_" + name
	}
	return name
}

// hide returns what takes the place of a value that looks like a secret, as a Compose file has it: a variable that must be set.
func (i discretion) hide(service, where string, words ...string) asWritten {
	name := variableFor(append([]string{service}, words...)...)
	question := fmt.Sprintf("%s has a value that looks like a secret and stays in %s; set the variable %s for deploy, or give the service a file of secrets:", where, i.t.Source, name)
	if !slices.Contains(i.draft.Questions, service+": "+question) {
		i.ask(service, "%s", question)
	}
	return asWritten("${" + name + ":?it is in " + i.t.Source + "}")
}

// hidden returns a word of a command line without the secret in it, or false where it has none. Words are judged with the one
// before them.
func (i discretion) hidden(service, key string, words []string, n int) (asWritten, bool) {
	if fields := strings.Fields(words[n]); len(fields) > 1 {
		return i.script(service, key, words[n])
	}
	plain := make([]string, len(words))
	for at, w := range words {
		plain[at] = i.p.Literal(w)
	}
	word := i.say(words[n], "")
	name, value, assigned := strings.Cut(words[n], "=")
	flagged := word.literal != "" && slices.Contains(policy.SecretArguments(plain), n+1)
	switch {
	case !flagged && !word.defaults(name) && (n == 0 || !word.defaults(words[n-1])):
		return "", false
	case assigned && i.say(value, "").reveals(name):
		return asWritten(i.p.Written(name+"=")) + i.hide(service, key, name), true
	case n > 0 && word.reveals(words[n-1]):
		return i.hide(service, key, words[n-1]), true
	case len(words[n]) > 2 && words[n][0] == '-' && words[n][1] != '-': // an option of one letter with its value
		return asWritten(i.p.Written(words[n][:2])) + i.hide(service, key, key, fmt.Sprint(n+1)), true
	}
	return i.hide(service, key, key, fmt.Sprint(n+1)), true
}

// script is hidden for a program of a shell, which is one word of many. What the shell itself puts in is no secret.
func (i discretion) script(service, key, text string) (asWritten, bool) {
	var out asWritten
	found := false
	fields := strings.Fields(text)
	for n, field := range fields {
		at := strings.Index(text, field)
		out += asWritten(i.p.Written(text[:at]))
		text = text[at+len(field):]
		_, value, assigned := strings.Cut(field, "=")
		if !assigned {
			value = field
		}
		if value = strings.TrimLeft(value, `"'`); !strings.HasPrefix(value, "$") && !strings.HasPrefix(value, "`") {
			bare := slices.Clone(fields)
			bare[n] = strings.Trim(field, `"';`)
			if hidden, ok := i.hidden(service, key, bare, n); ok {
				out, found = out+hidden, true
				continue
			}
		}
		out += asWritten(i.p.Written(field))
	}
	return out + asWritten(i.p.Written(text)), found
}

// spoken returns words of a command line as a Compose file has them, without secrets. It is false where all are plain text: then
// they have a place in a profile.
func (i discretion) spoken(service, key string, words []string) ([]any, bool) {
	var out []any
	special := false
	for n, word := range words {
		if text, ok := i.hidden(service, key, words, n); ok {
			out, special = append(out, text), true
			continue
		}
		special = special || i.varies(word)
		out = append(out, asWritten(i.p.Written(word)))
	}
	return out, special
}

// unsaid returns what takes the place of a text that looks like a secret, among keys that are passed through; false where it does
// not.
func (i discretion) unsaid(key, text string) (asWritten, bool) {
	if i.say(text, "").reveals(key) {
		return i.hide(i.within, key, key), true
	}
	name, value, ok := strings.Cut(text, "=")
	if ok && envName.MatchString(name) && i.say(value, "").reveals(name) {
		return asWritten(name+"=") + i.hide(i.within, name, name), true
	}
	return "", false
}

// profileForm returns a text with those of its variables that a profile knows, too; false when it has another one, which only its
// value at the import can stand for.
func (i *importer) profileForm(text string) (string, bool) {
	out, known := "", true
	for _, part := range i.p.Parts(text) {
		v := part.Variable
		switch {
		case v == nil:
			out += escape(part.Text)
		case v.Form == "":
			out += "${" + v.Name + "}"
		case (v.Form == ":-" || v.Form == ":?") && !strings.ContainsAny(v.Rest, "$}\n"):
			out += "${" + v.Name + v.Form + v.Rest + "}"
		default:
			known = false
			out += escape(part.Value)
		}
	}
	return out, known
}

// Package variable knows the variables of Compose files: finds them in texts, puts values in, and keeps them where a text goes
// through programs that would put values in.
package variable

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"
)

// Variable is a variable in a text of a Compose file, as it is written there: $NAME, ${NAME}, or one with a default, a message or
// a replacement.
type Variable struct {
	Name string
	Form string // :-, -, :?, ?, :+, + or nothing
	Rest string // what stands behind the form: a default, a message, a replacement; it may have variables of its own
	Text string // all of it
}

// variableForm takes what stands between braces apart.
var variableForm = regexp.MustCompile(`(?s)^([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-?+])(.*))?$`)

// Required reports whether Compose refuses a file in which the variable has no value.
func (v Variable) Required() bool { return strings.HasSuffix(v.Form, "?") }

// Default returns what stands for the variable where it has no value, or false.
func (v Variable) Default() (string, bool) { return v.Rest, strings.HasSuffix(v.Form, "-") }

// piece is a part of a text: a variable, or what stands between two.
type piece struct {
	text     string
	variable *Variable
	escaped  bool // it is $$, which stands for one dollar sign
}

// pieces takes a text apart as Compose does. A dollar sign that begins nothing stays one.
func pieces(text string) []piece {
	var out []piece
	plain := 0
	flush := func(end int) {
		if end > plain {
			out = append(out, piece{text: text[plain:end]})
		}
	}
	for i := 0; i < len(text); {
		if text[i] != '$' {
			i++
			continue
		}
		end := variableEnd(text, i)
		switch {
		case end == 0:
			i++
			continue
		case text[i+1] == '$':
			flush(i)
			out = append(out, piece{text: "$$", escaped: true})
		default:
			inner := strings.TrimSuffix(strings.TrimPrefix(text[i+1:end], "{"), "}")
			m := variableForm.FindStringSubmatch(inner)
			if m == nil {
				i++
				continue
			}
			flush(i)
			out = append(out, piece{text: text[i:end], variable: &Variable{Name: m[1], Form: m[2], Rest: m[3], Text: text[i:end]}})
		}
		i, plain = end, end
	}
	flush(len(text))
	return out
}

// variableEnd returns the end of what begins with the dollar sign at i, or 0.
func variableEnd(text string, i int) int {
	rest := text[i+1:]
	switch {
	case rest == "":
		return 0
	case rest[0] == '$':
		return i + 2
	case rest[0] == '{':
		depth := 0
		for n, c := range rest {
			switch {
			case c == '{':
				depth++
			case c == '}':
				depth--
			}
			if depth == 0 {
				return i + 1 + n + 1
			}
		}
		return 0
	}
	n := 0
	for n < len(rest) && (rest[n] == '_' || rest[n] >= 'a' && rest[n] <= 'z' || rest[n] >= 'A' && rest[n] <= 'Z' || n > 0 && rest[n] >= '0' && rest[n] <= '9') {
		n++
	}
	if n == 0 {
		return 0
	}
	return i + 1 + n
}

// In returns the variables of a text of a Compose file, those within defaults, too.
func In(text string) []Variable {
	const deepest = 8
	return within(text, deepest)
}

func within(text string, deep int) []Variable {
	var out []Variable
	for _, p := range pieces(text) {
		if p.variable == nil {
			continue
		}
		out = append(out, *p.variable)
		if deep > 0 {
			out = append(out, within(p.variable.Rest, deep-1)...)
		}
	}
	return out
}

// Literal returns what is written in a text of a Compose file apart from its variables.
func Literal(text string) string {
	var b strings.Builder
	for _, p := range pieces(text) {
		switch {
		case p.escaped:
			b.WriteByte('$')
		case p.variable == nil:
			b.WriteString(p.text)
		}
	}
	return b.String()
}

// Substitute returns a text of a Compose file with the values of its variables, as Compose puts them in.
func Substitute(text string, lookup func(string) (string, bool)) (string, error) {
	out, err := template.SubstituteWithOptions(text, lookup, template.WithoutLogging)
	if err != nil {
		return "", fmt.Errorf("putting in variables: %w", err)
	}
	return out, nil
}

// Marks of variables that are kept: a number between two characters that no text has. They get through whatever compose-go does
// with a text, such as taking a command line apart, which the text of a variable would not.
const (
	markBegin = "\ue0d0"
	markEnd   = "\ue0d1"
)

var mark = regexp.MustCompile(markBegin + "([0-9]+)" + markEnd)

// kept is a variable that a project keeps, with its value at the time.
type kept struct {
	variable Variable
	value    string
}

// Texts are texts in which marks stand for variables that are kept.
type Texts struct {
	kept   []kept
	values map[string]string
}

// NewTexts returns texts whose variables have values.
func NewTexts(values map[string]string) *Texts { return &Texts{values: values} }

// Keep returns a text in which marks stand for its variables.
func (t *Texts) Keep(text string, value func(string) (string, error)) (string, error) {
	var b strings.Builder
	for _, p := range pieces(text) {
		switch {
		case p.escaped:
			b.WriteByte('$')
		case p.variable == nil:
			b.WriteString(p.text)
		default:
			v, err := value(p.text)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&b, "%s%d%s", markBegin, len(t.kept), markEnd)
			t.kept = append(t.kept, kept{*p.variable, v})
		}
	}
	return b.String(), nil
}

// Part is a piece of a text: plain text, or a variable with its value at the time.
type Part struct {
	Text     string
	Variable *Variable
	Value    string
}

// Parts takes a text apart.
func (t *Texts) Parts(text string) []Part {
	var out []Part
	at := 0
	if t == nil {
		return []Part{{Text: text}}
	}
	for _, m := range mark.FindAllStringSubmatchIndex(text, -1) {
		n, err := strconv.Atoi(text[m[2]:m[3]])
		if err != nil || n >= len(t.kept) {
			continue
		}
		if m[0] > at {
			out = append(out, Part{Text: text[at:m[0]]})
		}
		out = append(out, Part{Variable: &t.kept[n].variable, Value: t.kept[n].value})
		at = m[1]
	}
	if at < len(text) || len(out) == 0 {
		out = append(out, Part{Text: text[at:]})
	}
	return out
}

// Kept returns the variables of a text.
func (t *Texts) Kept(text string) []Variable {
	if !strings.Contains(text, markBegin) {
		return nil
	}
	var out []Variable
	for _, part := range t.Parts(text) {
		if part.Variable != nil {
			out = append(out, *part.Variable)
		}
	}
	return out
}

// Value returns a text with the values that its variables have at the time.
func (t *Texts) Value(text string) string {
	return t.joined(text, func(part Part) string { return part.Value }, func(plain string) string { return plain })
}

// Literal returns what is written in a text apart from its variables.
func (t *Texts) Literal(text string) string {
	return t.joined(text, func(Part) string { return "" }, func(plain string) string { return plain })
}

// Written returns a text as a Compose file has it: with its variables, and other dollar signs doubled.
func (t *Texts) Written(text string) string {
	return t.joined(text, func(part Part) string { return part.Variable.Text }, func(plain string) string { return strings.ReplaceAll(plain, "$", "$$") })
}

func (t *Texts) joined(text string, of func(Part) string, plain func(string) string) string {
	if !strings.Contains(text, markBegin) {
		return plain(text)
	}
	var b strings.Builder
	for _, part := range t.Parts(text) {
		if part.Variable != nil {
			b.WriteString(of(part))
		} else {
			b.WriteString(plain(part.Text))
		}
	}
	return b.String()
}

// Varies reports whether variables are kept: then texts are not those that services would get.
func (t *Texts) Varies() bool { return t != nil && len(t.kept) > 0 }

// Variable returns the value that a variable has at the time, or false.
func (t *Texts) Variable(name string) (string, bool) {
	if t == nil {
		return "", false
	}
	value, ok := t.values[name]
	return value, ok
}

package drift

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/policy"
)

// Difference is one field that is not as it was asked for. A side that has no such field is empty. Values that look like secrets
// are not shown.
type Difference struct {
	Path string `json:"path"`
	Want string `json:"want,omitempty"`
	Got  string `json:"got,omitempty"`
}

// String says it in one line.
func (d Difference) String() string {
	switch {
	case d.Want == "" && d.Got == "":
		return d.Path + " differs"
	case d.Want == "true" && d.Got == "": // a setting that is off counts as one that is not there
		return d.Path + ": false, not true"
	case d.Want == "" && d.Got == present:
		return d.Path + " is there and was not rendered"
	case d.Want == "":
		return d.Path + ": " + d.Got + " is there and was not rendered"
	case d.Got == "" && d.Want == present:
		return d.Path + " was rendered and is missing"
	case d.Got == "":
		return d.Path + ": " + d.Want + " was rendered and is missing"
	}
	return d.Path + ": " + d.Got + ", not " + d.Want
}

const (
	present = "an entry"
	hidden  = "a value that is not shown"
	// longest bounds how much of a value is shown.
	longest = 160
)

// compared lists what differs between two trees, but for what the table lets differ.
func compared(want, got map[string]any, may []rule, at Facts) []Difference {
	a, b := flatten(want), flatten(got)
	paths := map[string]path{}
	for key, l := range a {
		paths[key] = l.path
	}
	for key, l := range b {
		paths[key] = l.path
	}
	var out []Difference
	var gone path // an entry that only one side has: it says all about what it holds
	for _, key := range slices.SortedFunc(maps.Keys(paths), func(x, y string) int { return slices.Compare(paths[x], paths[y]) }) {
		w, wanted := a[key]
		g, has := b[key]
		if len(gone) > 0 && len(paths[key]) > len(gone) && slices.Equal(paths[key][:len(gone)], gone) {
			continue
		}
		if wanted && has && (w.whole && g.whole || !w.whole && !g.whole && canonical(w.value) == canonical(g.value)) {
			continue
		}
		if exempt(may, paths[key], w, g, at) {
			if wanted != has && (w.whole || g.whole) {
				gone = paths[key]
			}
			continue
		}
		if wanted != has && (w.whole || g.whole) {
			gone = paths[key]
		}
		d := Difference{Path: legible(paths[key].String())}
		if wanted {
			d.Want = shown(paths[key], w)
		}
		if has {
			d.Got = shown(paths[key], g)
		}
		if d.Want == d.Got { // secrets, or what is alike in its first words
			d.Want, d.Got = "", ""
		}
		out = append(out, d)
	}
	return out
}

func exempt(may []rule, at path, want, got leaf, facts Facts) bool {
	return slices.ContainsFunc(may, func(e rule) bool {
		return e.covers(at) && (e.may == nil || e.may(change{at, want.value, got.value, facts}))
	})
}

// shown is a value for people: bounded, printable and without what looks like a secret.
func shown(at path, l leaf) string {
	name := strings.Trim(at[len(at)-1], "[]")
	switch v := l.value.(type) {
	case string:
		if v == "" {
			return present
		}
		if secretIn(name, v) {
			return hidden
		}
		return bounded(strconv.Quote(v))
	case []any:
		var parts []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				parts = append(parts, s)
			}
		}
		for _, i := range policy.SecretArguments(parts) {
			if len(parts) == len(v) {
				v = slices.Clone(v)
				v[i-1] = hidden
			}
		}
		text := canonical(v)
		if len(parts) != len(v) && secretIn(name, text) {
			return hidden
		}
		return legible(bounded(text))
	}
	text := canonical(l.value)
	if text == "{}" {
		return present
	}
	if secretWithin(name, l.value) {
		return hidden
	}
	return legible(bounded(text))
}

// secretIn tells whether a text is a secret, or has one among its words.
func secretIn(name, text string) bool {
	if policy.LooksSecret(policy.Variable{Name: name, Value: text}) {
		return true
	}
	return len(policy.SecretArguments(strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '"' }))) > 0
}

func secretWithin(name string, v any) bool {
	switch v := v.(type) {
	case string:
		return secretIn(name, v)
	case []any:
		return slices.ContainsFunc(v, func(item any) bool { return secretWithin(name, item) })
	case entries:
		return secretWithin(name, map[string]any(v))
	case map[string]any:
		for key, value := range v {
			if secretWithin(key, value) {
				return true
			}
		}
	}
	return false
}

func bounded(text string) string {
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "…"
}

// legible is a text without what a terminal obeys.
func legible(text string) string {
	quoted := strconv.Quote(text)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted[1 : len(quoted)-1])
}

// Container compares the inspection of a container with how its service is asked for. An error is an answer that cannot be
// compared, which is never one that is alike.
func (c Comparison) Container(service string, raw json.RawMessage) ([]Difference, error) {
	got, err := decoded(raw)
	if err != nil {
		return nil, err
	}
	request, ok := c.requests.Containers[service]
	if !ok {
		return nil, &UnknownError{"service " + service}
	}
	want, facts, err := c.container(request, got)
	if err != nil {
		return nil, err
	}
	return compared(containerTree(want), containerTree(got), c.table, facts), nil
}

// UnknownError is something for which nothing was rendered.
type UnknownError struct{ What string }

// Error implements error.
func (e *UnknownError) Error() string { return e.What + " was not rendered" }

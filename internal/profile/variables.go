package profile

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// variable finds ${…}, and $${ which stands for a literal ${.
var variable = regexp.MustCompile(`\$\$\{|\$\{([^}]*)\}`)

// form is what may stand between the braces: NAME, NAME:-default or NAME:?message.
var form = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*)(?:(:-|:\?)(.*))?$`)

// VariablePlaces are the values of a profile that may contain ${NAME}; * stands for any key or item. Everywhere else a
// dollar sign is a dollar sign: commands and health tests have shells of their own.
func VariablePlaces() []string {
	return []string{
		"services.*.image", "services.*.build.context", "services.*.build.dockerfile", "services.*.build.target", "services.*.build.args.*",
		"services.*.labels.*", "services.*.ports.*", "services.*.limits.*", "services.*.reservations.*", "secrets.*.file",
	}
}

// variables puts values in the places of ${NAME}.
type variables struct {
	lookup Lookup
	c      *collector
}

// expand returns the tree with the variables of all places put in. Library layers are left alone.
func (v *variables) expand(n *node, path string) *node {
	if n == nil || n.kind == scalar {
		return v.scalar(n, path)
	}
	out := *n
	out.items = nil
	for i, item := range n.items {
		out.items = append(out.items, v.expand(item, fmt.Sprintf("%s.%d", path, i)))
	}
	if n.vals != nil {
		out.vals = make(map[string]*node, len(n.vals))
		for k, value := range n.vals {
			out.vals[k] = v.expand(value, join(path, k))
		}
	}
	return &out
}

func (v *variables) scalar(n *node, path string) *node {
	if n == nil || !own(n.layer) || !strings.Contains(n.value, "${") {
		return n
	}
	unselected := strings.HasPrefix(path, "environments.")
	if unselected { // what counts is the copy of the selected one, laid over the profile
		_, path, _ = strings.Cut(strings.TrimPrefix(path, "environments."), ".")
	}
	if strings.HasPrefix(path, "defaults.") {
		path = "services." + path
	}
	if !variablePlace(path) {
		return n
	}
	value, err := v.replaced(n.value)
	if err != nil {
		if unselected {
			return &node{tag: "!!null", at: n.at, layer: n.layer}
		}
		hint := ""
		if h, ok := err.(interface{ Hint() string }); ok {
			hint = h.Hint()
		}
		v.c.add(n.at, hint, "%v", err)
	}
	out := *n
	out.text, out.value = n.value, value
	if strings.HasSuffix(path, ".pids") {
		out.tag = (&yaml.Node{Kind: yaml.ScalarNode, Value: value}).ShortTag()
	}
	return &out
}

// replaced returns the text with its variables put in.
func (v *variables) replaced(text string) (string, error) {
	var failed error
	out := variable.ReplaceAllStringFunc(text, func(found string) string {
		if found == "$${" {
			return "${"
		}
		value, err := v.value(found[2 : len(found)-1])
		if err != nil && failed == nil {
			failed = err
		}
		return value
	})
	return out, failed
}

func (v *variables) value(inner string) (string, error) {
	m := form.FindStringSubmatch(inner)
	if m == nil {
		return "", badValue("write ${NAME}, ${NAME:-default} or ${NAME:?message}; $${ is a literal ${", "${%s} is not a variable", inner)
	}
	value := ""
	if v.lookup != nil {
		value, _ = v.lookup(m[1])
	}
	switch {
	case value != "":
		return value, nil
	case m[2] == ":-":
		return m[3], nil
	case m[2] == ":?" && m[3] != "":
		return "", badValue("export "+m[1]+"=…", "the variable %s is not set: %s", m[1], m[3])
	}
	return "", badValue("export "+m[1]+"=…, or give it a default: ${"+m[1]+":-…}", "the variable %s is not set", m[1])
}

// variablePlace reports whether the value at a path may contain variables.
func variablePlace(path string) bool {
	keys := strings.Split(path, ".")
	for _, place := range VariablePlaces() {
		pattern := strings.Split(place, ".")
		if len(keys) < len(pattern) || len(keys) > len(pattern) && pattern[len(pattern)-1] != "*" {
			continue
		}
		match := true
		for i, p := range pattern {
			match = match && (p == "*" || p == keys[i])
		}
		if match {
			return true
		}
	}
	return false
}

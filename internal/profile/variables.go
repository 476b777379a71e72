package profile

import (
	"fmt"
	"strings"

	"github.com/hsectl/hsectl/internal/yamldoc"
)

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
	c      *yamldoc.Collector
}

// expand returns the tree with the variables of all places put in. Library layers are left alone.
func (v *variables) expand(n *yamldoc.Node, path string) *yamldoc.Node {
	if n == nil || n.Kind == yamldoc.Scalar {
		return v.scalar(n, path)
	}
	out := *n
	out.Items = nil
	for i, item := range n.Items {
		out.Items = append(out.Items, v.expand(item, fmt.Sprintf("%s.%d", path, i)))
	}
	if n.Values != nil {
		out.Values = make(map[string]*yamldoc.Node, len(n.Values))
		for k, value := range n.Values {
			out.Values[k] = v.expand(value, yamldoc.Join(path, k))
		}
	}
	return &out
}

func (v *variables) scalar(n *yamldoc.Node, path string) *yamldoc.Node {
	if n == nil || !own(n.Layer) || !strings.Contains(n.Value, "${") {
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
	value, err := v.lookup.Substitute(n.Value)
	if err != nil {
		if unselected {
			return &yamldoc.Node{Tag: "!!null", At: n.At, Layer: n.Layer}
		}
		v.c.Add(n.At, yamldoc.Hint(err), "%v", err)
	}
	out := *n
	out.Text, out.Value = n.Value, value
	if strings.HasSuffix(path, ".pids") {
		out.Tag = yamldoc.TagOf(value)
	}
	return &out
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

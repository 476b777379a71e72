package generate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"
	"go.yaml.in/yaml/v3"

	"github.com/hsectl/hsectl/internal/stack"
)

// Variable is one that a rendered Compose file takes from the environment.
type Variable struct {
	Name     string
	Required bool     // Compose refuses the file without it
	Default  string   // what stands for it without a value
	Services []string // that use it, sorted; none where only what stands next to the services does
}

// Variables returns what the rendered file of a stack takes from the environment, sorted by name.
func Variables(s stack.Stack) ([]Variable, error) {
	file, err := extended(newComposeFile(s, Source{BuildRoot: "."}, nil), s, Source{BuildRoot: "."}, false)
	if err != nil {
		return nil, err
	}
	data, err := marshal(file)
	if err != nil {
		return nil, err
	}
	return variables(data)
}

func variables(file []byte) ([]Variable, error) {
	var root map[string]any
	if err := yaml.Unmarshal(file, &root); err != nil {
		return nil, fmt.Errorf("reading the rendered Compose file: %w", err)
	}
	all := map[string]Variable{}
	note := func(service string, values any) {
		for name, v := range template.ExtractVariables(map[string]any{"": values}, nil) {
			one, seen := all[name]
			one.Name, one.Required = name, one.Required || v.Required
			if !seen {
				one.Default = v.DefaultValue
			}
			if service != "" {
				one.Services = append(one.Services, service)
			}
			all[name] = one
		}
	}
	services, _ := root["services"].(map[string]any)
	for _, service := range slices.Sorted(maps.Keys(services)) {
		note(service, services[service])
		settings, _ := services[service].(map[string]any)
		environment, _ := settings["environment"].(map[string]any)
		for name, value := range environment {
			if value == nil && template.DefaultPattern.MatchString("${"+name+"}") { // as it is in the environment of Compose
				note(service, "${"+name+"-}")
			}
		}
	}
	delete(root, "services")
	note("", root)
	return slices.SortedFunc(maps.Values(all), func(a, b Variable) int { return strings.Compare(a.Name, b.Name) }), nil
}

// VariablesOf returns the names of the variables that a setting of a rendered file has, sorted.
func VariablesOf(text string) []string {
	if !strings.Contains(text, "$") {
		return nil
	}
	return slices.Sorted(maps.Keys(template.ExtractVariables(map[string]any{"": text}, nil)))
}

// envExample tells a reader of the output directory what plain docker compose needs besides the files.
func envExample(s stack.Stack, from Source) ([]byte, error) {
	var b strings.Builder
	b.WriteString("# What this stack takes from its environment. hsectl deploy checks all of it before anything changes.\n")
	if len(from.EnvFiles) > 0 {
		b.WriteString("# The values come from the environment and then from " + strings.Join(from.envFiles(), ", ") + "; for plain docker compose name each with --env-file.\n")
	}
	all, err := Variables(s)
	if err != nil {
		return nil, err
	}
	for _, v := range all {
		user := strings.Join(v.Services, ", ")
		if user == "" {
			user = "the stack"
		}
		if v.Required {
			fmt.Fprintf(&b, "\n# required by %s\n%s=\n", user, v.Name)
		} else {
			fmt.Fprintf(&b, "\n# used by %s\n#%s=%s\n", user, v.Name, strings.ReplaceAll(v.Default, "\n", " "))
		}
	}
	if len(s.Secrets) > 0 {
		b.WriteString("\n# Secrets are files, never variables of a service. hsectl deploy delivers them from these sources;\n")
		b.WriteString("# for plain docker compose write each value to its file, readable by the users of the services that take it.\n")
	}
	for _, secret := range s.Secrets {
		fmt.Fprintf(&b, "#   %s from %s\n", from.secretFile(secret), secret.Source())
	}
	return []byte(b.String()), nil
}

// envFiles are the files with values of variables, seen from the output directory.
func (s Source) envFiles() []string {
	var out []string
	for _, file := range s.EnvFiles {
		out = append(out, s.place(file))
	}
	return out
}

// Taken are the variables that the settings of a service take from the environment, but for some, sorted. One that has the value of its
// own name is written without any.
func (s Settings) Taken(but func(path string) bool) []string {
	seen := map[string]bool{}
	for path, text := range s {
		if but(path) {
			continue
		}
		for _, name := range VariablesOf(text) {
			seen[name] = true
		}
		if name, ok := strings.CutPrefix(path, "environment."); ok && (text == "" || text == "null") {
			seen[name] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

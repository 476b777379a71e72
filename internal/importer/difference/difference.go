// Package difference says in what the file that is rendered from an imported profile differs from the Compose files that it was made
// from, and why.
package difference

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/importer"
)

// Group says why something differs between the Compose file of others and what is rendered.
type Group int

// The groups, in the order in which they are shown.
const (
	Hardened Group = iota // a control asks for it
	Asked                 // a question is open about it
	KeptWeak              // a control does not hold, and an exception says until when
)

// String names the group.
func (g Group) String() string { return []string{"hardening", "question", "kept weak"}[g] }

// Difference is one setting that is another in the rendered file, or one that stays weak. Values of variables, command lines and labels
// are not told.
type Difference struct {
	Group    Group
	Services []string // sorted; none for what stands next to the services
	Text     string
}

// Between returns everything in which the rendered file differs from the one that was taken in, and what was left weak. What is the
// same for several services is one difference.
func Between(before, after *composefile.Project, profile []byte) ([]Difference, error) {
	was, err := settings(before)
	if err != nil {
		return nil, err
	}
	is, err := settings(after)
	if err != nil {
		return nil, err
	}
	asked, weak := questioned(profile)
	all := map[string]*Difference{}
	note := func(group Group, service, text string) {
		key := fmt.Sprint(group, text)
		if all[key] == nil {
			all[key] = &Difference{Group: group, Text: text}
		}
		if service != "" && !slices.Contains(all[key].Services, service) {
			all[key].Services = append(all[key].Services, service)
		}
	}
	paths := maps.Clone(was)
	maps.Copy(paths, is)
	for _, at := range slices.Sorted(maps.Keys(paths)) {
		old, had := was[at]
		now, has := is[at]
		if had == has && old == now {
			continue
		}
		service, key := owner(at)
		group := Hardened
		if slices.ContainsFunc(asked[service], func(k string) bool { return about(k, key) }) {
			group = Asked
		}
		note(group, service, changed(key, old, now, had, has))
	}
	for _, w := range weak {
		note(w.group, w.service, w.text)
	}
	out := make([]Difference, 0, len(all))
	for _, one := range all {
		slices.Sort(one.Services)
		out = append(out, *one)
	}
	slices.SortFunc(out, func(a, b Difference) int {
		return cmp.Or(int(a.Group-b.Group), strings.Compare(strings.Join(a.Services, ","), strings.Join(b.Services, ",")), strings.Compare(a.Text, b.Text))
	})
	return out, nil
}

// owner splits the path of a setting into its service, by the name that it has in a profile, and the rest.
func owner(at string) (service, key string) {
	if rest, ok := strings.CutPrefix(at, "services\x00"); ok {
		service, key, _ = strings.Cut(rest, "\x00")
	} else {
		key = at
	}
	return service, strings.ReplaceAll(key, "\x00", ".")
}

// silent are the keys whose values are not told: they may be secrets.
func silent(key string) bool {
	for _, k := range []string{"environment", "command", "entrypoint", "labels", "annotations", "healthcheck.test", "build.args", "build.labels", "configs", "post_start", "pre_stop", "pre_start", "logging.options"} {
		if key == k || strings.HasPrefix(key, k+".") {
			return true
		}
	}
	return strings.Contains(key, "x-")
}

func changed(key, old, now string, had, has bool) string {
	switch {
	case silent(key) && !had:
		return key + " is set"
	case silent(key) && !has:
		return key + " is not set any more"
	case silent(key):
		return key + " is another"
	case !had:
		return key + ": " + now
	case !has:
		return key + " is gone, was " + old
	}
	return key + ": " + now + ", was " + old
}

// settings are all settings of a project, by their paths. Services and networks have the names that a profile gives them.
func settings(p *composefile.Project) (map[string]string, error) {
	values, err := p.Values()
	if err != nil {
		return nil, err
	}
	delete(values, "name")
	for _, section := range []string{"services", "networks"} {
		all, _ := values[section].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if importer.Name(name) != name {
				all[importer.Name(name)] = all[name]
				delete(all, name)
			}
		}
	}
	out := map[string]string{}
	flatten(values, "", out)
	return out, nil
}

func flatten(v any, at string, out map[string]string) {
	join := func(key string) string {
		if at == "" {
			return key
		}
		return at + "\x00" + key
	}
	switch v := v.(type) {
	case nil:
	case map[string]any:
		for key, value := range v {
			flatten(value, join(key), out)
		}
	case []any:
		var plain []string
		for i, item := range v {
			m, ok := item.(map[string]any)
			if !ok {
				plain = append(plain, fmt.Sprint(item))
				continue
			}
			name := fmt.Sprint(i)
			for _, key := range []string{"target", "source", "path"} {
				if text, ok := m[key]; ok {
					name = fmt.Sprint(text)
					break
				}
			}
			flatten(m, join(name), out)
		}
		if len(plain) > 0 {
			out[at] = "[" + strings.Join(plain, ", ") + "]"
		}
	default:
		out[at] = fmt.Sprint(v)
	}
}

// exception is what stays weak in a service.
type exception struct {
	group         Group
	service, text string
}

// questioned are the keys of each service about which the profile asks, and the exceptions of the import: the service, and what stays.
func questioned(profile []byte) (asked map[string][]string, weak []exception) {
	asked = map[string][]string{}
	var root yaml.Node
	if yaml.Unmarshal(profile, &root) != nil || len(root.Content) == 0 {
		return asked, nil
	}
	top := root.Content[0]
	for i := 0; i+1 < len(top.Content); i += 2 {
		section, value := top.Content[i].Value, top.Content[i+1]
		if section == "services" {
			for n := 0; n+1 < len(value.Content); n += 2 {
				asked[value.Content[n].Value] = questionsOf(value.Content[n+1], "")
			}
			continue
		}
		for n := 0; section == "exceptions" && n < len(value.Content); n++ {
			var e struct{ Control, Service, Reason, Expires, Question string }
			if value.Content[n].Decode(&e) != nil {
				continue
			}
			one := exception{KeptWeak, e.Service, fmt.Sprintf("%s until %s: %s", e.Control, e.Expires, strings.TrimPrefix(e.Reason, "imported: "))}
			if e.Question != "" {
				one.group, one.text = Asked, e.Question
			}
			weak = append(weak, one)
		}
	}
	return asked, weak
}

func questionsOf(n *yaml.Node, at string) []string {
	var out []string
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		key := strings.TrimPrefix(at+"."+n.Content[i].Value, ".")
		if strings.Contains(n.Content[i].HeadComment, importer.Question) {
			out = append(out, key)
		}
		out = append(out, questionsOf(n.Content[i+1], key)...)
	}
	return out
}

// about reports whether a question about a key of a profile is one about a key of Compose.
func about(asked, key string) bool {
	keys := map[string][]string{
		"limits":   {"deploy.resources.limits", "mem_limit", "memswap_limit", "cpus", "pids_limit"},
		"writable": {"tmpfs", "volumes", "read_only"}, "capabilities": {"cap_add"}, "health": {"healthcheck"}, "shutdown": {"stop_signal", "stop_grace_period"},
	}[asked]
	if keys == nil {
		keys = []string{asked}
	}
	return slices.ContainsFunc(keys, func(k string) bool { return key == k || strings.HasPrefix(key, k+".") })
}

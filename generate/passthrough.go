package generate

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hsectl/hsectl/internal/stack"
)

// ErrRelative refuses to deploy what is passed through with a path relative to the profile: an engine knows no such place.
var ErrRelative = errors.New("a path that is passed through is relative: write it from the root, or use the rendered file with docker compose")

// extended returns the file with the keys that the profile passes through. Without any it is the file itself.
func extended(file composeFile, s stack.Stack, from Source, delivered bool) (any, error) {
	extra := len(s.Extra) > 0
	for _, service := range s.Services {
		extra = extra || len(service.Extra) > 0
	}
	if !extra {
		return file, nil
	}
	var root yaml.Node
	if err := root.Encode(file); err != nil {
		return nil, fmt.Errorf("writing the Compose file: %w", err)
	}
	rebase := rebased{root: from.BuildRoot, refuse: delivered}
	services := child(&root, "services")
	for _, service := range s.Services {
		extra := service.Extra
		if delivered {
			extra = undelivered(service)
		}
		if err := rebase.lay(child(services, service.Name), extra); err != nil {
			return nil, fmt.Errorf("writing service %s: %w", service.Name, err)
		}
	}
	top := s.Extra
	if delivered {
		top = remaining(s)
	}
	if err := rebase.lay(&root, top); err != nil {
		return nil, err
	}
	return &root, nil
}

// undelivered are the keys that a service passes through without what deploy delivers in another way.
func undelivered(s stack.Service) map[string]any {
	out := maps.Clone(s.Extra)
	delete(out, "env_file")
	at := func(target string) bool {
		return slices.ContainsFunc(s.Delivered, func(d stack.Delivered) bool { return d.Target == target })
	}
	for _, key := range []string{"volumes", "configs"} {
		list, _ := out[key].([]any)
		list = slices.DeleteFunc(slices.Clone(list), func(item any) bool {
			m, _ := item.(map[string]any)
			target, _ := m["target"].(string)
			name, short := item.(string)
			return m != nil && at(target) || short && at("/"+name) || key == "configs" && m != nil && target == "" && at("/"+fmt.Sprint(m["source"]))
		})
		if out[key] != nil {
			out[key] = list
		}
		if len(list) == 0 {
			delete(out, key)
		}
	}
	return out
}

// remaining are the keys next to the services without the configs that deploy delivers in another way.
func remaining(s stack.Stack) map[string]any {
	all, ok := s.Extra["configs"].(map[string]any)
	if !ok {
		return s.Extra
	}
	out, all := maps.Clone(s.Extra), maps.Clone(all)
	for _, service := range s.Services {
		for _, d := range service.Delivered {
			delete(all, d.Config)
		}
	}
	out["configs"] = all
	if len(all) == 0 {
		delete(out, "configs")
	}
	return out
}

// ConfigDir is where texts of configs: are rendered, as files: Compose brings no text into a container whose root is read-only.
const ConfigDir = "configs"

// texts returns a stack whose configs are files instead of texts, and these files. One with variables stays a text.
func texts(s stack.Stack) (stack.Stack, []File) {
	all, ok := s.Extra["configs"].(map[string]any)
	if !ok {
		return s, nil
	}
	var files []File
	extra, all := maps.Clone(s.Extra), maps.Clone(all)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		config, _ := all[name].(map[string]any)
		content, ok := config["content"].(string)
		if !ok || len(VariablesOf(content)) > 0 || strings.ContainsAny(name, "/\\") {
			continue
		}
		config = maps.Clone(config)
		delete(config, "content")
		config["file"] = asRendered("./" + ConfigDir + "/" + name)
		all[name] = config
		files = append(files, File{ConfigDir + "/" + name, []byte(strings.ReplaceAll(content, "$$", "$"))})
	}
	extra["configs"] = all
	s.Extra = extra
	return s, files
}

// asRendered is a path that is relative to the output directory already.
type asRendered string

// MarshalYAML marks it, so that it is not taken for one relative to the profile.
func (p asRendered) MarshalYAML() (any, error) {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: renderedTag, Value: string(p)}, nil
}

const renderedTag = "!rendered"

// child returns the value of a key, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n != nil && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// remove drops a key.
func remove(n *yaml.Node, key string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content = slices.Delete(n.Content, i, i+2)
			return
		}
	}
}

// rebased lays keys over what is rendered, with their paths relative to the output directory.
type rebased struct {
	root   string
	refuse bool // relative paths
}

func (r rebased) lay(onto *yaml.Node, extra map[string]any) error {
	if onto == nil || len(extra) == 0 {
		return nil
	}
	if r.refuse {
		extra = maps.Clone(extra)
		delete(extra, "build") // deploy builds nothing
	}
	var n yaml.Node
	if err := n.Encode(writable(extra)); err != nil {
		return fmt.Errorf("writing what is passed through: %w", err)
	}
	if err := r.paths(&n, ""); err != nil {
		return err
	}
	if extra["network_mode"] != nil { // Compose takes one or the other
		remove(onto, "networks")
	}
	lay(onto, &n)
	return nil
}

// writable returns values of which the YAML package writes none wrongly.
func writable(v any) any {
	switch v := v.(type) {
	case string:
		if indented(v) {
			return quoted(v)
		}
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = writable(item)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			out[key] = writable(item)
		}
		return out
	}
	return v
}

// paths makes relative paths hold in the output directory.
func (r rebased) paths(n *yaml.Node, key string) error {
	if n.Kind == yaml.ScalarNode {
		if n.Tag == renderedTag {
			n.Tag = "!!str"
			return nil
		}
		if n.Tag == "!!str" && indented(n.Value) {
			n.Style = yaml.DoubleQuotedStyle
		}
		relative := strings.HasPrefix(n.Value, "./") || strings.HasPrefix(n.Value, "../")
		if !relative || !slices.Contains([]string{"source", "path", "file", "env_file", "label_file", "device", "context", "dockerfile_inline"}, key) {
			return nil
		}
		if r.refuse {
			return fmt.Errorf("%s: %w", n.Value, ErrRelative)
		}
		n.Value = Source{BuildRoot: r.root}.place(n.Value)
		return nil
	}
	contexts := key == "additional_contexts"
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && !contexts {
			key = n.Content[i-1].Value
		}
		if contexts {
			key = "context"
		}
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			continue
		}
		if err := r.paths(c, key); err != nil {
			return err
		}
	}
	return nil
}

// lay merges as Compose does: mappings by key, lists one after the other, and a list of names with a mapping of them.
func lay(onto, extra *yaml.Node) {
	for i := 0; i+1 < len(extra.Content); i += 2 {
		key, value := extra.Content[i], extra.Content[i+1]
		have := child(onto, key.Value)
		switch {
		case have == nil:
			onto.Content = append(onto.Content, key, value)
		case have.Kind == yaml.SequenceNode && value.Kind == yaml.MappingNode:
			named(have)
			lay(have, value)
		case have.Kind == yaml.MappingNode && value.Kind == yaml.MappingNode:
			lay(have, value)
		case have.Kind == yaml.SequenceNode && value.Kind == yaml.SequenceNode && !whole(key.Value):
			have.Content = append(have.Content, value.Content...)
		default:
			*have = *value
		}
	}
}

// whole tells lists that make sense only as a whole: Compose replaces them where it merges files, as it does here.
func whole(key string) bool { return key == "command" || key == "entrypoint" || key == "test" }

// named turns a list of names into a mapping of them.
func named(n *yaml.Node) {
	var content []*yaml.Node
	for _, item := range n.Content {
		content = append(content, item, &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: yaml.FlowStyle})
	}
	n.Kind, n.Tag, n.Style, n.Content = yaml.MappingNode, "!!map", 0, content
}

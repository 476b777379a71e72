package generate

import (
	"errors"
	"fmt"
	"maps"
	"path"
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
		if err := rebase.lay(child(services, service.Name), service.Extra); err != nil {
			return nil, fmt.Errorf("writing service %s: %w", service.Name, err)
		}
	}
	if err := rebase.lay(&root, s.Extra); err != nil {
		return nil, err
	}
	return &root, nil
}

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
	if err := n.Encode(extra); err != nil {
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

// paths makes relative paths hold in the output directory.
func (r rebased) paths(n *yaml.Node, key string) error {
	if n.Kind == yaml.ScalarNode {
		relative := strings.HasPrefix(n.Value, "./") || strings.HasPrefix(n.Value, "../")
		if !relative || !slices.Contains([]string{"source", "path", "file", "env_file", "label_file", "device", "context", "dockerfile_inline"}, key) {
			return nil
		}
		if r.refuse {
			return fmt.Errorf("%s: %w", n.Value, ErrRelative)
		}
		if n.Value = path.Join(r.root, n.Value); !strings.HasPrefix(n.Value, "../") && !path.IsAbs(n.Value) {
			n.Value = "./" + n.Value
		}
		return nil
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 {
			key = n.Content[i-1].Value
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

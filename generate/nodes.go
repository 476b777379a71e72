package generate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Settings are what a rendered Compose file says of one service, network or volume: text by path, such as
// deploy.resources.limits.memory. A list of plain values is one text.
type Settings map[string]string

// Nodes is a rendered Compose file by what it describes.
type Nodes struct {
	Services map[string]Settings
	Networks map[string]Settings
	Volumes  map[string]Settings
	// Joins and Mounts name the networks and the volumes of each service, sorted.
	Joins  map[string][]string
	Mounts map[string][]string
}

// ReadNodes takes a rendered Compose file apart.
func ReadNodes(file []byte) (Nodes, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(file, &document); err != nil {
		return Nodes{}, fmt.Errorf("reading the rendered Compose file: %w", err)
	}
	out := Nodes{Services: map[string]Settings{}, Networks: map[string]Settings{}, Volumes: map[string]Settings{}, Joins: map[string][]string{}, Mounts: map[string][]string{}}
	if len(document.Content) == 0 || document.Content[0].Kind != yaml.MappingNode {
		return out, fmt.Errorf("reading the rendered Compose file: it is not a mapping")
	}
	root := document.Content[0]
	for section, into := range map[string]map[string]Settings{"services": out.Services, "networks": out.Networks, "volumes": out.Volumes} {
		n := child(root, section)
		for i := 0; n != nil && i+1 < len(n.Content); i += 2 {
			settings := Settings{}
			settings.add("", n.Content[i+1])
			into[n.Content[i].Value] = settings
			if section == "services" {
				out.Joins[n.Content[i].Value] = keysOf(child(n.Content[i+1], "networks"))
				out.Mounts[n.Content[i].Value] = sources(child(n.Content[i+1], "volumes"))
			}
		}
	}
	return out, nil
}

// Versioned reports whether a volume of a rendered file holds the secrets or the configuration of a service, of one version.
func Versioned(volume string) bool {
	return strings.HasPrefix(volume, secretVolumeKey("")) || strings.HasPrefix(volume, configVolumeKey(""))
}

// keysOf are the items of a list of names, or the keys of a mapping.
func keysOf(n *yaml.Node) []string {
	var out []string
	for i := 0; n != nil && i < len(n.Content); i++ {
		if n.Kind == yaml.SequenceNode || i%2 == 0 {
			out = append(out, n.Content[i].Value)
		}
	}
	slices.Sort(out)
	return out
}

// sources are the named volumes of a service. They are always rendered in the long form.
func sources(n *yaml.Node) []string {
	var out []string
	for i := 0; n != nil && i < len(n.Content); i++ {
		if kind, source := child(n.Content[i], "type"), child(n.Content[i], "source"); kind != nil && kind.Value == "volume" && source != nil {
			out = append(out, source.Value)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// itemMark ends the path of a whole item of a list. YAML allows no such character, so no key of a file has it.
const itemMark = "\x00"

// Item returns the path of a whole item of a list, whose own settings have longer paths, or false for any other path.
func Item(path string) (string, bool) { return strings.CutSuffix(path, itemMark) }

// listed writes a list of plain values so that no two lists are written alike.
func listed(items []*yaml.Node) string {
	var texts []string
	for _, item := range items {
		text := item.Value
		if text == "" || text != strings.TrimSpace(text) || strings.ContainsAny(text, `,"`) {
			text = strconv.Quote(text)
		}
		texts = append(texts, text)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// inWords is an item of a list on one line.
func inWords(n *yaml.Node) string {
	var out []string
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if value := n.Content[i+1]; value.Kind == yaml.ScalarNode {
			out = append(out, n.Content[i].Value+": "+value.Value)
		}
	}
	return strings.Join(out, ", ")
}

func (s Settings) add(path string, n *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		if len(n.Content) == 0 && path != "" {
			s[path] = "{}"
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			s.add(strings.TrimPrefix(path+"."+n.Content[i].Value, "."), n.Content[i+1])
		}
	case yaml.SequenceNode:
		if !slices.ContainsFunc(n.Content, func(item *yaml.Node) bool { return item.Kind != yaml.ScalarNode }) {
			s[path] = listed(n.Content)
			return
		}
		for i, item := range n.Content {
			name := fmt.Sprintf("%s[%d]", path, i)
			for _, key := range []string{"target", "name", "path"} {
				if by := child(item, key); by != nil && item.Kind == yaml.MappingNode {
					name = path + "." + by.Value
					break
				}
			}
			if _, taken := s[name+itemMark]; taken { // one port by two protocols
				name = fmt.Sprintf("%s[%d]", name, i)
			}
			s[name+itemMark] = "{" + inWords(item) + "}"
			s.add(name, item)
		}
	case yaml.AliasNode:
		s[path] = "*" + n.Value // what is rendered has none, and following one could go on for ever
	default:
		s[path] = n.Value
	}
}

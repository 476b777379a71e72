package composefile

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"
)

// catalogue finds keys by their paths.
type catalogue struct {
	keys   map[string]Key
	inside map[string]bool // paths with keys below them
}

func newCatalogue() catalogue {
	out := catalogue{map[string]Key{}, map[string]bool{}}
	for _, k := range Keys() {
		path := strings.TrimSuffix(k.Path, ".**")
		out.keys[path] = k
		for i := range path {
			if path[i] == '.' {
				out.inside[path[:i]] = true
			}
		}
	}
	return out
}

// treatment of a key, and whether it is meant with all below it.
func (c catalogue) treatment(path string) (t Treatment, all, known bool) {
	k, ok := c.keys[path]
	return k.Treatment, strings.HasSuffix(k.Path, ".**"), ok
}

// open lists what is set in a value of compose-go and that no control judges. Shown is how the path is written in the file.
func (c catalogue) open(v reflect.Value, path, shown string) []string {
	var out []string
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return c.open(v.Elem(), path, shown)
		}
	case reflect.Slice:
		for i := range v.Len() {
			out = append(out, c.open(v.Index(i), path, shown)...)
		}
	case reflect.Map:
		if !c.inside[path+".*"] {
			return nil
		}
		for _, key := range v.MapKeys() {
			out = append(out, c.open(v.MapIndex(key), path+".*", under(shown, key.String()))...)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name, inline := keyOf(v.Type().Field(i))
			switch {
			case inline:
				out = append(out, c.open(v.Field(i), path, shown)...)
			case name != "" && !v.Field(i).IsZero():
				out = append(out, c.openKey(v.Field(i), path+"."+name, under(shown, name))...)
			}
		}
	}
	return out
}

func (c catalogue) openKey(v reflect.Value, path, shown string) []string {
	treatment, all, _ := c.treatment(path)
	switch {
	case treatment == Open:
		return []string{shown}
	case all:
		return nil
	}
	return c.open(v, path, shown)
}

func under(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// keyOf returns the key of a field in a Compose file; it is empty for what has none, such as extensions, which Compose ignores.
func keyOf(f reflect.StructField) (name string, inline bool) {
	tag, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	switch {
	case !f.IsExported(), tag == "-", f.Type == reflect.TypeFor[types.Extensions]():
		return "", false
	case strings.Contains(options, "inline"):
		return "", true
	}
	return tag, false
}

// sections of a Compose file, and what the paths of their keys begin with.
func sections() map[string]string {
	return map[string]string{"services": "service", "jobs": "service", "networks": "network", "volumes": "volume", "secrets": "secret", "configs": "config", "models": "model"}
}

// novelty is a key as it is written that this version does not know, such as services, web, newkey.
type novelty struct {
	path   []string
	parent *yaml.Node
}

// novelties finds the keys that this version does not know in what is written.
func (c catalogue) novelties(root *yaml.Node) []novelty {
	if len(root.Content) == 0 {
		return nil
	}
	var out []novelty
	for k, value := range pairs(root.Content[0]) {
		key := k.Value
		kind, section := sections()[key]
		switch {
		case section:
			for name, v := range pairs(value) {
				out = append(out, c.below(v, kind, []string{key, name.Value}, 0)...)
			}
		case !slices.Contains([]string{"name", "version", "include"}, key) && !strings.HasPrefix(key, "x-"):
			out = append(out, novelty{[]string{key}, resolve(root.Content[0])})
		}
	}
	return out
}

func (c catalogue) below(n *yaml.Node, path string, written []string, depth int) []novelty {
	n = resolve(n)
	if n == nil || depth > 32 || !c.inside[path] {
		return nil
	}
	var out []novelty
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			out = append(out, c.below(item, path, written, depth+1)...)
		}
		return out
	}
	for k, value := range pairs(n) {
		key := k.Value
		at, next := append(slices.Clone(written), key), path+"."+key
		if c.inside[path+".*"] {
			out = append(out, c.below(value, path+".*", at, depth+1)...)
			continue
		}
		switch _, all, known := c.treatment(next); {
		case strings.HasPrefix(key, "x-") || all:
		case !known:
			out = append(out, novelty{at, n})
		default:
			out = append(out, c.below(value, next, at, depth+1)...)
		}
	}
	return out
}

// pairs yields the keys of a mapping with their values, and then those that are merged into it.
func pairs(n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(*yaml.Node, *yaml.Node) bool) {
		seen := map[string]bool{}
		var walk func(*yaml.Node, int) bool
		walk = func(n *yaml.Node, depth int) bool {
			n = resolve(n)
			if n == nil || depth > 16 {
				return true
			}
			var merged []*yaml.Node
			if n.Kind == yaml.SequenceNode && depth > 0 {
				merged = n.Content
			}
			for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
				key := n.Content[i]
				switch {
				case key.ShortTag() == "!!merge":
					merged = append(merged, n.Content[i+1])
				case !seen[key.Value]:
					seen[key.Value] = true
					if !yield(key, n.Content[i+1]) {
						return false
					}
				}
			}
			for _, m := range merged {
				if !walk(m, depth+1) {
					return false
				}
			}
			return true
		}
		walk(n, 0)
	}
}

// stripped returns a file without the keys that this version does not know: compose-go refuses a file that has one.
func (c catalogue) stripped(data []byte) ([]byte, error) {
	var out bytes.Buffer
	decoder, encoder := yaml.NewDecoder(bytes.NewReader(data)), yaml.NewEncoder(&out)
	for {
		var root yaml.Node
		if err := decoder.Decode(&root); errors.Is(err, io.EOF) {
			return out.Bytes(), encoder.Close()
		} else if err != nil {
			return nil, err
		}
		for _, n := range c.novelties(&root) {
			remove(n.parent, n.path[len(n.path)-1], 0)
		}
		if err := encoder.Encode(&root); err != nil {
			return nil, err
		}
	}
}

// remove takes a key out of a mapping, and out of what is merged into it.
func remove(n *yaml.Node, key string, depth int) {
	n = resolve(n)
	if n == nil || depth > 16 {
		return
	}
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			remove(item, key, depth+1)
		}
		return
	}
	for i := len(n.Content) - 2; i >= 0 && n.Kind == yaml.MappingNode; i -= 2 {
		switch {
		case n.Content[i].ShortTag() == "!!merge":
			remove(n.Content[i+1], key, depth+1)
		case n.Content[i].Value == key:
			n.Content = slices.Delete(n.Content, i, i+2)
		}
	}
}

// unjudged lists what may weaken a service and no control looks at.
func (p *Project) unjudged(s types.ServiceConfig) []string {
	out := slices.Concat(beyondControls(s), p.catalogue.open(reflect.ValueOf(s), "service", ""))
	resource := func(v any, kind, section, name string) {
		out = append(out, p.catalogue.open(reflect.ValueOf(v), kind, section+"."+name)...)
	}
	used := map[string][]string{"networks": slices.Collect(maps.Keys(s.Networks)), "models": slices.Collect(maps.Keys(s.Models))}
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeVolume {
			used["volumes"] = append(used["volumes"], v.Source)
		}
	}
	for _, use := range s.Secrets {
		used["secrets"] = append(used["secrets"], use.Source)
	}
	for _, use := range s.Configs {
		used["configs"] = append(used["configs"], use.Source)
	}
	for _, name := range used["networks"] {
		resource(p.types.Networks[name], "network", "networks", name)
		out = append(out, unknownNetwork(name, p.types.Networks[name])...)
	}
	for _, name := range used["volumes"] {
		resource(p.types.Volumes[name], "volume", "volumes", name)
		out = append(out, unknownVolume(name, p.types.Volumes[name])...)
	}
	for _, name := range used["secrets"] {
		resource(p.types.Secrets[name], "secret", "secrets", name)
	}
	for _, name := range used["configs"] {
		resource(p.types.Configs[name], "config", "configs", name)
	}
	for _, n := range p.novel {
		switch {
		case len(n.path) == 1:
			out = append(out, n.path[0])
		case sections()[n.path[0]] == "service":
			if slices.Contains(p.ancestors(s.Name, 0), n.path[1]) {
				out = append(out, strings.Join(n.path[2:], "."))
			}
		case slices.Contains(used[n.path[0]], n.path[1]):
			out = append(out, strings.Join(n.path, "."))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ancestors are a service and those of the same files that it extends.
func (p *Project) ancestors(name string, depth int) []string {
	out := []string{name}
	if depth > 16 {
		return out
	}
	for i := range p.places {
		one := Project{places: p.places[i : i+1]}
		_, _, value := one.service(name)
		_, extends := LookUp(value, "extends")
		if extends == nil {
			continue
		}
		if _, service := LookUp(extends, "service"); service != nil {
			extends = service
		}
		if extends.Kind == yaml.ScalarNode && extends.Value != name {
			out = append(out, p.ancestors(extends.Value, depth+1)...)
		}
	}
	return out
}

// beyondControls lists values that no control judges, of keys that controls judge otherwise.
func beyondControls(s types.ServiceConfig) []string {
	var out []string
	note := func(present bool, what string) {
		if present {
			out = append(out, what)
		}
	}
	odd := func(key, value string, known ...string) {
		borrowed := strings.HasPrefix(value, "service:") || strings.HasPrefix(value, "container:")
		note(value != "" && !slices.Contains(known, value) && !(borrowed && (key == "pid" || key == "ipc")), key+" "+value)
	}
	odd("pid", s.Pid, "host")
	odd("ipc", s.Ipc, "host", "none", "private", "shareable")
	odd("uts", s.Uts, "host")
	odd("userns_mode", s.UserNSMode, "host")
	odd("cgroup", s.Cgroup, "host", "private")
	odd("isolation", s.Isolation, "default")
	for _, name := range options(s).Unjudged() {
		note(true, "security_opt "+name)
	}
	if v := s.Environment["DOCKER_HOST"]; v != nil {
		note(*v != "", "environment DOCKER_HOST")
	}
	for _, v := range s.Volumes {
		note(!slices.Contains([]string{types.VolumeTypeBind, types.VolumeTypeVolume, types.VolumeTypeTmpfs}, v.Type), "volumes of type "+v.Type)
		note(v.Bind != nil && v.ReadOnly && v.Bind.Recursive == "writable", "volumes.bind.recursive writable")
		note(v.Type == types.VolumeTypeBind && strings.HasPrefix(path.Clean(v.Source), ".."), "volumes "+v.Source+", which begins at a directory that is not known")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Networks)) {
		if n := s.Networks[name]; n != nil {
			for key := range n.DriverOpts {
				note(key != endpointSysctls, "networks."+name+".driver_opts "+key)
			}
		}
	}
	if b := s.Build; b != nil {
		note(b.Network == "host", "build.network host")
		note(b.Isolation != "" && b.Isolation != "default", "build.isolation "+b.Isolation)
	}
	return out
}

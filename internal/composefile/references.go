package composefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"go.yaml.in/yaml/v3"

	"github.com/hsectl/hsectl/internal/composefile/specification"
)

// maxVariables bounds a file of variables.
const maxVariables = 1 << 20

// follower reads, by Source.Read, all that the files refer to before compose-go does, which reads whatever it finds: what may not
// be read, what is too large, and what is no file ends the load here.
//
// Which directory a path is relative to depends on how its file was reached, so each path is tried from every directory that it
// may be relative to.
type follower struct {
	r     *reader
	from  Source
	bases []string
	refs  []reference
	seen  map[string]int // how far from the first file
	tries int
}

// reference is a path as it is written, with its variables put in.
type reference struct {
	path  string
	depth int
	kind  referenceKind
}

type referenceKind int

const (
	composeFile referenceKind = iota
	variablesFile
	directory
)

// follow bounds the files that were named, and all that they include and extend.
func (r *reader) follow(from Source) error {
	f := &follower{r: r, from: from, seen: map[string]int{}}
	if len(from.Files) > 0 {
		f.base(filepath.Dir(from.Files[0]))
	}
	for _, d := range r.written {
		f.seen[filepath.Clean(d.path)] = 0
		f.base(filepath.Dir(d.path))
	}
	for _, d := range r.written {
		if err := f.document(d.path, d.root, 0); err != nil {
			return err
		}
	}
	done := map[reference]int{} // how many of the bases each was tried from
	for more := true; more; {
		more = false
		for i := 0; i < len(f.refs); i++ {
			ref := f.refs[i]
			for ; done[ref] < len(f.bases); done[ref]++ {
				more = true
				if err := f.try(ref, f.bases[done[ref]]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (f *follower) base(dir string) {
	for _, b := range f.bases {
		if b == dir {
			return
		}
	}
	f.bases = append(f.bases, dir)
}

// maxTries bounds how many paths are tried altogether.
const maxTries = 1 << 14

func (f *follower) try(ref reference, base string) error {
	path := filepath.Clean(ref.path)
	if !filepath.IsAbs(path) {
		path = filepath.Join(base, path)
	}
	if f.tries++; f.tries > maxTries {
		return fmt.Errorf("reading %s: more than %d files include or extend each other", path, specification.MaxFiles)
	}
	if ref.kind == directory {
		f.base(path)
		return f.envFile(path)
	}
	if _, ok := f.seen[path]; ok {
		return nil
	}
	if ref.kind == variablesFile {
		return f.variables(path)
	}
	data, err := f.from.Read(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // from here; compose-go says so when it is nowhere
	}
	if err != nil {
		return fmt.Errorf("reading what the Compose file refers to: %w", err)
	}
	if ref.depth > specification.MaxDepth {
		return fmt.Errorf("reading %s: files include or extend one another more than %d deep", path, specification.MaxDepth)
	}
	f.seen[path] = ref.depth
	if len(f.seen) > specification.MaxFiles {
		return fmt.Errorf("reading %s: more than %d files include or extend each other", path, specification.MaxFiles)
	}
	f.base(filepath.Dir(path))
	if err := f.envFile(filepath.Dir(path)); err != nil {
		return err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var root yaml.Node
		err := decoder.Decode(&root)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		if err := f.document(path, &root, ref.depth); err != nil {
			return err
		}
	}
}

// envFile reads the .env that Compose reads in the directory of what is included.
func (f *follower) envFile(dir string) error { return f.variables(filepath.Join(dir, ".env")) }

// variables looks at a file of variables. The values of one that is not as public as the Compose file are not put into it.
func (f *follower) variables(path string) error {
	if _, ok := f.seen[path]; ok || path == "/dev/null" {
		return nil
	}
	data, err := f.from.Read(path, maxVariables)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading what the Compose file refers to: %w", err)
	}
	f.seen[path] = 0
	if f.from.Public == nil || !f.from.Public(path) {
		f.r.discreet = true
	}
	_, err = Variables(path, data, f.from.Variables)
	return err
}

// document bounds one document, and notes what it includes and extends.
func (f *follower) document(path string, root *yaml.Node, depth int) error {
	if err := specification.Bounded(path, root); err != nil {
		return err
	}
	f.r.note(root)
	for _, ref := range references(root) {
		text, err := f.r.pathOf(ref.path, f.from.Variables)
		if err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		if text == "" || strings.Contains(text, "://") {
			continue // compose-go says what is wrong with it
		}
		f.refs = append(f.refs, reference{text, depth + 1, ref.kind})
	}
	return nil
}

// pathOf puts the variables into a path. Where it leads must be known before anything is read.
func (r *reader) pathOf(text string, variables map[string]string) (string, error) {
	known := &reader{}
	out, err := known.substitute(text, func(name string) (string, bool) { v, ok := variables[name]; return v, ok })
	if err == nil && len(known.unset) > 0 {
		err = fmt.Errorf("the path %s has the variable %s, which is not set: name it with --env-from or --env-file", text, known.unset[0])
	}
	return out, err
}

// Variables reads a file of NAME=VALUE lines as Compose does. Lookup values are what lines may refer to. An error says which
// file is wrong, never what is in it.
func Variables(name string, data []byte, lookup map[string]string) (map[string]string, error) {
	return VariablesWith(name, data, func(name string) (string, bool) { v, ok := lookup[name]; return v, ok })
}

// VariablesWith is Variables with a function that finds values.
func VariablesWith(name string, data []byte, lookup func(string) (string, bool)) (map[string]string, error) {
	out, err := dotenv.UnmarshalBytesWithLookup(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), lookup)
	if err != nil {
		return nil, fmt.Errorf("reading %s: it is not a file of NAME=VALUE lines", name)
	}
	return out, nil
}

// references returns what a document includes or extends, as it is written.
func references(root *yaml.Node) []reference {
	if len(root.Content) == 0 {
		return nil
	}
	var out []reference
	add := func(n *yaml.Node, kind referenceKind) {
		switch n = specification.Resolve(n); {
		case n == nil:
		case n.Kind == yaml.ScalarNode:
			out = append(out, reference{path: n.Value, kind: kind})
		case n.Kind == yaml.SequenceNode:
			for _, item := range n.Content {
				if item = specification.Resolve(item); item.Kind == yaml.ScalarNode {
					out = append(out, reference{path: item.Value, kind: kind})
				}
			}
		}
	}
	if _, includes := specification.LookUp(root.Content[0], "include"); includes != nil {
		for _, item := range includes.Content {
			add(item, composeFile)
			for key, kind := range map[string]referenceKind{"path": composeFile, "project_directory": directory, "env_file": variablesFile} {
				_, value := specification.LookUp(item, key)
				add(value, kind)
			}
		}
	}
	for _, section := range []string{"services", "jobs"} {
		_, all := specification.LookUp(root.Content[0], section)
		for _, service := range specification.Pairs(all) {
			_, extends := specification.LookUp(service, "extends")
			_, file := specification.LookUp(extends, "file")
			add(file, composeFile)
		}
	}
	return out
}

// textKeys are the keys of a service whose values may be any text: there a variable without a value is shown as it is written.
func textKeys() []string {
	return []string{"image", "command", "entrypoint", "labels", "annotations"}
}

// keptKeys are the keys of a service, and those within some, in which a project keeps variables: Compose takes any text there.
func keptKeys() []string {
	return []string{"command", "entrypoint", "labels", "annotations", "image", "environment", "domainname", "working_dir", "healthcheck.test", "build.args", "build.labels"}
}

// note keeps the texts with variables of a document that must not stay as they are written, because they stand for a number, a
// path or a word that Compose knows.
func (r *reader) note(root *yaml.Node) {
	if r.typed == nil {
		r.typed = map[string]bool{}
	}
	if len(root.Content) == 0 {
		return
	}
	seen := map[*yaml.Node]bool{}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		n = specification.Resolve(n)
		if n == nil || seen[n] {
			return
		}
		seen[n] = true
		if n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "$") {
			r.typed[n.Value] = true
		}
		for _, c := range n.Content {
			walk(c)
		}
	}
	_, all := specification.LookUp(root.Content[0], "services")
	for key, value := range specification.Pairs(root.Content[0]) {
		if key.Value == "services" || r.keeps != nil && strings.HasPrefix(key.Value, "x-") {
			continue
		}
		if key.Value != "configs" || r.keeps == nil {
			walk(value)
			continue
		}
		for _, config := range specification.Pairs(value) {
			for key, value := range specification.Pairs(config) {
				if key.Value != "content" {
					walk(value)
				}
			}
		}
	}
	texts := textKeys()
	if r.keeps != nil {
		texts = keptKeys()
	}
	for _, service := range specification.Pairs(all) {
		for key, value := range specification.Pairs(service) {
			if slices.Contains(texts, key.Value) || r.keeps != nil && strings.HasPrefix(key.Value, "x-") {
				continue
			}
			for inner, v := range specification.Pairs(value) {
				if slices.Contains(texts, key.Value+"."+inner.Value) {
					continue
				}
				walk(v)
			}
			if specification.Resolve(value).Kind != yaml.MappingNode {
				walk(value)
			}
		}
	}
}

package composefile

import (
	"fmt"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hsectl/hsectl/internal/composefile/specification"
)

// Bounds on what is loaded, so that a hostile or mistaken file costs bounded time and memory: compose-go writes every
// alias out before it looks at the result.
const (
	maxNodes = 1 << 19 // values of one file, aliases written out; a file of 1,000 services has about 100,000
	maxFiles = 512     // files that include and extend each other
)

// bounded refuses a document that becomes too large once its aliases are written out, or that contains itself.
func bounded(name string, root *yaml.Node) error {
	sizes := map[*yaml.Node]int{}
	if n := expanded(root, sizes); n < 0 {
		return fmt.Errorf("reading %s: an alias contains itself", name)
	} else if n > maxNodes {
		return fmt.Errorf("reading %s: it has more than %d values once its aliases are written out", name, maxNodes)
	}
	return nil
}

// expanded counts the values below a node. It is -1 when a node is within itself, and stops counting above the bound.
func expanded(n *yaml.Node, sizes map[*yaml.Node]int) int {
	n = specification.Resolve(n)
	if n == nil {
		return 0
	}
	if size, ok := sizes[n]; ok {
		return size // -1 while it is being counted
	}
	sizes[n] = -1
	total := 1
	for _, child := range n.Content {
		size := expanded(child, sizes)
		if size < 0 {
			return -1
		}
		total = min(total+size, maxNodes+1)
	}
	sizes[n] = total
	return total
}

// boundedAll follows include and extends from the files that were named, and refuses what is too large anywhere. A path
// with a variable in it is followed when the calling process knows the variable.
func (r *reader) boundedAll(from Source) error {
	seen := map[string]bool{}
	type read struct {
		path string
		root *yaml.Node
	}
	var queue []read
	for _, d := range r.written {
		seen[d.path] = true
		queue = append(queue, read{d.path, d.root})
	}
	project := ""
	if len(from.Files) > 0 {
		project = filepath.Dir(from.Files[0])
	}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if err := bounded(at.path, at.root); err != nil {
			return err
		}
		for _, name := range references(at.root) {
			text, err := (&reader{}).substitute(name, lookUpIn(from.Environment))
			if err != nil || strings.Contains(text, "://") {
				continue // compose-go says what is wrong with it
			}
			for _, dir := range []string{filepath.Dir(at.path), project} {
				file := filepath.Clean(text)
				if !filepath.IsAbs(file) {
					file = filepath.Join(dir, file)
				}
				if seen[file] {
					continue
				}
				seen[file] = true
				if len(seen) > 2*maxFiles {
					return fmt.Errorf("reading %s: more than %d files include or extend each other", file, maxFiles)
				}
				data, err := from.Read(file, maxFile)
				var root yaml.Node
				if err != nil || yaml.Unmarshal(data, &root) != nil {
					continue
				}
				queue = append(queue, read{file, &root})
			}
		}
	}
	return nil
}

func lookUpIn(environment []string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, e := range environment {
			if value, ok := strings.CutPrefix(e, name+"="); ok {
				return value, true
			}
		}
		return "", false
	}
}

// references returns the files that a document includes or extends, as they are written.
func references(root *yaml.Node) []string {
	if len(root.Content) == 0 {
		return nil
	}
	var out []string
	add := func(n *yaml.Node) {
		switch n = specification.Resolve(n); {
		case n == nil:
		case n.Kind == yaml.ScalarNode:
			out = append(out, n.Value)
		case n.Kind == yaml.SequenceNode:
			for _, item := range n.Content {
				if item = specification.Resolve(item); item.Kind == yaml.ScalarNode {
					out = append(out, item.Value)
				}
			}
		}
	}
	if _, includes := specification.LookUp(root.Content[0], "include"); includes != nil {
		for _, item := range includes.Content {
			add(item)
			_, path := specification.LookUp(item, "path")
			add(path)
		}
	}
	_, services := specification.LookUp(root.Content[0], "services")
	if services == nil {
		return out
	}
	for _, service := range services.Content {
		_, extends := specification.LookUp(service, "extends")
		_, file := specification.LookUp(extends, "file")
		add(file)
	}
	return out
}

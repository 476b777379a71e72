package specification

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds on what is loaded, so that a hostile or mistaken file costs bounded time and memory: compose-go writes every
// alias out before it looks at the result.
const (
	maxNodes = 1 << 19 // values of one file, aliases written out; a file of 1,000 services has about 100,000
	MaxFiles = 512     // files that include and extend each other
	MaxDepth = 32      // files, or services of one file, that include or extend one another in a row
	maxPorts = 1 << 16 // published ports of one file; a range of ports is written out as well
)

// Bounded refuses a document that becomes too large once its aliases are written out, or that contains itself.
func Bounded(name string, root *yaml.Node) error {
	sizes := map[*yaml.Node]int{}
	if n := expanded(root, sizes); n < 0 {
		return fmt.Errorf("reading %s: an alias contains itself", name)
	} else if n > maxNodes {
		return fmt.Errorf("reading %s: it has more than %d values once its aliases are written out", name, maxNodes)
	}
	if n := ports(root); n > maxPorts {
		return fmt.Errorf("reading %s: it publishes %d ports, more than the %d allowed", name, n, maxPorts)
	}
	if chain := longest(root); chain > MaxDepth {
		return fmt.Errorf("reading %s: %d services extend one another in a row, more than the %d allowed", name, chain, MaxDepth)
	}
	return nil
}

// services yields the services of a document.
func services(root *yaml.Node) map[string]*yaml.Node {
	out := map[string]*yaml.Node{}
	if len(root.Content) == 0 {
		return out
	}
	_, all := LookUp(root.Content[0], "services")
	for key, value := range Pairs(all) {
		out[key.Value] = Resolve(value)
	}
	return out
}

// ports counts the ports that the services of a document publish, and that those get which extend one of them. A range that
// cannot be read is left to compose-go.
func ports(root *yaml.Node) int {
	total, extending, most := 0, 0, 0
	for _, service := range services(root) {
		own := 0
		_, list := LookUp(service, "ports")
		if list != nil && list.Kind == yaml.SequenceNode {
			for _, item := range list.Content {
				item = Resolve(item)
				if item.Kind == yaml.MappingNode {
					_, item = LookUp(item, "published")
				}
				if item != nil {
					own += portsOf(item.Value)
				}
			}
		}
		if k, _ := LookUp(service, "extends"); k != nil {
			extending++
		}
		total, most = min(total+own, 1<<30), max(most, own)
	}
	return total + extending*most
}

// portsOf is how many ports a text such as 8000-8010:80-90/tcp publishes.
func portsOf(text string) int {
	text, _, _ = strings.Cut(text, "/")
	most := 1
	for part := range strings.SplitSeq(text, ":") {
		first, last, ranged := strings.Cut(part, "-")
		from, err := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if ranged && err == nil && err2 == nil && to > from {
			most = max(most, to-from+1)
		}
	}
	return most
}

// longest is how many services of a document extend one another in a row. A circle is left to compose-go.
func longest(root *yaml.Node) int {
	parents := map[string]string{}
	for name, service := range services(root) {
		_, extends := LookUp(service, "extends")
		if extends == nil {
			continue
		}
		if extends.Kind == yaml.ScalarNode {
			parents[name] = extends.Value
			continue
		}
		_, parent := LookUp(extends, "service")
		if file, _ := LookUp(extends, "file"); file == nil && parent != nil {
			parents[name] = parent.Value
		}
	}
	most := 0
	for name := range parents {
		depth, seen := 0, map[string]bool{}
		for at := name; !seen[at] && depth <= MaxDepth; depth++ {
			seen[at] = true
			next, ok := parents[at]
			if !ok {
				break
			}
			at = next
		}
		most = max(most, depth)
	}
	return most
}

// expanded counts the values below a node. It is -1 when a node is within itself, and stops counting above the bound.
func expanded(n *yaml.Node, sizes map[*yaml.Node]int) int {
	n = Resolve(n)
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

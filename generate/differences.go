package generate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Differences says in words what changed between two nodes, sorted by path. Ignore leaves out what does not count; it may be nil.
func Differences(before, after Settings, ignore func(path string) bool) []string {
	paths := maps.Clone(before)
	maps.Copy(paths, after)
	var out []string
	whole := "\x00" // the item of a list that is new or gone, which says all about its settings
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		b, hadB := before[path]
		a, hadA := after[path]
		name, item := Item(path)
		if item && hadA != hadB {
			whole = name + "."
		}
		switch {
		case a == b && hadA == hadB, strings.HasPrefix(path, whole), item && hadA && hadB, ignore != nil && ignore(path):
		case !hadB:
			out = append(out, fmt.Sprintf("%s is new: %s", name, a))
		case !hadA:
			out = append(out, fmt.Sprintf("%s is gone: %s", name, b))
		default:
			out = append(out, fmt.Sprintf("%s: %s → %s", name, b, a))
		}
	}
	return out
}

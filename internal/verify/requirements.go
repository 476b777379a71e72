package verify

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Needs is what a running container shows of what its service needs. It is evidence of what was done so far, and of
// nothing else.
type Needs struct {
	Users     []string // uid:gid of its processes, each once, that of the first process first
	Written   []string // directories of its own layer in which something was written
	Memory    int64    // the most bytes that it held, page cache included; 0 when the kernel does not tell
	Listening []int    // TCP ports
	Test      []string // the test of health that it has, as the engine has it: CMD or CMD-SHELL, then the words
}

// NeedsOf reads the needs of a service from what engine and kernel say of its container. What could not be seen is empty.
func NeedsOf(c Container) Needs {
	f := facts(c)
	n := Needs{Listening: f.Listening.Value, Test: f.Health.Value.Test, Written: directories(f.Changes.Value)}
	for _, p := range f.Processes.Value {
		user := fmt.Sprintf("%d:%d", p.UIDs[1], p.GIDs[1])
		if !p.Entered && !slices.Contains(n.Users, user) {
			n.Users = append(n.Users, user)
		}
	}
	if c.Dump != nil {
		for _, name := range []string{"memory.peak", "memory.max_usage_in_bytes"} {
			if peak, ok := cgroup(c.Dump.Cgroup).number(name); ok {
				n.Memory = peak
			}
		}
	}
	return n
}

// crowd is how many written directories side by side stand for the one that holds them.
const crowd = 3

// directories returns the directories that hold what was written, the outermost only. paths names files and every
// directory above them.
func directories(paths []string) []string {
	above := map[string]bool{}
	for _, p := range paths {
		above[path.Dir(p)] = true
	}
	found := map[string]bool{}
	for _, p := range paths {
		if !above[p] {
			found[path.Dir(p)] = true
		}
	}
	for merged := true; merged; {
		merged = false
		siblings := map[string]int{}
		for dir := range found {
			siblings[path.Dir(dir)]++
		}
		for parent, n := range siblings {
			if n >= crowd && strings.Count(parent, "/") > 1 && !found[parent] {
				found[parent], merged = true, true
			}
		}
	}
	var out []string
	for dir := range found {
		if !slices.ContainsFunc(ancestors(dir), func(a string) bool { return found[a] }) {
			out = append(out, dir)
		}
	}
	slices.Sort(out)
	return out
}

// ancestors returns the directories above one, without the root.
func ancestors(dir string) []string {
	var out []string
	for dir = path.Dir(dir); dir != "/" && dir != "."; dir = path.Dir(dir) {
		out = append(out, dir)
	}
	return out
}

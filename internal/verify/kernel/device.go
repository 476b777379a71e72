package kernel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/display"
)

// Node is a device file.
type Node struct {
	Path  string `json:"path"`
	Kind  string `json:"kind"` // c or b
	Major uint32 `json:"major"`
	Minor uint32 `json:"minor"`
}

// usualDevices are those that every container may use: null, zero, full, random, urandom, tty, console, ptmx, its terminals, and on
// runtimes before 1.2 the tunnel, of which they make no file (runc, libcontainer/specconv.AllowedDevices; moby, oci/defaults.go).
func usualDevices() []string {
	return []string{"c 1:3", "c 1:5", "c 1:7", "c 1:8", "c 1:9", "c 5:0", "c 5:1", "c 5:2", "c 136:*", "c 10:200"}
}

func usualDevice(kind, major, minor string) bool {
	return slices.Contains(usualDevices(), kind+" "+major+":"+minor) || slices.Contains(usualDevices(), kind+" "+major+":*")
}

// StrangeNodes are device files that no engine makes.
func StrangeNodes(nodes []Node) []string {
	var out []string
	for _, n := range nodes {
		if !usualDevice(n.Kind, fmt.Sprint(n.Major), fmt.Sprint(n.Minor)) || n.Kind == "c" && n.Major == 10 {
			out = append(out, fmt.Sprintf("%s is device %s %d:%d", display.Name(n.Path), n.Kind, n.Major, n.Minor))
		}
	}
	return out
}

// StrangeRules are those of a control group of version 1 that let its processes use more than every engine allows
// (Documentation/admin-guide/cgroup-v1/devices.rst): lines of a kind, numbers, and r, w and m for reading, writing and making files of.
// To make a file takes a capability, and opens nothing.
func StrangeRules(list string) ([]string, error) {
	var out []string
	for line := range strings.Lines(list) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		major, minor, ok := "", "", len(words) == 3
		if ok {
			major, minor, ok = strings.Cut(words[1], ":")
		}
		if !ok {
			return nil, fmt.Errorf("reading the rules for devices: %q is none", display.Name(line))
		}
		if strings.Trim(words[2], "m") != "" && !usualDevice(words[0], major, minor) {
			out = append(out, fmt.Sprintf("the control group allows device %s %s %s", display.Name(words[0]), display.Name(words[1]), display.Name(words[2])))
		}
	}
	if strings.TrimSpace(list) == "" {
		return nil, fmt.Errorf("reading the rules for devices: there is none")
	}
	return out, nil
}

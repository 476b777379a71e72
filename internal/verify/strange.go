package verify

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// strangeMounts adds to the differences what the kernel has mounted and no engine would: over another mount, among the kernel's own
// directories, or over a file that the engine writes. Mounts at any other path are judged by what the profile declares.
func strangeMounts(f *policy.Facts, text string) {
	if !f.Differences.Known() {
		return
	}
	table, err := parseMountinfo(text)
	if err != nil {
		f.Differences = policy.Unseen[[]string](err.Error())
		return
	}
	engine := map[string]policy.Mount{}
	for _, m := range f.Mounts.Value {
		engine[m.Path] = m
	}
	found := strange(table, engine, f.Privileged.Known() && f.Privileged.Value, f.Masked.Known() && len(f.Masked.Value) > 0)
	if len(found) > 0 {
		f.Differences = policy.Seen(slices.Concat(f.Differences.Value, found), finding.Effective)
	}
}

// strange says which mounts of a table no engine makes. Engine has the paths of those that it was asked for.
func strange(table []mountPoint, engine map[string]policy.Mount, privileged, masks bool) []string {
	var out []string
	at := map[string]int{}
	for _, m := range table {
		what := fmt.Sprintf("%s %s", display.Name(m.kind), display.Name(m.root))
		switch {
		case at[m.path] > 0 && !under(engine, m.path) && !onHierarchy(engine, m.path, at[m.path]):
			out = append(out, fmt.Sprintf("%s is mounted over: %s lies on it", display.Name(m.path), what))
		case kernelMount(m.path) && engine[m.path].Path == "" && !usual(m):
			out = append(out, fmt.Sprintf("%s is a mount that the engine does not make: %s", display.Name(m.path), what))
		case elsewhere(engine[m.path], m.root):
			out = append(out, fmt.Sprintf("%s is not volume %s: it shows %s", display.Name(m.path), display.Name(engine[m.path].Volume), what))
		case !privileged && readOnlyForAll(m) && !m.has("ro"):
			out = append(out, display.Name(m.path)+" is writable")
		}
		at[m.path]++
	}
	if masks && !privileged && at["/proc"] > 0 && at["/proc/sys"] == 0 {
		out = append(out, "/proc/sys is writable: nothing is mounted on it")
	}
	return out
}

// under tells a path below one that is shown from the host, where the host's own mounts may lie on each other.
func under(engine map[string]policy.Mount, at string) bool {
	for dir := path.Dir(at); dir != "/" && dir != "."; dir = path.Dir(dir) {
		if engine[dir].Kind == "bind" {
			return true
		}
	}
	return false
}

// onHierarchy tells a declared mount on one of the control groups' hierarchies, which the runtime has mounted before it.
func onHierarchy(engine map[string]policy.Mount, at string, mounted int) bool {
	return strings.HasPrefix(at, "/sys/fs/cgroup/") && engine[at].Path != "" && mounted == 1
}

// elsewhere tells a volume of the engine's own that shows something else than its directory, which no engine says.
func elsewhere(m policy.Mount, root string) bool {
	return m.Kind == "volume" && m.Local && m.Volume != "" && !strings.Contains(root+"/", "/"+m.Volume+"/_data/")
}

// readOnlyForAll tells a mount of the kernel's settings, which only a privileged container may write.
func readOnlyForAll(m mountPoint) bool {
	return m.path == "/sys" || m.kind == "proc" && slices.Contains([]string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}, m.path)
}

// usual tells whether an engine makes a mount by itself (moby, oci/defaults.go and daemon/container_operations_unix.go).
func usual(m mountPoint) bool {
	kinds := map[string][]string{"/proc": {"proc"}, "/sys": {"sysfs"}, "/dev": {"tmpfs", "devtmpfs"}, "/dev/pts": {"devpts"}, "/dev/mqueue": {"mqueue"}, "/dev/shm": {"tmpfs"},
		"/dev/console": {"devpts", "devtmpfs"}}
	if allowed, ok := kinds[m.path]; ok {
		return slices.Contains(allowed, m.kind)
	}
	switch m.path {
	case "/etc/hosts", "/etc/hostname", "/etc/resolv.conf":
		return path.Base(m.root) == path.Base(m.path) && strings.Contains(m.root, "/containers/")
	case "/sbin/docker-init", "/usr/sbin/docker-init", "/dev/init":
		return strings.Contains(path.Base(m.root), "ini") // docker-init, or a tini that the daemon was told of
	case "/run/secrets":
		return true // a volume, which is judged as secrets; what lies on it is found above
	}
	switch {
	case strings.HasPrefix(m.path, "/proc/"):
		hidden := (m.kind == "tmpfs" || m.kind == "devtmpfs") && (m.root == "/" || m.root == "/null")
		return hidden || m.kind == "proc" && m.root == strings.TrimPrefix(m.path, "/proc")
	case strings.HasPrefix(m.path, "/sys/"):
		return slices.Contains([]string{"tmpfs", "cgroup", "cgroup2", "sysfs"}, m.kind)
	}
	return m.kind == "devtmpfs" // a device, where an engine without root cannot make one
}

package verify

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/verify/kernel"
)

// strangeMounts adds to the differences what the kernel has mounted and no engine would: over another mount, among the kernel's own
// directories, or over a file that the engine writes. Mounts at any other path are judged by what the profile declares.
func strangeMounts(f *policy.Facts, text string, has []string) {
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
	found := strange(table, engine, f.Privileged.Known() && f.Privileged.Value)
	if f.Masked.Known() && len(f.Masked.Value) > 0 && !f.Privileged.Value {
		found = append(found, bare(table, f.Masked.Value, has)...)
	}
	if len(found) > 0 {
		f.Differences = policy.Seen(slices.Concat(f.Differences.Value, found), finding.Effective)
	}
}

// strange says which mounts of a table no engine makes. Engine has the paths of those that it was asked for.
func strange(table []mountPoint, engine map[string]policy.Mount, privileged bool) []string {
	var out []string
	at := map[string]int{}
	var root mountPoint
	for _, m := range table {
		if m.path == "/" {
			root = m
		}
		what := fmt.Sprintf("%s %s", display.Name(m.kind), display.Name(m.root))
		switch {
		case at[m.path] > 0 && !under(engine, m.path) && !onHierarchy(engine, m.path, at[m.path]):
			out = append(out, fmt.Sprintf("%s is mounted over: %s lies on it", display.Name(m.path), what))
		case kernelMount(m.path) && engine[m.path].Path == "" && !usual(m):
			out = append(out, fmt.Sprintf("%s is a mount that the engine does not make: %s", display.Name(m.path), what))
		case elsewhere(engine[m.path], m.root):
			out = append(out, fmt.Sprintf("%s is not volume %s: it shows %s", display.Name(m.path), display.Name(engine[m.path].Volume), what))
		case !privileged && (readOnlyForAll(m) || mask(m) || root.has("ro") && ofEngine(m.path)) && engine[m.path].Path == "" && !m.has("ro"):
			out = append(out, display.Name(m.path)+" is writable")
		case engine[m.path].Kind == "tmpfs" && (m.kind != "tmpfs" || m.root != "/"):
			out = append(out, fmt.Sprintf("%s is no tmpfs of its own: %s lies there", display.Name(m.path), what))
		case engine[m.path].Path == "" && len(m.lacks()) > 0:
			out = append(out, fmt.Sprintf("%s is mounted without %s", display.Name(m.path), strings.Join(m.lacks(), ",")))
		}
		at[m.path]++
	}
	return out
}

// mask tells a directory that hides one of the kernel's.
func mask(m mountPoint) bool {
	return m.kind == "tmpfs" && m.root == "/" && m.path != "/sys/fs/cgroup" && (strings.HasPrefix(m.path, "/proc/") || strings.HasPrefix(m.path, "/sys/"))
}

// ofEngine tells a file that the engine writes for each container.
func ofEngine(at string) bool { return slices.Contains(kernel.NameFiles(), at) }

// bare says which settings of the kernel, of those that it has, are not covered by a mount that makes them read-only, and what of that which
// the engine said to hide is not hidden.
func bare(table []mountPoint, masked, has []string) []string {
	mounted := func(at string) bool {
		return slices.ContainsFunc(table, func(m mountPoint) bool { return m.path == at })
	}
	var out []string
	for _, at := range ReadOnlyPaths() {
		if mounted("/proc") && !mounted(at) && (at == "/proc/sys" || slices.Contains(has, at)) {
			out = append(out, at+" is writable: nothing is mounted on it")
		}
	}
	for _, at := range masked {
		if mounted("/proc") && !mounted(at) && slices.Contains(has, at) {
			out = append(out, display.Name(at)+" is not hidden: nothing is mounted on it")
		}
	}
	return out
}

// lacks are the flags that an engine gives a mount of the kernel's and that this one has not (moby, oci/defaults.go).
func (m mountPoint) lacks() []string {
	flags := map[string]string{"/proc": "nosuid nodev noexec", "/sys": "nosuid nodev noexec", "/dev": "nosuid", "/dev/pts": "nosuid noexec",
		"/dev/mqueue": "nosuid nodev noexec", "/dev/shm": "nosuid nodev noexec", "/sys/fs/cgroup": "nosuid nodev noexec"}[m.path]
	switch {
	case m.path == "/dev/shm" && m.source != "shm", m.path == "/dev/mqueue" && m.source != "mqueue":
		return nil // of the machine, or of another container
	case m.kind == "proc":
		flags = "nosuid nodev noexec"
	}
	return slices.DeleteFunc(strings.Fields(flags), m.has)
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

// elsewhere tells a volume that shows something else than its directory, or than the path that its options name: no engine says that.
func elsewhere(m policy.Mount, root string) bool {
	if m.Kind == "volume" && m.Device != "" { // root is on its own file system, and links on the way there were followed
		return root != "/" && path.Base(root) != path.Base(m.Device)
	}
	return m.Kind == "volume" && m.Local && m.Volume != "" && !strings.Contains(root+"/", "/"+m.Volume+"/_data/")
}

// readOnlyForAll tells a mount of the kernel's settings, which only a privileged container may write.
func readOnlyForAll(m mountPoint) bool {
	return m.path == "/sys" || m.kind == "proc" && slices.Contains(ReadOnlyPaths(), m.path)
}

// usual tells whether an engine makes a mount by itself (moby, oci/defaults.go and daemon/container_operations_unix.go).
func usual(m mountPoint) bool {
	kinds := map[string][]string{"/proc": {"proc"}, "/sys": {"sysfs"}, "/dev": {"tmpfs", "devtmpfs"}, "/dev/pts": {"devpts"}, "/dev/mqueue": {"mqueue"}, "/dev/shm": {"tmpfs"},
		"/dev/console": {"devpts", "devtmpfs"}}
	if allowed, ok := kinds[m.path]; ok {
		return slices.Contains(allowed, m.kind) && (m.root == "/" || m.path == "/dev/console")
	}
	switch m.path {
	case kernel.HostsFile, kernel.HostnameFile, kernel.ResolverFile:
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
		return m.kind == "tmpfs" && m.root == "/" || slices.Contains([]string{"cgroup", "cgroup2", "sysfs"}, m.kind)
	}
	return m.kind == "devtmpfs" // a device, where an engine without root cannot make one
}

// WritablePlace is a mount in which a container may leave files, and what of them counts there.
type WritablePlace struct {
	Path    string
	Rights  bool // setuid and capabilities of programs
	Devices bool // device files
}

// WritablePlaces are the mounts of a table that can be written, but for the root and the kernel's own: those where a file may give
// rights.
func WritablePlaces(mountinfo string) ([]WritablePlace, error) {
	table, err := parseMountinfo(mountinfo)
	if err != nil {
		return nil, err
	}
	var out []WritablePlace
	for _, m := range table {
		p := WritablePlace{m.path, !m.has("nosuid"), !m.has("nodev")}
		if m.path != "/" && !kernelMount(m.path) && m.has("rw") && (p.Rights || p.Devices) && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out, nil
}

package importer

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/policy"
)

// Observation is what the running container of a service shows of what its Compose file does not tell.
type Observation struct {
	Users     []string // uid:gid of its processes, each once, that of the first process first
	Written   []string // directories of its own layer in which something was written
	Memory    int64    // the most bytes that it held; 0 when that is not known
	Listening []int    // TCP ports
	Test      []string // the test of health that it has, as the engine has it
}

// seen is what was seen of the service, or nil without an inspection.
func (m *moving) seen() *Observation {
	if s, ok := m.t.Observed[m.s.Name]; ok {
		return &s
	}
	return nil
}

const rootUser = "0:0"

// observedUser takes the user of the running processes. It returns false when they were not observed.
func (m *moving) observedUser() bool {
	seen := m.seen()
	if seen == nil || len(seen.Users) == 0 {
		return false
	}
	others := slices.DeleteFunc(slices.Clone(seen.Users), func(u string) bool { return strings.HasPrefix(u, "0:") })
	switch {
	case len(others) == 0:
		m.runAs(rootUser, m.ask("which user can the service run as? Its processes run as root"))
		m.waive("HSE-USR-001", m.name, "imported: its processes were seen to run as root")
	case len(seen.Users) == 1:
		m.runAs(others[0], "its processes were seen to run as this user")
	default:
		m.runAs(others[0], m.ask("can the whole service run as this user? Its processes were seen to run as %s", strings.Join(seen.Users, " and ")))
	}
	return true
}

// observedWrites returns writable paths for what the service was seen to write, and what must be asked about them. It returns
// false without an inspection.
func (m storage) observedWrites() (list []any, questions []string, looked bool) {
	seen := m.seen()
	if seen == nil {
		return nil, nil, false
	}
	for _, dir := range seen.Written {
		entry := map[string]any{"path": dir, "why": "written by the container that was seen running"}
		switch {
		case dir == "/tmp" || strings.HasPrefix(dir, "/tmp/") && m.temporary():
			continue
		case !movable(dir) || ofTheSystem(dir) || m.holdsMount(dir):
			questions = append(questions, m.ask("it was seen to write in %s, which is read-only now; can it write to another path?", dir))
			continue
		case passing(dir):
			entry["tmpfs"] = "64M"
		default:
			volume := clean(m.name + strings.ReplaceAll(dir, "/", "-"))
			entry["volume"] = volume
			questions = append(questions, m.ask("it was seen to write in %s, in the container itself; keep that in volume %s, which begins with the image's content, or in a tmpfs?", dir, volume))
			m.shared[volume] = m.user
		}
		list = append(list, flow(entry))
	}
	return list, questions, true
}

// temporary tells whether the service gets a /tmp of its own by the import.
func (m storage) temporary() bool {
	return !slices.ContainsFunc(m.p.Mounts(m.s), func(o policy.Mount) bool { return o.Path == "/tmp" || strings.HasPrefix(o.Path, "/tmp/") })
}

// ofTheSystem are directories with programs and settings: what writes there would change what runs.
func ofTheSystem(dir string) bool {
	if dir == "/" || dir == "/var" || dir == "/var/lib" || dir == "/opt" || dir == "/home" || dir == "/srv" {
		return true
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(dir, "/"), "/")
	return slices.Contains([]string{"bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "proc", "sbin", "sys", "usr"}, first)
}

// passing are directories whose content is not needed after a restart (hier(7)).
func passing(dir string) bool {
	return slices.ContainsFunc([]string{"/run", "/var/run", "/var/cache", "/var/tmp", "/var/log", "/var/lock", "/tmp"}, func(d string) bool {
		return dir == d || strings.HasPrefix(dir, d+"/")
	})
}

// holdsMount tells whether something is mounted below a directory: a writable path cannot hold another.
func (m storage) holdsMount(dir string) bool {
	return slices.ContainsFunc(m.p.Mounts(m.s), func(o policy.Mount) bool { return strings.HasPrefix(path.Clean(o.Path), dir+"/") })
}

// observedMemory is a limit of twice what the container held at most, in steps of 64 MiB, and never less than the guess without it:
// a container that was idle says nothing of the load. It is false when that is not known.
func (m bounds) observedMemory() (limit, comment string, ok bool) {
	const step, least = 64 << 20, 512 << 20
	seen := m.seen()
	if seen == nil || seen.Memory <= 0 || seen.Memory > 1<<50 {
		return "", "", false
	}
	return display.Bytes(max(least, (2*seen.Memory+step-1)/step*step)), fmt.Sprintf("its container was seen to hold %dM at most; the limit leaves room for twice that", max(seen.Memory>>20, 1)), true
}

// observedTest moves the image's own test of health, with its words; false when there is none.
func (m lifetime) observedTest() bool {
	seen := m.seen()
	if seen == nil || len(seen.Test) < 2 {
		return false
	}
	out := newOrdered()
	switch seen.Test[0] {
	case "CMD-SHELL":
		out.set("shell", escape(strings.Join(seen.Test[1:], " ")))
	case "CMD":
		var words []any
		for _, w := range seen.Test[1:] {
			words = append(words, escape(w))
		}
		out.set("command", flow(words))
	default:
		return false
	}
	m.out.set("health", out, "the image's own test")
	return true
}

// listens tells on which ports the container was seen to listen, as the begin of a sentence.
func (m lifetime) listens() string {
	seen := m.seen()
	if seen == nil || len(seen.Listening) == 0 {
		return ""
	}
	ports := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(seen.Listening)), ", "), "[]")
	return "It listens on " + ports + ". "
}

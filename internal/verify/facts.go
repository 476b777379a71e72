package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// facts joins both witnesses of the running container: where the kernel was seen it has the last word.
func facts(c Container) policy.Facts {
	f := c.Engine
	f.Service = c.Service
	if c.Dump == nil {
		why := c.Error
		if why == "" {
			why = "no probe could run"
		}
		f.Processes = policy.Unseen[[]policy.Process](why)
		f.Trials = policy.Unseen[[]policy.Trial](why)
		f.Listening = policy.Unseen[[]int](why)
		f.Secrets = policy.Unseen[[]policy.Secret](why)
		// The engine's word alone does not prove these.
		f.OpenFiles, f.CoreSize = policy.Unseen[int64](why), policy.Unseen[int64](why)
		f.Exposed = policy.Unseen[[]string](why)
		f.Shm, f.Reach = policy.Unseen[policy.Shm](why), policy.Unseen[[]policy.Reach](why)
		unseen(&f, why)
		if c.Deep {
			f.Attempts = policy.Unseen[[]policy.Trial](why)
		}
		return f
	}
	d := c.Dump
	f.Processes, f.Hidden, f.Unheld = processes(d), display.Name(d.Hidden), display.Name(d.Unfinished[LookSockets])
	if first := d.process(1); first != nil {
		strangeMounts(&f, first.Files["mountinfo"], d.Kernel) // first: what the engine says of mounts is then replaced
		mounts(&f, first.Files["mountinfo"])
		for _, path := range KernelPaths() {
			if f.Masked.Known() && !slices.Contains(d.Kernel, path) {
				f.Masked.Value = append(f.Masked.Value, path) // this kernel has nothing to hide there
			}
		}
		sockets(&f, *first)
		ulimits(&f, d)
		surface(&f, d, *first)
		intrusions(&f, c, *first)
	} else {
		unseen(&f, "the container's first process was not seen")
	}
	cgroup(d.Cgroup).limits(&f)
	if first := d.process(1); first != nil {
		cgroup(d.Cgroup).outside(&f, first.Files["cgroup"])
	}
	if d.Barred != "" {
		f.Trials, f.Secrets = policy.Unseen[[]policy.Trial](display.Name(d.Barred)), policy.Unseen[[]policy.Secret](display.Name(d.Barred))
		return f
	}
	var trials []policy.Trial
	for _, t := range d.Trials {
		trials = append(trials, policy.Trial(t))
	}
	f.Trials = policy.Seen(trials, finding.Behaved)
	secretFacts(&f, d)
	return f
}

// Seen are the processes that a probe saw, and why some or something of them is missing, if so.
func (d *Dump) Seen() policy.Fact[[]policy.Process] {
	out := processes(d)
	if why := cmp.Or(d.Hidden, d.Unfinished[LookSockets]); why != "" && out.Known() {
		out = policy.Unseen[[]policy.Process](display.Name(why))
	}
	return out
}

func (d *Dump) process(pid int) *RawProcess {
	i := slices.IndexFunc(d.Processes, func(p RawProcess) bool { return p.PID == pid })
	if i < 0 {
		return nil
	}
	return &d.Processes[i]
}

// FirstUser returns uid:gid and the permitted capabilities of PID 1, or false when they could not be seen.
func (d *Dump) FirstUser() (user string, capabilities uint64, ok bool) {
	ids, capabilities, ok := d.FirstIDs()
	return fmt.Sprintf("%d:%d", ids[0], ids[1]), capabilities, ok
}

// FirstIDs does the same with numbers: uid and gid.
func (d *Dump) FirstIDs() (ids [2]int, capabilities uint64, ok bool) {
	first := d.process(1)
	if first == nil {
		return ids, 0, false
	}
	p, err := parseStatus(first.Files["status"])
	if err != nil {
		return ids, 0, false
	}
	return [2]int{p.UIDs[1], p.GIDs[1]}, p.Permitted, true
}

func processes(d *Dump) policy.Fact[[]policy.Process] {
	var out []policy.Process
	for _, raw := range d.Processes {
		p, err := parseStatus(raw.Files["status"])
		if err != nil {
			return policy.Unseen[[]policy.Process](err.Error())
		}
		p.Entered = raw.PID != 1 && p.Parent == 0
		p.Listens, p.Options = raw.Listens, raw.Options
		p.PID, p.LSM = raw.PID, strings.Trim(raw.Files["attr/current"], "\x00\n ")
		out = append(out, p)
	}
	return policy.Seen(out, finding.Effective)
}

// kernelMounts are those that every container has and no profile declares.
func kernelMount(path string) bool {
	switch path {
	case "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/sbin/docker-init", "/usr/sbin/docker-init", "/dev/init", "/run/secrets":
		return true
	}
	for _, dir := range []string{"/proc", "/sys", "/dev"} {
		if path == dir || strings.HasPrefix(path, dir+"/") {
			return true
		}
	}
	return false
}

// mounts reads the mount table of PID 1. The engine adds only what the table cannot say: where a bind comes from.
func mounts(f *policy.Facts, text string) {
	table, err := parseMountinfo(text)
	if err != nil {
		f.RootReadOnly = policy.Unseen[bool](err.Error())
		f.Mounts = policy.Unseen[[]policy.Mount](err.Error())
		f.Masked = policy.Unseen[[]string](err.Error())
		return
	}
	engine := map[string]policy.Mount{}
	for _, m := range f.Mounts.Value {
		engine[m.Path] = m
	}
	var out []policy.Mount
	var masked []string
	for _, m := range table {
		switch {
		case m.path == "/":
			f.RootReadOnly = policy.Seen(m.has("ro"), finding.Effective)
			continue
		case kernelMount(m.path) && engine[m.path].Path == "":
			// A masked directory is an empty read-only tmpfs; a masked file is the null device, shown as a tmpfs or devtmpfs.
			if strings.HasPrefix(m.path, "/proc/") && (m.kind == "tmpfs" || m.kind == "devtmpfs") || strings.HasPrefix(m.path, "/sys/") && m.kind == "tmpfs" {
				masked = append(masked, m.path)
			}
			continue
		}
		known, named := engine[m.path]
		mount := policy.Mount{Path: m.path, Kind: "volume", Source: known.Source, Volume: known.Volume, Writable: m.has("rw"), Shared: m.shared,
			Exec: !m.has("noexec"), SUID: !m.has("nosuid"), Dev: !m.has("nodev")}
		switch {
		case named:
			mount.Kind = known.Kind
		case m.kind == "tmpfs":
			mount.Kind = "tmpfs"
		default:
			mount.Kind, mount.Source = "bind", m.root
		}
		if mount.Kind == "tmpfs" {
			mount.Size = m.size()
		}
		out = append(out, mount)
	}
	f.Mounts = policy.Seen(out, finding.Effective)
	f.Masked = policy.Seen(masked, finding.Effective)
}

func sockets(f *policy.Facts, first RawProcess) {
	files := first.Files
	tcp, ok := files["net/tcp"]
	if !ok || slices.Contains(first.Unread, "net/tcp6") {
		f.Listening = policy.Unseen[[]int]("the socket tables could not be read")
		return
	}
	ports, err := parseListening(tcp, files["net/tcp6"])
	if err != nil {
		f.Listening = policy.Unseen[[]int](err.Error())
		return
	}
	f.Listening = policy.Seen(ports, finding.Effective)
}

// ulimits takes the worst of all processes, because each may change its own.
func ulimits(f *policy.Facts, d *Dump) {
	var files, core int64
	for _, p := range d.Processes {
		a, b, err := parseLimits(p.Files["limits"])
		if err != nil {
			f.OpenFiles, f.CoreSize = policy.Unseen[int64](err.Error()), policy.Unseen[int64](err.Error())
			return
		}
		if a < 0 {
			f.OpenFiles = policy.Seen[int64](0, finding.Effective)
			return
		}
		files = max(files, a)
		if b != 0 {
			core = b
		}
	}
	f.OpenFiles, f.CoreSize = policy.Seen(files, finding.Effective), policy.Seen(core, finding.Effective)
}

func secretFacts(f *policy.Facts, d *Dump) {
	writable := slices.ContainsFunc(f.Mounts.Value, func(m policy.Mount) bool { return m.Path == "/run/secrets" && m.Writable })
	var out []policy.Secret
	for _, s := range d.Secrets {
		out = append(out, policy.Secret{Name: display.Name(s.Name), Readable: s.Readable, Others: s.Mode&0o077 != 0, Writable: writable})
	}
	f.Secrets = policy.Seen(out, finding.Behaved)
	if why := d.Unfinished[LookSecrets]; why != "" {
		f.Secrets = policy.Unseen[[]policy.Secret](display.Name(why))
	}
}

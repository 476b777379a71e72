package verify

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// hostNamespaces are the numbers of the first namespaces of a kernel (include/linux/proc_ns.h). Those of network and
// mounts have none that is always the same.
func hostNamespaces() map[string]string {
	return map[string]string{
		"pid": "pid:[4026531836]", "ipc": "ipc:[4026531839]", "uts": "uts:[4026531838]", "user": "user:[4026531837]", "cgroup": "cgroup:[4026531835]",
	}
}

// surface fills what the kernel says about the rest of the container's walls.
func surface(f *policy.Facts, d *Dump, first RawProcess) {
	host := func(name string) bool { return d.Namespaces[name] == hostNamespaces()[name] }
	if d.Namespaces["pid"] != "" && d.Namespaces["ipc"] != "" && d.Namespaces["uts"] != "" {
		n := f.Namespaces.Value
		// What the engine says of the network stays: no number tells the host's.
		n.HostPID, n.HostIPC, n.HostUTS = host("pid"), host("ipc"), host("uts")
		f.Namespaces = policy.Seen(n, finding.Effective)
	}
	if slices.Contains(first.Unread, "mountinfo") {
		f.Cgroup = policy.Unseen[policy.Cgroup]("the mount table could not be read to its end")
	} else if d.Namespaces["cgroup"] != "" {
		group := f.Cgroup.Value
		group.Host, group.V2 = host("cgroup"), strings.HasPrefix(first.Files["cgroup"], "0::")
		// Where user ids are mapped engines mount them writable, and the files belong to the machine's root, which has no id here.
		group.Writable = groupsWritable(first.Files["mountinfo"]) && !d.Foreign
		f.Cgroup = policy.Seen(group, finding.Effective)
	}
	if d.HostNet != "" && d.Namespaces["net"] != "" {
		f.HostNet = policy.Seen(d.Namespaces["net"] == d.HostNet, finding.Effective)
	}
	if root, ok := outsideRoot(first.Files["uid_map"]); ok {
		f.Remap = policy.Seen(policy.Remap{Engine: f.Remap.Value.Engine, Identity: root == "0"}, finding.Effective)
	}
	shm(f, first.Files["mountinfo"])
	if n, err := strconv.Atoi(strings.TrimSpace(first.Files["oom_score_adj"])); err == nil {
		f.OOM = policy.Seen(policy.OOM{Disabled: f.OOM.Value.Disabled, Score: n}, finding.Effective)
	}
	switch text, ok := first.Files["net/route"]; {
	case slices.Contains(first.Unread, "net/route"), slices.Contains(first.Unread, "net/ipv6_route"):
		f.WayOut = policy.Unseen[bool]("the routes could not be read to their end")
	case ok:
		f.WayOut = policy.Seen(defaultRoute(text) || defaultRoute6(first.Files["net/ipv6_route"]), finding.Effective)
	}
	f.Exposed = policy.Seen(d.Exposed, finding.Effective)
	if unread := len(d.Processes) - d.EnvironRead; unread > 0 && len(d.Exposed) == 0 {
		f.Exposed = policy.Unseen[[]string](fmt.Sprintf("the probe may not read it of %d processes", unread))
	}
	if why := d.Unfinished[LookExposed]; why != "" && len(d.Exposed) == 0 {
		f.Exposed = policy.Unseen[[]string](why)
	}
	f.Reach = reached(f.Reach, d.Reached)
	if d.Attempts != nil {
		var tried []policy.Trial
		for _, a := range d.Attempts {
			tried = append(tried, policy.Trial(a))
		}
		f.Attempts = policy.Seen(tried, finding.Behaved)
	}
}

// outsideRoot returns which user root of a container is outside it, by /proc/PID/uid_map (user_namespaces(7)): lines of an id
// inside, the id outside, and how many. A rootless engine's has several. Root that is not mapped is the user nobody outside.
func outsideRoot(text string) (string, bool) {
	root := "nobody"
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return "", false
		}
		if fields[0] == "0" {
			root = fields[1]
		}
	}
	return root, text != ""
}

// groupsWritable looks for a control group mount that can be written. In version 1 the directory of the hierarchies is
// a tmpfs of its own, which holds nothing that limits.
func groupsWritable(mountinfo string) bool {
	table, err := parseMountinfo(mountinfo)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(table, func(m mountPoint) bool { return (m.kind == "cgroup" || m.kind == "cgroup2") && m.has("rw") })
}

func shm(f *policy.Facts, mountinfo string) {
	table, err := parseMountinfo(mountinfo)
	if err != nil {
		f.Shm = policy.Unseen[policy.Shm](err.Error())
		return
	}
	i := slices.IndexFunc(table, func(m mountPoint) bool { return m.path == "/dev/shm" })
	if i < 0 {
		return // what does not exist keeps the engine's word
	}
	f.Shm = policy.Seen(policy.Shm{Size: table[i].size(), Exec: !table[i].has("noexec")}, finding.Effective)
}

// defaultRoute finds the destination 0.0.0.0 in /proc/PID/net/route.
func defaultRoute(text string) bool {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) > 7 && fields[1] == "00000000" && fields[7] == "00000000" {
			return true
		}
	}
	return false
}

// defaultRoute6 does the same for IPv6, where every namespace has rows for lo that lead nowhere.
func defaultRoute6(text string) bool {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) > 9 && fields[1] == "00" && fields[0] == strings.Repeat("0", 32) && fields[9] != "lo" {
			return true
		}
	}
	return false
}

// reached joins the connections that were tried with what the engine's networks allow.
func reached(engine policy.Fact[[]policy.Reach], tried []Reached) policy.Fact[[]policy.Reach] {
	if len(tried) == 0 {
		return engine
	}
	var out []policy.Reach
	for _, r := range tried {
		i := slices.IndexFunc(out, func(o policy.Reach) bool { return o.Service == r.Service && o.Port == r.Port })
		if i < 0 {
			out = append(out, policy.Reach{Service: r.Service, Port: r.Port})
			i = len(out) - 1
		}
		out[i].Open = out[i].Open || r.Error == ""
	}
	return policy.Seen(out, finding.Behaved)
}

package verify

import (
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// usualMounts are those of a container of Docker 20.10 and of one of 29, by their kernel.
const usualMounts = `283 144 0:87 / / ro,relatime master:6 - overlay overlay rw,lowerdir=/l
284 283 0:90 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
285 283 0:91 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
286 285 0:92 / /dev/pts rw,nosuid,noexec,relatime - devpts devpts rw,gid=5,mode=620
287 283 0:93 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro
288 287 0:94 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,mode=755
289 288 0:29 /docker/af80b1 /sys/fs/cgroup/cpu ro,nosuid,nodev,noexec,relatime - cgroup cgroup rw,cpu
298 285 0:89 / /dev/mqueue rw,nosuid,nodev,noexec,relatime - mqueue mqueue rw
299 285 0:95 / /dev/shm rw,nosuid,nodev,noexec,relatime - tmpfs shm rw,size=65536k
300 283 254:0 /var/lib/docker/volumes/shop_data/_data /data rw,relatime master:1 - ext4 /dev/vda rw
301 283 0:96 / /tmp rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,size=8192k,mode=700
302 283 254:0 /var/lib/docker/volumes/shop_cache_secrets_1/_data /run/secrets ro,relatime master:1 - ext4 /dev/vda rw
303 283 254:0 /var/lib/docker/containers/af80b1/resolv.conf /etc/resolv.conf ro,relatime - ext4 /dev/vda rw
304 283 254:0 /var/lib/docker/containers/af80b1/hostname /etc/hostname ro,relatime - ext4 /dev/vda rw
305 283 254:0 /var/lib/docker/containers/af80b1/hosts /etc/hosts ro,relatime - ext4 /dev/vda rw
306 283 254:0 /usr/bin/docker-init /sbin/docker-init ro,relatime - ext4 /dev/vda rw
170 284 0:90 /bus /proc/bus ro,nosuid,nodev,noexec,relatime - proc proc rw
174 284 0:90 /sys /proc/sys ro,nosuid,nodev,noexec,relatime - proc proc rw
175 284 0:97 / /proc/acpi ro,relatime - tmpfs tmpfs ro
176 284 0:91 /null /proc/keys rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
178 287 0:98 / /sys/firmware ro,relatime - tmpfs tmpfs ro
179 285 0:6 /null /dev/null rw,nosuid - devtmpfs devtmpfs rw,size=1k
`

// What somebody mounts in a running container is found wherever it is: over a volume, its secrets, a device, or a file of the engine.
func TestStrangeMounts(t *testing.T) {
	t.Parallel()
	engine := map[string]policy.Mount{"/data": {Path: "/data", Kind: "volume", Volume: "shop_data", Local: true}, "/tmp": {Path: "/tmp", Kind: "tmpfs"}}
	judge := func(text string) []string {
		t.Helper()
		table, err := parseMountinfo(text)
		if err != nil {
			t.Fatal(err)
		}
		return append(strange(table, engine, false), bare(table, []string{"/proc/acpi", "/proc/keys", "/proc/scsi"}, []string{"/proc/bus", "/proc/acpi", "/proc/keys"})...)
	}
	if found := judge(usualMounts); len(found) > 0 {
		t.Errorf("as engines make them: %q", found)
	}
	engine["/host"] = policy.Mount{Path: "/host", Kind: "bind"}
	hosts := "7 283 254:0 / /host ro - ext4 /dev/vda rw\n8 7 0:4 / /host/run rw - tmpfs tmpfs rw\n9 8 0:5 / /host/run rw - tmpfs tmpfs rw\n"
	if found := judge(usualMounts + hosts); len(found) > 0 {
		t.Errorf("what the host has on each other: %q", found)
	}
	engine["/sys/fs/cgroup/cpu"] = policy.Mount{Path: "/sys/fs/cgroup/cpu", Kind: "bind"}
	hierarchy := "8 283 0:29 / /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n"
	if found := judge(usualMounts + hierarchy); len(found) > 0 {
		t.Errorf("a hierarchy of control groups that is shown from the host: %q", found)
	}
	for name, tt := range map[string]struct{ line, want string }{
		"over a hierarchy":     {hierarchy + "9 283 0:4 / /sys/fs/cgroup/cpu ro - tmpfs tmpfs rw", "/sys/fs/cgroup/cpu is mounted over: tmpfs / lies on it"},
		"over a bind":          {hosts + "6 7 0:4 / /host ro - tmpfs tmpfs rw", "/host is mounted over: tmpfs / lies on it"},
		"over a volume":        {"9 300 254:0 /root /data rw - ext4 /dev/vda rw", "/data is mounted over: ext4 /root lies on it"},
		"over the secrets":     {"9 302 0:9 / /run/secrets rw - tmpfs tmpfs rw", "/run/secrets is mounted over: tmpfs / lies on it"},
		"over the root":        {"9 283 254:0 / / rw - ext4 /dev/vda rw", "/ is mounted over: ext4 / lies on it"},
		"a device":             {"9 285 254:0 /root/x /dev/zero rw - ext4 /dev/vda rw", "/dev/zero is a mount that the engine does not make: ext4 /root/x"},
		"among the settings":   {"9 284 254:0 /root /proc/driver rw - ext4 /dev/vda rw", "/proc/driver is a mount that the engine does not make: ext4 /root"},
		"another process's":    {"9 284 0:90 /1/root /proc/tty rw - proc proc rw", "/proc/tty is a mount that the engine does not make: proc /1/root"},
		"the kernel's secrets": {"9 287 0:7 / /sys/kernel/debug rw - debugfs debugfs rw", "/sys/kernel/debug is a mount that the engine does not make: debugfs /"},
		"a shared memory":      {"9 285 254:0 /srv/shm /dev/queue rw - ext4 /dev/vda rw", "/dev/queue is a mount that the engine does not make: ext4 /srv/shm"},
	} {
		if found := judge(usualMounts + tt.line + "\n"); !slices.Equal(found, []string{tt.want}) {
			t.Errorf("%s: %q", name, found)
		}
	}
	for name, tt := range map[string]struct{ old, new, want string }{
		"other names":       {"/var/lib/docker/containers/af80b1/hosts ", "/root/hosts ", "/etc/hosts is a mount that the engine does not make: ext4 /root/hosts"},
		"behind a volume":   {"/var/lib/docker/volumes/shop_data/_data ", "/root ", "/data is not volume shop_data: it shows ext4 /root"},
		"another volume":    {"/var/lib/docker/volumes/shop_data/_data ", "/var/lib/docker/volumes/other/_data ", "/data is not volume shop_data: it shows ext4 /var/lib/docker/volumes/other/_data"},
		"no mask":           {"/proc/acpi ro", "/elsewhere ro", "/proc/acpi is not hidden: nothing is mounted on it"},
		"a writable mask":   {"/proc/acpi ro", "/proc/acpi rw", "/proc/acpi is writable"},
		"a tmpfs of others": {"0:96 / /tmp", "0:96 /x /tmp", "/tmp is no tmpfs of its own: tmpfs /x lies there"},
		"no tmpfs":          {"0:96 / /tmp rw,nosuid,nodev,noexec,relatime - tmpfs", "0:96 / /tmp rw,nosuid,nodev,noexec,relatime - ext4", "/tmp is no tmpfs of its own: ext4 / lies there"},
		"writable names":    {"/etc/hosts ro", "/etc/hosts rw", "/etc/hosts is writable"},
		"programs in /proc": {"/proc rw,nosuid,nodev,noexec", "/proc rw,nosuid,nodev", "/proc is mounted without noexec"},
		"a part of /proc":   {"0:90 / /proc ", "0:90 /1 /proc ", "/proc is a mount that the engine does not make: proc /1"},
		"writable settings": {"/proc/sys ro,", "/proc/sys rw,", "/proc/sys is writable"},
		"writable sysfs":    {"/sys ro,nosuid", "/sys rw,nosuid", "/sys is writable"},
		"no settings":       {"174 284 0:90 /sys /proc/sys ro,nosuid,nodev,noexec,relatime - proc proc rw\n", "", "/proc/sys is writable: nothing is mounted on it"},
	} {
		text := usualMounts
		if name == "writable sysfs" {
			text = strings.Replace(text, "/ /sys ro,nosuid", "/ /sys rw,nosuid", 1)
		} else {
			text = strings.Replace(text, tt.old, tt.new, 1)
		}
		if found := judge(text); !slices.Equal(found, []string{tt.want}) {
			t.Errorf("%s: %q", name, found)
		}
	}
}

// A strange mount is drift like any other difference, and a table that cannot be read proves nothing.
func TestStrangeMountsAreDrift(t *testing.T) {
	t.Parallel()
	s := parse(t, small)
	c := container(s)
	c.Dump.Processes[0].Files["mountinfo"] += "9 1030 254:1 /root /data rw - ext4 /dev/vda1 rw\n"
	f := byControl(judged(t, s, c).Findings)[policy.WholeComparison]
	if f.Status != finding.Drift || f.Tier != finding.Effective || !strings.Contains(f.Detail, "/data is mounted over: ext4 /root lies on it") {
		t.Errorf("got %+v", f)
	}
	c.Dump.Processes[0].Files["mountinfo"] = "nonsense\n"
	if f = byControl(judged(t, s, c).Findings)[policy.WholeComparison]; f.Status != finding.Unknown {
		t.Errorf("got %+v", f)
	}
}

package verify

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

const statusText = `Name:	node
Umask:	0022
State:	S (sleeping)
Tgid:	7
Pid:	7
PPid:	1
Uid:	1000	1000	1000	1000
Gid:	1000	1000	1000	1000
FDSize:	64
Groups:	1000 2000
NStgid:	4711	7
VmPeak:	 1045120 kB
Threads:	11
SigBlk:	0000000000000000
SigCgt:	0000000000004000
CapInh:	0000000000000400
CapPrm:	0000000000000000
CapEff:	0000000000000000
CapBnd:	0000000000000400
CapAmb:	0000000000000000
NoNewPrivs:	1
Seccomp:	2
Seccomp_filters:	1
Cpus_allowed_list:	0-1
`

func TestParseStatus(t *testing.T) {
	ids := [4]int{1000, 1000, 1000, 1000}
	want := policy.Process{Name: "node", UIDs: ids, GIDs: ids, Groups: []int{1000, 2000}, Inheritable: 1 << 10, Bounding: 1 << 10, NoNewPrivs: true, Seccomp: 2, State: "S", Parent: 1, Caught: 1 << 14}
	if got, err := parseStatus(statusText); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	// A program chooses its own name, and may choose one that moves the cursor.
	got, err := parseStatus(strings.Replace(statusText, "node", "a:b \x1b[2Jc", 1))
	if err != nil || got.Name != "a:b c" {
		t.Errorf("name %q, %v", got.Name, err)
	}
}

// Nothing that is missing or cannot be read may stand as zero, which would be the strictest value.
func TestParseStatusRefuses(t *testing.T) {
	for _, key := range []string{"Uid", "Gid", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"} {
		if _, err := parseStatus(strings.Replace(statusText, "\n"+key+":", "\nX"+key+":", 1)); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("without %s: %v", key, err)
		}
	}
	for from, to := range map[string]string{
		"Uid:\t1000\t1000\t1000\t1000": "Uid:\t1000\t1000", "Gid:\t1000": "Gid:\troot", "CapBnd:\t0000000000000400": "CapBnd:\tnone",
		"Seccomp:\t2": "Seccomp:\ton", "Groups:\t1000": "Groups:\twheel",
	} {
		if _, err := parseStatus(strings.Replace(statusText, from, to, 1)); err == nil {
			t.Errorf("%q is accepted", to)
		}
	}
	if _, err := parseStatus(""); err == nil {
		t.Error("nothing is accepted")
	}
}

const mountinfoText = `1018 979 0:53 / / ro,relatime master:312 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/A,upperdir=/u,workdir=/w
1019 1018 0:56 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
1020 1018 0:57 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
1021 1020 0:58 / /dev/pts rw,nosuid,noexec,relatime - devpts devpts rw,gid=5,mode=620,ptmxmode=666
1022 1018 0:61 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro
1029 1018 0:64 / /tmp rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,size=65536k,mode=777,uid=1000,gid=1000
1030 1018 254:1 /var/lib/docker/volumes/shop_data/_data /data rw,relatime master:1 - ext4 /dev/vda1 rw
1031 1018 254:1 /srv/with\040space /srv/a\040b ro,relatime shared:7 master:1 - ext4 /dev/vda1 rw
1032 1018 254:1 /var/lib/docker/containers/1/hosts /etc/hosts ro,relatime - ext4 /dev/vda1 rw
1033 1019 0:57 /null /proc/kcore rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
1034 1019 0:6 /null /proc/keys rw,nosuid - devtmpfs devtmpfs rw,size=1k
1035 1019 0:65 / /proc/acpi ro,relatime - tmpfs tmpfs ro
1036 1022 0:66 / /sys/firmware ro,relatime - tmpfs tmpfs ro
1037 1018 0:67 / /run/secrets ro,relatime - ext4 /dev/vda1 rw
`

func TestParseMountinfo(t *testing.T) {
	table, err := parseMountinfo(mountinfoText)
	if err != nil || len(table) != 14 {
		t.Fatalf("%d mounts, %v", len(table), err)
	}
	root, tmp, odd := table[0], table[5], table[7]
	if root.path != "/" || !root.has("ro") || root.has("rw") || root.shared || root.kind != "overlay" {
		t.Errorf("the root: %+v", root)
	}
	if !tmp.has("noexec") || tmp.size() != 64<<20 {
		t.Errorf("/tmp: %+v", tmp)
	}
	if odd.path != "/srv/a b" || odd.root != "/srv/with space" || !odd.shared {
		t.Errorf("the shared one: %+v", odd)
	}
	for _, text := range []string{"", "\n", "nonsense", "1 2 0:1 / / ro", "1 2 0:1 / / ro -", "1 2 0:1 / / ro - ext4 /dev/vda1", "1 2 0:1 / - ext4 dev rw"} {
		if table, err := parseMountinfo(text); err == nil {
			t.Errorf("%q is taken for %+v", text, table)
		}
	}
}

func TestUnescape(t *testing.T) {
	for text, want := range map[string]string{`/a\040b`: "/a b", `\011\012\134`: "\t\n\\", `/plain`: "/plain", `\0`: `\0`, `\999`: `\999`, `\04`: `\04`, `x\040`: "x "} {
		if got := unescape(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestTmpfsSize(t *testing.T) {
	for options, want := range map[string]int64{"rw,size=65536k": 64 << 20, "rw,size=1048576": 1 << 20, "rw": 0, "rw,size=": 0, "rw,size=50%": 0, "size=x": 0} {
		if got := (mountPoint{super: strings.Split(options, ",")}).size(); got != want {
			t.Errorf("%s is %d, want %d", options, got, want)
		}
	}
}

const tcpHead = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

func TestParseListening(t *testing.T) {
	tcp := tcpHead +
		"   0: 00000000:0BB9 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 269069 1 0000000086668605 100 0 0 10 0\n" +
		"   1: 0B00007F:94D7 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1613 1 000000006023e1a6 100 0 0 10 0\n" +
		"   2: 020012AC:C5DE 030012AC:1538 01 00000000:00000000 02:000005DC 00000000  1000        0 269071 2 0000000000000000 20 4 30 10 -1\n" +
		"   3: 0100007F:240D 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 269072 1 0000000000000000 100 0 0 10 0\n"
	tcp6 := tcpHead + "   0: 00000000000000000000000000000000:0BB9 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0\n"
	got, err := parseListening(tcp, tcp6)
	if err != nil || !slices.Equal(got, []int{3001, 9229}) {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := parseListening(tcpHead, ""); err != nil || len(got) != 0 {
		t.Errorf("nothing listens: %v, %v", got, err)
	}
	for _, address := range []string{"0BB9", "00000000:", "00000000:ZZZZ", "00000000:10000"} {
		if got, err := parseListening(tcpHead + "0: " + address + " 00000000:0000 0A\n"); err == nil {
			t.Errorf("%s is taken for %v", address, got)
		}
	}
}

const limitsText = `Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max core file size        0                    0                    bytes
Max processes             unlimited            unlimited            processes
Max open files            16384                16384                files
`

func TestParseLimits(t *testing.T) {
	for _, c := range []struct {
		name, from, to string
		files, core    int64
		bad            bool
	}{
		{"as rendered", "", "", 16384, 0, false},
		{"unlimited", "16384 ", "unlimited ", -1, 0, false},
		{"core dumps", "size        0 ", "size        unlimited ", 16384, -1, false},
		{"no core size", "Max core", "Min core", 0, 0, true},
		{"no open files", "Max open", "Min open", 0, 0, true},
		{"not a number", "16384 ", "many ", 0, 0, true},
		{"no value", "Max open files            16384                16384                files", "Max open files", 0, 0, true},
	} {
		text := limitsText
		if c.from != "" {
			text = strings.Replace(text, c.from, c.to, 1)
		}
		files, core, err := parseLimits(text)
		if (err != nil) != c.bad || !c.bad && (files != c.files || core != c.core) {
			t.Errorf("%s: %d, %d, %v", c.name, files, core, err)
		}
	}
	if _, _, err := parseLimits(""); err == nil {
		t.Error("nothing is accepted")
	}
}

func TestCgroupLimits(t *testing.T) {
	for _, c := range []struct {
		name         string
		files        cgroup
		memory, swap int64
		cpus         float64
		pids         int64
		oom          bool
		unknown      string
	}{
		{"version 2", cgroup{"memory.max": "1073741824\n", "memory.swap.max": "0\n", "pids.max": "200\n", "cpu.max": "200000 100000\n",
			"memory.events": "low 0\nhigh 0\nmax 3\noom 0\noom_kill 0\n"}, 1 << 30, 1 << 30, 2, 200, false, ""},
		{"version 2 with swap", cgroup{"memory.max": "1024\n", "memory.swap.max": "512\n", "pids.max": "1\n", "cpu.max": "50000 100000\n", "memory.events": "oom_kill 2\n"}, 1024, 1536, 0.5, 1, true, ""},
		{"version 2 without limits", cgroup{"memory.max": "max\n", "memory.swap.max": "max\n", "pids.max": "max\n", "cpu.max": "max 100000\n", "memory.events": "oom_kill 0\n"}, 0, 0, 0, 0, false, ""},
		{"version 1", cgroup{"memory.limit_in_bytes": "1073741824\n", "memory.memsw.limit_in_bytes": "1073741824\n", "pids.max": "200\n", "cpu.cfs_quota_us": "150000\n", "cpu.cfs_period_us": "100000\n",
			"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"}, 1 << 30, 1 << 30, 1.5, 200, true, ""},
		{"version 1 without limits", cgroup{"memory.limit_in_bytes": "9223372036854771712\n", "memory.memsw.limit_in_bytes": "9223372036854771712\n", "pids.max": "max\n", "cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n",
			"memory.oom_control": "oom_kill 0\n"}, 0, 0, 0, 0, false, ""},
		{"nothing", cgroup{}, 0, 0, 0, 0, false, "memory swap cpus pids oom"},
		{"nonsense", cgroup{"memory.max": "lots", "memory.limit_in_bytes": "", "pids.max": "x", "cpu.max": "1", "cpu.cfs_quota_us": "1", "cpu.cfs_period_us": "0", "memory.events": "oom_kill x"}, 0, 0, 0, 0, false, "memory swap cpus pids oom"},
		{"no swap accounting", cgroup{"memory.limit_in_bytes": "1024\n"}, 1024, 0, 0, 0, false, "swap cpus pids oom"},
	} {
		var f policy.Facts
		c.files.limits(&f)
		if f.Memory.Value != c.memory || f.MemorySwap.Value != c.swap || f.CPUs.Value != c.cpus || f.PIDs.Value != c.pids || f.OOMKilled.Value != c.oom {
			t.Errorf("%s: memory %v, swap %v, cpus %v, pids %v, oom %v", c.name, f.Memory, f.MemorySwap, f.CPUs, f.PIDs, f.OOMKilled)
		}
		known := map[string]bool{"memory": f.Memory.Known(), "swap": f.MemorySwap.Known(), "cpus": f.CPUs.Known(), "pids": f.PIDs.Known(), "oom": f.OOMKilled.Known()}
		for name, got := range known {
			if want := !slices.Contains(strings.Fields(c.unknown), name); got != want {
				t.Errorf("%s: %s is known: %t", c.name, name, got)
			}
		}
		if f.Memory.Known() && f.Memory.Tier != finding.Effective {
			t.Errorf("%s: evidence %s", c.name, f.Memory.Tier)
		}
	}
}

// What the kernel's files cannot say keeps the engine's word, and the engine's memory of a kill is not forgotten.
func TestCgroupKeepsTheEnginesWord(t *testing.T) {
	f := policy.Facts{Memory: policy.Seen[int64](5, finding.Applied), OOMKilled: policy.Seen(true, finding.Applied)}
	cgroup{"memory.events": "oom_kill 0\n"}.limits(&f)
	if f.Memory.Value != 5 || f.Memory.Tier != finding.Applied || !f.OOMKilled.Value {
		t.Errorf("got %+v %+v", f.Memory, f.OOMKilled)
	}
}

// A container in the root of the hierarchy has no limit, whatever the engine says: so is one of an engine without root on
// version 1. One that could not be inspected, or in a group without some file, keeps the engine's word.
func TestCgroupRootHasNoLimits(t *testing.T) {
	const hybrid = "9:name=systemd:/\n8:pids:/\n4:memory:/session\n1:cpu,cpuacct:/\n0::/\n"
	for name, c := range map[string]struct {
		files  cgroup
		groups string
		pids   int64
		cpus   float64
		memory int64
	}{
		"version 1, root":         {cgroup{"memory.limit_in_bytes": "9223372036854771712\n"}, hybrid, 0, 0, 0},
		"version 1, own groups":   {cgroup{"memory.limit_in_bytes": "1024\n", "pids.max": "7\n"}, "8:pids:/docker/1\n4:memory:/docker/1\n1:cpu:/docker/1\n0::/\n", 7, 2, 1024},
		"version 1, unreadable":   {cgroup{}, hybrid, 50, 2, 4096},
		"version 2, root":         {cgroup{"memory.events": "oom_kill 0\n"}, "0::/\n", 0, 0, 0},
		"version 2, root of ours": {cgroup{"memory.max": "1024\n", "memory.swap.max": "0\n", "pids.max": "7\n", "cpu.max": "50000 100000\n"}, "0::/\n", 7, 0.5, 1024},
		"version 2, own group":    {cgroup{"memory.max": "1024\n", "pids.max": "7\n"}, "0::/docker/1\n", 7, 2, 1024},
	} {
		f := policy.Facts{Memory: policy.Seen[int64](4096, finding.Applied), PIDs: policy.Seen[int64](50, finding.Applied), CPUs: policy.Seen(2.0, finding.Applied)}
		c.files.limits(&f)
		c.files.outside(&f, c.groups)
		if f.PIDs.Value != c.pids || f.CPUs.Value != c.cpus || f.Memory.Value != c.memory {
			t.Errorf("%s: pids %v, cpus %v, memory %v", name, f.PIDs, f.CPUs, f.Memory)
		}
	}
}

func FuzzParseStatus(f *testing.F) {
	f.Add(statusText)
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parseStatus(text); err == nil && strings.ContainsAny(p.Name, "\x1b\n\x07") {
			t.Errorf("the name is %q", p.Name)
		}
	})
}

func FuzzParseMountinfo(f *testing.F) {
	f.Add(mountinfoText)
	f.Fuzz(func(t *testing.T, text string) {
		table, err := parseMountinfo(text)
		if (len(table) == 0) != (err != nil) {
			t.Errorf("%d mounts and %v", len(table), err)
		}
		for _, m := range table {
			if m.size() < 0 && !strings.Contains(text, "size=-") {
				t.Errorf("%q has size %d", m.super, m.size())
			}
		}
	})
}

func FuzzParseListening(f *testing.F) {
	f.Add(tcpHead + "0: 00000000:0BB9 00000000:0000 0A\n")
	f.Fuzz(func(t *testing.T, text string) {
		ports, _ := parseListening(text, text)
		for _, p := range ports {
			if p < 0 || p > 65535 {
				t.Errorf("port %d", p)
			}
		}
	})
}

func FuzzParseLimits(f *testing.F) {
	f.Add(limitsText)
	f.Fuzz(func(_ *testing.T, text string) { _, _, _ = parseLimits(text) })
}

func FuzzCgroup(f *testing.F) {
	f.Add("1024", "max", "1 2", "oom_kill 1")
	f.Fuzz(func(t *testing.T, memory, swap, cpu, events string) {
		var facts policy.Facts
		cgroup{"memory.max": memory, "memory.swap.max": swap, "cpu.max": cpu, "memory.events": events, "memory.limit_in_bytes": swap}.limits(&facts)
		if facts.Memory.Value < 0 || facts.MemorySwap.Value < 0 || facts.CPUs.Value < 0 && !strings.HasPrefix(cpu, "-") {
			t.Errorf("negative: %+v %+v %+v", facts.Memory, facts.MemorySwap, facts.CPUs)
		}
	})
}

// A table that is too long counts only where all that listen are surely at its beginning.
func TestListenersFirst(t *testing.T) {
	t.Parallel()
	row := func(state string) string { return "   1: 0100007F:1F90 00000000:0000 " + state + " 0\n" }
	for table, want := range map[string]bool{
		"  sl\n" + row("0A") + row("01") + row("06"): true,
		"  sl\n" + row("0A") + row("01") + row("0A"): false,
		"  sl\n" + row("0A") + row("0A"):             false, // more may listen
		"":                                           false,
	} {
		if ListenersFirst(table) != want {
			t.Errorf("%q: want %t", table, want)
		}
	}
}

// Connections with a peer count when they are open, whichever table they are in; a table that cannot be read is an error.
func TestOpenConnections(t *testing.T) {
	peers := []netip.Addr{netip.MustParseAddr("172.18.0.3"), netip.MustParseAddr("fd00::3")}
	tcp := tcpHead +
		"   0: 00000000:1F90 00000000:0000 0A 0 0\n" + // listens
		"   1: 020012AC:1F90 030012AC:9C40 01 0 0\n" + // open
		"   2: 020012AC:1F90 030012AC:9C41 06 0 0\n" + // in TIME_WAIT
		"   3: 020012AC:1F90 040012AC:9C42 01 0 0\n" // with another one
	tcp6 := tcpHead +
		"   0: 0000000000000000FFFF0000020012AC:1F90 0000000000000000FFFF0000030012AC:9C43 01 0 0\n" + // of IPv4
		"   1: 000000FD000000000000000002000000:1F90 000000FD000000000000000003000000:9C44 01 0 0\n"
	if n, err := OpenConnections(peers, tcp, tcp6); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := OpenConnections(nil, tcp, ""); n != 0 || err != nil {
		t.Errorf("without peers: %d, %v", n, err)
	}
	for _, address := range []string{"", "zz:1", "0102:1", "030012AC03:1"} {
		if n, err := OpenConnections(peers, tcpHead+"0: 00000000:1F90 "+address+" 01 0 0\n"); n != 0 || err == nil && address != "" {
			t.Errorf("%q: %d, %v", address, n, err)
		}
	}
}

func FuzzOpenConnections(f *testing.F) {
	f.Add(tcpHead + "   1: 020012AC:1F90 030012AC:9C40 01 0 0\n")
	f.Fuzz(func(t *testing.T, table string) {
		n, err := OpenConnections([]netip.Addr{netip.MustParseAddr("172.18.0.3")}, table)
		if n < 0 || n > strings.Count(table, "\n")+1 || err != nil && n != 0 {
			t.Errorf("%d, %v", n, err)
		}
	})
}

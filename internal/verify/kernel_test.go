package verify

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// Whose root a container's root is, by the kernel's map.
func TestOutsideRoot(t *testing.T) {
	for text, want := range map[string]string{
		"         0          0 4294967295\n":                                   "0",
		"         0     100000      65536\n":                                   "100000",
		"         0       1000          1\n         1     100000      65536\n": "1000", // a rootless engine
		"         5          0          1\n":                                   "nobody",
	} {
		if got, ok := outsideRoot(text); !ok || got != want {
			t.Errorf("%q is %q, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "0 0\n", "nonsense\n"} {
		if got, ok := outsideRoot(text); ok {
			t.Errorf("%q is %q", text, got)
		}
	}
}

func TestMappedUsers(t *testing.T) {
	s := parse(t, small)
	for name, c := range map[string]struct {
		engine bool
		text   string
		want   finding.Status
	}{
		"mapped":                  {true, "0 100000 65536\n", finding.Pass},
		"rootless":                {true, "0 1000 1\n1 100000 65536\n", finding.Pass},
		"an engine without a map": {false, "0 0 4294967295\n", finding.Pass},
		"left out of the map":     {true, "0 0 4294967295\n", finding.Drift},
	} {
		mapped := container(s)
		mapped.Engine.Remap = policy.Seen(policy.Remap{Engine: c.engine}, finding.Applied)
		mapped.Dump.Processes[0].Files["uid_map"] = c.text
		if f := byControl(judged(t, s, mapped).Findings)["HSE-NS-005"]; f.Status != c.want || f.Tier != finding.Effective {
			t.Errorf("%s: %s on %s: %s", name, f.Status, f.Tier, f.Detail)
		}
	}
}

// What was hidden from the probe is unknown; what it saw to be wrong stays wrong.
func TestHiddenProcesses(t *testing.T) {
	s := parse(t, small)
	hidden := container(s)
	hidden.Dump.Hidden = "reading status of process 9: permission denied"
	found := byControl(judged(t, s, hidden).Findings)
	for _, control := range []string{"HSE-USR-001", "HSE-CAP-001", "HSE-PRV-002", "HSE-KRN-001", "HSE-KRN-003", "HSE-OPS-004"} {
		if f, ok := found[control]; ok && (f.Status != finding.Unknown || !strings.Contains(f.Detail, "permission denied")) {
			t.Errorf("%s is %s: %s", control, f.Status, f.Detail)
		}
	}
	hidden.Dump.Processes[1].Files["status"] = strings.Replace(statusText, "Seccomp:\t2", "Seccomp:\t0", 1)
	if f := byControl(judged(t, s, hidden).Findings)["HSE-KRN-001"]; f.Status != finding.Fail && f.Status != finding.Drift {
		t.Errorf("%s is %s: %s", f.Control, f.Status, f.Detail)
	}
	unlabelled := container(s)
	unlabelled.Dump.Hidden = "reading attr/current of process 1: permission denied"
	for _, p := range unlabelled.Dump.Processes {
		delete(p.Files, "attr/current")
	}
	if f := byControl(judged(t, s, unlabelled).Findings)["HSE-KRN-003"]; f.Status == finding.NotApplicable || f.Status == finding.Pass {
		t.Errorf("labels that could not be read: %s: %s", f.Status, f.Detail)
	}
}

// A probe that may not go into the container has tried nothing there.
func TestBarredProbe(t *testing.T) {
	s := parse(t, small)
	barred := container(s)
	barred.Dump.Trials, barred.Dump.Secrets, barred.Dump.EnvironRead = nil, nil, 0
	barred.Dump.Barred = "entering the container's file system: permission denied"
	found := byControl(judged(t, s, barred).Findings)
	for _, control := range []string{"HSE-FS-010", "HSE-SEC-002"} {
		if f := found[control]; f.Status != finding.Unknown || !strings.Contains(f.Detail, "permission denied") {
			t.Errorf("%s is %s: %s", control, f.Status, f.Detail)
		}
	}
	if f := found["HSE-FS-001"]; f.Status != finding.Pass { // the mount table tells
		t.Errorf("%s is %s: %s", f.Control, f.Status, f.Detail)
	}
}

// An engine that maps user ids mounts control groups writable; the owner of their files decides whether that is a way out.
func TestWritableGroups(t *testing.T) {
	s := parse(t, small)
	for foreign, want := range map[bool]finding.Status{true: finding.Pass, false: finding.Drift} {
		c := container(s)
		c.Dump.Namespaces, c.Dump.Foreign = map[string]string{"cgroup": "cgroup:[4026532300]"}, foreign
		c.Dump.Processes[0].Files["mountinfo"] += "1032 1018 0:29 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw\n"
		if f := byControl(judged(t, s, c).Findings)["HSE-KRN-007"]; f.Status != want {
			t.Errorf("files of another user %v: %s: %s", foreign, f.Status, f.Detail)
		}
	}
}

// What Linux 6.1 with control groups version 2 and AppArmor shows of containers, word for word, as seen from the host in
// the machine of scripts/vm (Debian 12, engine 20.10.24, runc 1.1.5, 2026-11-27).
func TestControlGroups2AndAppArmor(t *testing.T) {
	text, err := os.ReadFile("testdata/cgroup2-apparmor.json")
	if err != nil {
		t.Fatal(err)
	}
	var dumps map[string]*Dump
	if err := json.Unmarshal(text, &dumps); err != nil {
		t.Fatal(err)
	}
	seen := func(name string) policy.Facts {
		d := dumps[name]
		if d == nil || len(d.Processes) != 1 || d.Hidden != "" || d.Barred != "" {
			t.Fatalf("%s: %+v", name, d)
		}
		return facts(Container{Service: "app", Dump: d})
	}
	right := seen("right")
	if right.Memory.Value != 64<<20 || right.MemorySwap.Value != 64<<20 || right.PIDs.Value != 50 || right.CPUs.Value != 0.5 {
		t.Errorf("limits: %+v %+v %+v %+v", right.Memory, right.MemorySwap, right.PIDs, right.CPUs)
	}
	for _, tier := range []finding.Tier{right.Memory.Tier, right.MemorySwap.Tier, right.PIDs.Tier, right.CPUs.Tier, right.OOMKilled.Tier} {
		if tier != finding.Effective {
			t.Errorf("a limit rests on %s", tier)
		}
	}
	if p := right.Processes.Value[0]; p.LSM != "docker-default (enforce)" || p.Seccomp != 2 || !p.NoNewPrivs || p.Bounding != 0 || p.UIDs[1] != 10001 {
		t.Errorf("process: %+v", p)
	}
	if g := right.Cgroup.Value; !g.V2 || g.Host || g.Writable {
		t.Errorf("control group: %+v", g)
	}
	if !right.RootReadOnly.Value {
		t.Error("the root is writable")
	}
	unlimited := seen("unlimited")
	if unlimited.Memory.Value != 0 || !unlimited.Memory.Known() || unlimited.PIDs.Value != 0 || !unlimited.PIDs.Known() || unlimited.CPUs.Value != 0 || !unlimited.CPUs.Known() {
		t.Errorf("no limits: %+v %+v %+v", unlimited.Memory, unlimited.PIDs, unlimited.CPUs)
	}
	if swap := seen("swap"); swap.MemorySwap.Value != 128<<20 {
		t.Errorf("swap: %+v", swap.MemorySwap)
	}
	if g := seen("hostgroup").Cgroup.Value; !g.V2 || !g.Host {
		t.Errorf("the host's control groups: %+v", g)
	}
	if p := seen("noseccomp").Processes.Value[0]; p.Seccomp != 0 {
		t.Errorf("no filter: %+v", p)
	}
	if p := seen("unconfined").Processes.Value[0]; p.LSM != "unconfined" {
		t.Errorf("no profile: %+v", p)
	}
}

package controls_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
)

func seen[T any](v T) policy.Fact[T] { return policy.Seen(v, finding.Effective) }

// granted is what the profile of a small service grants.
func granted() policy.Intent {
	return policy.Intent{
		UID: 1000, GID: 1000, Capabilities: policy.CapabilityMask("NET_BIND_SERVICE"),
		Writable: []policy.Mount{
			{Path: "/data", Kind: "volume", Source: "data", Writable: true, Exec: true},
			{Path: "/tmp", Kind: "tmpfs", Writable: true, Size: 64 << 20},
		},
		Today: guards().Data.AsOf.Time, Engine: guards(),
		Denied:   []string{"/etc"},
		Tops:     []policy.Top{{Path: "/data", UID: 1000, GID: 1000, Mode: 0o700}},
		Loaded:   "cafe",
		Ports:    []policy.Port{{Address: "127.0.0.1", Host: 8080, Container: 80, Protocol: "tcp"}},
		Networks: []string{"backend", "edge"}, Peers: []string{"db"}, Listen: []int{80},
		Memory: 1 << 30, CPUs: 2, PIDs: 200,
		Stop: policy.Stop{Signal: "SIGTERM", Grace: 30 * time.Second}, Secrets: []string{"token"}, Image: "example/app:1",
	}
}

// proper are the facts of that service, running as it should.
func proper() policy.Facts {
	ids := [4]int{1000, 1000, 1000, 1000}
	process := func(pid int, name string) policy.Process {
		return policy.Process{PID: pid, Name: name, UIDs: ids, GIDs: ids, Groups: []int{1000}, Bounding: policy.CapabilityMask("NET_BIND_SERVICE"),
			NoNewPrivs: true, Seccomp: 2, LSM: "docker-default (enforce)", State: "S", Caught: 1 << 14}
	}
	return policy.Facts{
		Service:      "app",
		State:        seen(policy.State{Running: true}),
		Loaded:       seen("cafe"),
		Differences:  seen([]string(nil)),
		Sites:        seen([]policy.Site{{Name: "shop.example", TLS: "acme"}}),
		Keeping:      seen(policy.Keeping{Volumes: []policy.Kept{{Volume: "data", Declared: true}}}),
		Containers:   seen([]string{"shop-app-1"}),
		RootReadOnly: seen(true),
		Mounts: seen([]policy.Mount{
			{Path: "/data", Kind: "volume", Source: "/var/lib/docker/volumes/data/_data", Writable: true, Exec: true, SUID: true, Dev: true},
			{Path: "/tmp", Kind: "tmpfs", Writable: true, Size: 64 << 20},
			{Path: "/srv/config", Kind: "bind", Source: "/srv/config"},
		}),
		Trials:     seen([]policy.Trial{{Path: "/", Error: "EROFS"}, {Path: "/data"}, {Path: "/tmp"}, {Path: "/etc", Error: "EROFS"}}),
		Processes:  seen([]policy.Process{process(1, "dumb-init"), process(7, "node")}),
		Privileged: seen(false),
		Masked:     seen([]string{"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/acpi"}),
		Namespaces: seen(policy.Namespaces{}), Devices: seen([]string(nil)),
		Ports:     seen([]policy.Port{{Address: "127.0.0.1", Host: 8080, Container: 80, Protocol: "tcp"}}),
		Networks:  seen([]policy.Network{{Name: "backend", Internal: true}, {Name: "edge", Internal: true}}),
		Listening: seen([]int{80}),
		Memory:    seen[int64](1 << 30), MemorySwap: seen[int64](1 << 30), CPUs: seen(2.0), PIDs: seen[int64](200),
		OpenFiles: seen[int64](16384), CoreSize: seen[int64](0), OOMKilled: seen(false),
		Stop:    seen(policy.Stop{Signal: "SIGTERM", Grace: 30 * time.Second}),
		Restart: seen(policy.Restart{Policy: "unless-stopped"}),
		Health:  seen(policy.Health{Test: []string{"CMD", "check"}, Status: "healthy", Proven: true}),
		Environment: seen([]policy.Variable{
			{Name: "PATH", Value: "/usr/bin"}, {Name: "TOKEN_FILE", Value: "/run/secrets/token"},
		}),
		Arguments: seen([]string{"node", "--port", "80", "server.js"}),
		Secrets:   seen([]policy.Secret{{Name: "token", Readable: true}}),
		Log:       seen(policy.Log{Driver: "json-file", Bounded: true}),
		Image:     seen(policy.Image{Reference: "example/app:1", ID: "sha256:1"}),
		Surface:   surface(),
	}
}

func control(t *testing.T, id string) policy.Control {
	t.Helper()
	for _, c := range controls.All() {
		if c.ID == id {
			return c
		}
	}
	t.Fatalf("there is no control %s", id)
	return policy.Control{}
}

func TestEveryControlIsComplete(t *testing.T) {
	id := regexp.MustCompile(`^HSE-[A-Z]{2,3}-\d{3}$`)
	seen := map[string]bool{}
	for _, c := range controls.All() {
		if !id.MatchString(c.ID) || seen[c.ID] {
			t.Errorf("%q is not an id, or is used twice", c.ID)
		}
		seen[c.ID] = true
		for what, text := range map[string]string{"title": c.Title, "rationale": c.Rationale, "remedy": c.Remedy} {
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s has no %s", c.ID, what)
			}
		}
		if len(c.References) == 0 || slices.Contains(c.References, "") {
			t.Errorf("%s has no reference: %q", c.ID, c.References)
		}
		if strings.HasSuffix(c.Title, ".") || !strings.HasSuffix(c.Rationale, ".") {
			t.Errorf("%s: a title has no full stop, a rationale has one", c.ID)
		}
	}
}

func TestTheProperServicePassesEverything(t *testing.T) {
	for _, f := range controls.Check(proper(), granted(), true) {
		if f.Control == "HSE-USR-005" && f.Status == finding.NotApplicable {
			continue // the image fixes its user
		}
		if f.Status != finding.Pass && f.Status != finding.Advice {
			t.Errorf("%s is %s: %s", f.Control, f.Status, f.Detail)
		}
		if f.Tier == finding.None || f.Subject != "app" || f.Detail == "" {
			t.Errorf("%s passes without evidence: %+v", f.Control, f)
		}
	}
}

// Without any fact nothing is proven: not with a profile, and not without one.
func TestUnknownIsNeverPass(t *testing.T) {
	for name, in := range map[string]policy.Intent{"a full intent": granted(), "no intent": {}} {
		for _, f := range controls.Check(policy.Facts{}, in, true) {
			switch {
			case f.Status == finding.Pass || f.Status == finding.Fail:
				t.Errorf("%s: %s is %s on no evidence: %s", name, f.Control, f.Status, f.Detail)
			case f.Status == finding.NotApplicable && name == "a full intent":
				t.Errorf("%s does not apply to a service that asks for everything", f.Control)
			case f.Status == finding.Unknown && (f.Tier != finding.None || f.Detail == ""):
				t.Errorf("%s does not say what is unknown: %+v", f.Control, f)
			}
		}
	}
}

// Why a fact is unknown is told, not only that it is.
func TestUnknownSaysWhy(t *testing.T) {
	f := proper()
	f.Processes = policy.Unseen[[]policy.Process]("the probe was refused")
	v := control(t, "HSE-USR-001").Judge(f, granted())
	if v.Status != finding.Unknown || v.Detail != "the processes: the probe was refused" {
		t.Errorf("got %+v", v)
	}
}

// What only a running container can answer is not asked of a rendered one.
func TestRuntimeControls(t *testing.T) {
	declared, running := controls.Check(proper(), granted(), false), controls.Check(proper(), granted(), true)
	static := 0
	for _, c := range controls.All() {
		if c.Static && !c.Deep {
			static++
		}
	}
	if len(declared)-static >= len(running) || len(running) != len(controls.All())-static {
		t.Fatalf("%d controls before a deploy, %d after, %d in all", len(declared), len(running), len(controls.All()))
	}
	for _, f := range running {
		if control(t, f.Control).Static {
			t.Errorf("%s is asked of a container, which cannot answer", f.Control)
		}
	}
	for _, f := range declared {
		if control(t, f.Control).Runtime {
			t.Errorf("%s is judged without a container", f.Control)
		}
	}
}

func TestCapabilityMasks(t *testing.T) {
	names := policy.Capabilities()
	if len(names) != 41 || names[0] != "CHOWN" || names[10] != "NET_BIND_SERVICE" || names[21] != "SYS_ADMIN" || names[40] != "CHECKPOINT_RESTORE" {
		t.Fatalf("the capabilities are not the kernel's, by bit: %v", names)
	}
	for _, c := range []struct {
		mask uint64
		text string
		list []string
	}{
		{0, "none", nil},
		{1, "CHOWN", []string{"CHOWN"}},
		{1 << 10, "NET_BIND_SERVICE", []string{"NET_BIND_SERVICE"}},
		{1<<5 | 1<<40, "KILL, CHECKPOINT_RESTORE", []string{"KILL", "CHECKPOINT_RESTORE"}},
		{1<<41 | 1, "CHOWN, capability 41", []string{"CHOWN"}},
		{1<<41 - 1, "all capabilities", names},
		{1<<64 - 1, "all capabilities", names},
	} {
		if got := policy.CapabilityNames(c.mask); got != c.text {
			t.Errorf("%x is %q, want %q", c.mask, got, c.text)
		}
		if got := policy.CapabilityList(c.mask); !slices.Equal(got, c.list) {
			t.Errorf("%x holds %v, want %v", c.mask, got, c.list)
		}
		if got, want := policy.CapabilityMask(c.list...), c.mask&(1<<41-1); got != want {
			t.Errorf("%v make %x, want %x", c.list, got, want)
		}
	}
	if got := policy.CapabilityMask("NO_SUCH", "chown"); got != 0 {
		t.Errorf("unknown names add %x", got)
	}
}

package controls_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/lifecycle"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
)

// goodIntent and good describe one service made right. Each row of the tests below makes it wrong in exactly one way.
func goodIntent() policy.Intent {
	return policy.Intent{
		UID: 10001, GID: 10001, Writable: []policy.Mount{{Path: "/data", Kind: "volume", Writable: true}, {Path: "/tmp", Kind: "tmpfs", Writable: true, Size: 8 << 20}},
		Denied: []string{"/etc"}, Ports: []policy.Port{{Address: "127.0.0.1", Host: 8080, Container: 8080, Protocol: "tcp"}}, Networks: []string{"back"}, Peers: []string{"db"}, Listen: []int{8080},
		Memory: 64 << 20, CPUs: 0.5, PIDs: 50, Stop: policy.Stop{Signal: "SIGTERM", Grace: 10 * time.Second}, Secrets: []string{"token"}, Image: "app:1",
		Today: guards().Data.AsOf.Time, Engine: guards(),
		Tops: []policy.Top{{Path: "/data", UID: 1000, GID: 1000, Mode: 0o700}},
	}
}

// guards are what the filter of an engine refuses, as of a day.
func guards() lifecycle.Engine {
	return lifecycle.Engine{Data: lifecycle.Dated{AsOf: lifecycle.Day{Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}, MaxAgeDays: 180},
		Guards: []lifecycle.Guard{{Call: "an AF_ALG socket", Since: lifecycle.Version{29, 4, 2}, Fixes: []string{"CVE-2026-31431"}}, {Call: "io_uring", Since: lifecycle.Version{25, 0, 0}}}}
}

// The stop signal is followed through wrappers to the program behind them.
func TestStopSignalReachesTheProgram(t *testing.T) {
	const term, pass, fail, advice = 1 << 14, finding.Pass, finding.Fail, finding.Advice
	process := func(pid, parent int, name string, caught uint64) policy.Process {
		return policy.Process{PID: pid, Parent: parent, Name: name, Caught: caught, State: "S"}
	}
	listens := func(p policy.Process) policy.Process { p.Listens = []int{3000}; return p }
	for _, c := range []struct {
		name      string
		processes []policy.Process
		want      finding.Status
		detail    string
	}{
		{"the program itself", []policy.Process{process(1, 0, "app", term)}, pass, "app is PID 1 and handles SIGTERM"},
		{"the program without a handler", []policy.Process{process(1, 0, "app", 0)}, fail, "PID 1 (app) does not handle SIGTERM"},
		{"sh -c", []policy.Process{process(1, 0, "sh", 0), process(7, 1, "app", term)}, fail, "the shell sh does not pass SIGTERM on to app: start the program with exec"},
		{"a shell that traps", []policy.Process{process(1, 0, "bash", term), process(7, 1, "app", term)}, pass, "hsectl drill shutdown proves that bash does not keep it"},
		{"a shell that traps before a program without a handler", []policy.Process{process(1, 0, "bash", term), process(7, 1, "app", 0)}, advice, "app gets SIGTERM and has no handler for it"},
		{"tini of the image", []policy.Process{process(1, 0, "tini", 0), process(7, 1, "app", term)}, pass, "tini passes SIGTERM on to app, which handles it"},
		{"dumb-init", []policy.Process{process(1, 0, "dumb-init", 0), process(7, 1, "app", term)}, pass, ""},
		{"an init before a program without a handler", []policy.Process{process(1, 0, "docker-init", 0), listens(process(7, 1, "app", 0))}, advice, "app (port 3000) gets SIGTERM and has no handler for it"},
		{"an init before a shell", []policy.Process{process(1, 0, "tini", 0), process(7, 1, "sh", 0), process(8, 7, "app", term)}, fail, "tini passes SIGTERM on, but the shell sh does not pass SIGTERM on to app"},
		{"an init before a shell that waits for nothing", []policy.Process{process(1, 0, "tini", 0), process(7, 1, "sh", 0)}, advice, "sh gets SIGTERM and has no handler"},
		{"npm start, by a shell", []policy.Process{process(1, 0, "npm start", term), process(18, 1, "sh", 0), process(19, 18, "node", term)}, fail, "npm start passes SIGTERM on, but the shell sh"},
		{"npm start, by a shell that became the program", []policy.Process{process(1, 0, "npm start", term), process(18, 1, "node", term)}, pass, ""},
		{"init, npm and a shell", []policy.Process{process(1, 0, "docker-init", 0), process(7, 1, "npm run start", term), process(18, 7, "sh", 0), process(19, 18, "node", term)}, fail, "docker-init and npm run start pass SIGTERM on, but the shell sh"},
		{"a health test by a shell", []policy.Process{process(1, 0, "app", term), process(30, 0, "sh", 0), process(31, 30, "curl", 0)}, pass, ""},
		{"numbers that were used twice", []policy.Process{process(1, 0, "tini", 0), process(7, 1, "tini", 0), process(8, 7, "tini", 0), process(7, 8, "tini", term)}, advice, ""},
		{"a wrapper of its own before what listens", []policy.Process{process(1, 0, "wrapper", term), listens(process(9, 1, "app", 0))}, advice, "app (port 3000) gets SIGTERM"},
		{"a wrapper of its own without a handler", []policy.Process{process(1, 0, "docker-init", 0), process(7, 1, "wrapper", 0), listens(process(9, 7, "app", term))}, fail, "wrapper does not handle SIGTERM, and ends without passing it on to app"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, in := good(), goodIntent()
			f.Processes = seen(c.processes)
			if got := controls.CheckOne("HSE-LIF-001", f, in); got.Status != c.want || !strings.Contains(got.Detail, c.detail) {
				t.Errorf("%s: %s", got.Status, got.Detail)
			}
		})
	}
	f, in := good(), goodIntent()
	f.Unheld = "a process has more open files than are looked at"
	if got := controls.CheckOne("HSE-LIF-001", f, in); got.Status != finding.Unknown || !strings.Contains(got.Detail, f.Unheld) {
		t.Errorf("%s: %s", got.Status, got.Detail)
	}
}

// The filter of an engine is judged by what that engine's own refuses.
func TestGuardedSystemCalls(t *testing.T) {
	const alg, ring = "an AF_ALG socket", "io_uring"
	for _, c := range []struct {
		name, engine string
		open         []string // what succeeded
		days         int      // after the day of the data
		want         finding.Status
		detail       string
	}{
		{"refused", "29.4.2 (API 1.52)", nil, 0, finding.Pass, "2 system calls refused"},
		{"refused by an old engine", "20.10.24+dfsg1 (API 1.41)", nil, 0, finding.Pass, "2 system calls refused"},
		{"weaker than its engine", "29.4.2 (API 1.52)", []string{alg}, 0, finding.Fail, "an AF_ALG socket succeeded, which the engine's own filter refuses from 29.4.2 on (CVE-2026-31431)"},
		{"an older engine", "28.5.1 (API 1.51)", []string{alg}, 0, finding.Advice, "the engine is 28.5.1: an AF_ALG socket succeeded"},
		{"weaker than an older engine", "28.5.1 (API 1.51)", []string{alg, ring}, 0, finding.Fail, "io_uring succeeded, which the engine's own filter refuses from 25.0.0 on; an AF_ALG"},
		{"an engine without a version", "", []string{alg}, 0, finding.Unknown, "the version of the engine is not known"},
		{"old data", "29.4.2 (API 1.52)", nil, 181, finding.Unknown, "more than 180 days old"},
		{"weaker, by old data", "29.4.2 (API 1.52)", []string{alg}, 181, finding.Fail, "CVE-2026-31431"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, in := good(), goodIntent()
			f.Engine = seen(c.engine)
			in.Today = in.Today.AddDate(0, 0, c.days)
			for i, a := range f.Attempts.Value {
				if slices.Contains(c.open, a.Path) {
					f.Attempts.Value[i].Error = ""
				}
			}
			if got := controls.CheckOne("HSE-KRN-010", f, in); got.Status != c.want || !strings.Contains(got.Detail, c.detail) {
				t.Errorf("%s: %s", got.Status, got.Detail)
			}
			if got := controls.CheckOne("HSE-KRN-009", f, in); got.Status != finding.Pass {
				t.Errorf("the filter is judged twice: %s", got.Detail)
			}
		})
	}
	every := goodIntent()
	every.Engine.Guards = append(every.Engine.Guards, lifecycle.Guard{Call: "a mount", Since: lifecycle.Version{1, 10, 0}, Fixes: []string{"CVE-2022-0492"}, Unless: []string{"SYS_ADMIN"}})
	open := good()
	open.Engine, open.Attempts.Value[0].Error = seen("moby"), ""
	if got := controls.CheckOne("HSE-KRN-010", open, every); got.Status != finding.Fail || !strings.Contains(got.Detail, "a mount succeeded, which the engine's own filter refuses from 1.10.0 on (CVE-2022-0492)") {
		t.Errorf("what every engine refuses: %s: %s", got.Status, got.Detail)
	}
	every.Capabilities = policy.CapabilityMask("SYS_ADMIN")
	if got := controls.CheckOne("HSE-KRN-010", open, every); got.Status != finding.Pass {
		t.Errorf("with the capability: %s: %s", got.Status, got.Detail)
	}
	f, in := good(), goodIntent()
	f.Attempts.Value = f.Attempts.Value[:1]
	if got := controls.CheckOne("HSE-KRN-010", f, in); got.Status != finding.Unknown || !strings.Contains(got.Detail, "io_uring was not tried") {
		t.Errorf("not tried: %s: %s", got.Status, got.Detail)
	}
	in.Engine = lifecycle.Engine{}
	if got := controls.CheckOne("HSE-KRN-010", good(), in); got.Status != finding.Unknown || !strings.Contains(got.Detail, "no data is loaded") {
		t.Errorf("without data: %s: %s", got.Status, got.Detail)
	}
}

func good() policy.Facts {
	process := policy.Process{PID: 1, Name: "app", UIDs: [4]int{10001, 10001, 10001, 10001}, GIDs: [4]int{10001, 10001, 10001, 10001},
		NoNewPrivs: true, Seccomp: 2, LSM: "docker-default (enforce)", State: "S", Caught: 1 << 14}
	return policy.Facts{
		Service: "app", State: seen(policy.State{Running: true}), Containers: seen([]string{"shop-app-1"}), RootReadOnly: seen(true), Processes: seen([]policy.Process{process}),
		Mounts:     seen([]policy.Mount{{Path: "/data", Kind: "volume", Volume: "app_data", Writable: true, Exec: true}, {Path: "/tmp", Kind: "tmpfs", Writable: true, Size: 8 << 20}}),
		Trials:     policy.Seen([]policy.Trial{{Path: "/", Error: "EROFS"}, {Path: "/data", Error: ""}, {Path: "/tmp", Error: ""}, {Path: "/etc", Error: "EROFS"}}, finding.Behaved),
		Privileged: seen(false), Masked: seen([]string{"/proc/kcore", "/proc/keys", "/proc/timer_list"}), Namespaces: seen(policy.Namespaces{}), Devices: seen([]string(nil)),
		Ports: seen([]policy.Port{{Address: "127.0.0.1", Host: 8080, Container: 8080, Protocol: "tcp"}}), Networks: seen([]policy.Network{{Name: "back", Internal: true}}), Listening: seen([]int{8080}),
		Memory: seen(int64(64 << 20)), MemorySwap: seen(int64(64 << 20)), CPUs: seen(0.5), PIDs: seen(int64(50)), OpenFiles: seen(int64(1024)), CoreSize: seen(int64(0)),
		OOMKilled: seen(false), Stop: seen(policy.Stop{Signal: "SIGTERM", Grace: 10 * time.Second}), Restart: seen(policy.Restart{Policy: "unless-stopped"}),
		Health:      seen(policy.Health{Test: []string{"CMD", "/app", "health"}, Status: "healthy", Proven: true}),
		Environment: seen([]policy.Variable{{Name: "PORT", Value: "8080"}, {Name: "X_PASSWORD_FILE", Value: "/run/secrets/x"}}), Arguments: seen([]string{"/app", "serve"}),
		Secrets: seen([]policy.Secret{{Name: "token", Readable: true}}), Log: seen(policy.Log{Driver: "json-file", Bounded: true}), Image: seen(policy.Image{Reference: "app:1"}),
		Surface: surface(),
	}
}

// surface is what a good service touches.
func surface() policy.Surface {
	return policy.Surface{
		User: seen("10001:10001"), Shm: seen(policy.Shm{Size: 64 << 20}), Changes: seen([]string(nil)), Filter: seen("default"), Sysctls: seen([]string{"net.ipv4.tcp_syncookies"}),
		Cgroup: seen(policy.Cgroup{V2: true}), Runtime: seen("runc"), Borrowed: seen([]string(nil)), OOM: seen(policy.OOM{}), ExtraHosts: seen([]string{"db:10.0.0.5"}),
		Reach:    policy.Seen([]policy.Reach{{Service: "db", Port: 5432, Open: true}, {Service: "other", Port: 80, Open: false}}, finding.Behaved),
		Attempts: policy.Seen([]policy.Trial{{Path: "a mount", Error: "EPERM"}, {Path: "a raw socket", Error: "EPERM"}, {Path: "an AF_ALG socket", Error: "EPERM"}, {Path: "io_uring", Error: "EPERM"}}, finding.Behaved), Engine: seen("29.4.2 (API 1.52)"), DependsOn: seen([]policy.Relation{{Service: "db", Condition: "healthy"}}),
		Exposed: seen([]string(nil)), Origin: seen(policy.Origin{User: "10001", StopSignal: "SIGTERM", Exposed: []int{8080}, Tested: true}),
		SameUser: seen([]string(nil)), Sources: seen([]policy.SourceFile{{Path: "secrets/token", Mode: 0o400}}), HostNet: seen(false), Remap: seen(policy.Remap{}),
		Entries:    seen(policy.Entries{Covered: time.Hour}),
		Neighbours: seen([]policy.Neighbour(nil)),
		Calls:      policy.Seen([]policy.Call{{From: "host", What: "port 127.0.0.1:8080", OK: true, Text: "status 200, 2 bytes"}}, finding.Behaved),
		Intrusion: policy.Intrusion{Strangers: seen([]string(nil)), Wiring: seen([]string(nil)), Names: seen([]string(nil)), Special: seen([]string(nil)), Openable: seen([]string(nil)),
			UDP: seen([]int{40000}), Tops: seen([]policy.Top{{Path: "/data", UID: 1000, GID: 1000, Mode: 0o700, Prepared: true}})},
	}
}

func statusOf(t *testing.T, findings []finding.Finding, id string) finding.Finding {
	t.Helper()
	i := slices.IndexFunc(findings, func(f finding.Finding) bool { return f.Control == id })
	if i < 0 {
		t.Fatalf("%s was not judged", id)
	}
	return findings[i]
}

func TestAServiceMadeRightPassesEverything(t *testing.T) {
	for _, f := range controls.Check(good(), goodIntent(), true) {
		if f.Status != finding.Pass {
			t.Errorf("%s is %s: %s", f.Control, f.Status, f.Detail)
		}
	}
}

// Without evidence no control passes. What the intent alone decides may not apply.
func TestNothingSeenIsNothingProven(t *testing.T) {
	nothing := policy.Facts{Service: "app", Surface: policy.Surface{Attempts: policy.Unseen[[]policy.Trial]("no probe could run"), Sources: policy.Unseen[[]policy.SourceFile]("no inspection"),
		Entries: policy.Unseen[policy.Entries]("the engine does not tell")}}
	for _, f := range controls.Check(nothing, goodIntent(), true) {
		if f.Status != finding.Unknown || f.Tier != finding.None || f.Proven() {
			t.Errorf("%s is %s on %s without evidence", f.Control, f.Status, f.Tier)
		}
	}
}

// named tells the controls that wrongs has a row for.
func named(id string) bool {
	return slices.ContainsFunc(wrongs(), func(w wrong) bool { return slices.Contains(strings.Fields(w.controls), id) })
}

// What other verbs judge is explained like the rest.
func TestTheCatalogueExplainsItself(t *testing.T) {
	for _, c := range controls.Catalogue() {
		if c.Title == "" || c.Rationale == "" || c.Remedy == "" || len(c.References) == 0 {
			t.Errorf("%s does not explain itself", c.ID)
		}
	}
	if n := len(controls.Catalogue()) - len(controls.All()); n < 10 {
		t.Errorf("%d controls of other verbs", n)
	}
}

type wrong struct {
	name     string
	controls string
	change   func(*policy.Facts, *policy.Intent)
}

func oneProcess(change func(*policy.Process)) func(*policy.Facts, *policy.Intent) {
	return func(f *policy.Facts, _ *policy.Intent) {
		p := slices.Clone(f.Processes.Value)
		change(&p[0])
		f.Processes = seen(p)
	}
}

func mountOf(m policy.Mount) func(*policy.Facts, *policy.Intent) {
	return func(f *policy.Facts, _ *policy.Intent) { f.Mounts = seen(append(slices.Clone(f.Mounts.Value), m)) }
}

// entering adds a process that came from outside.
func entering(change func(*policy.Process)) func(*policy.Facts, *policy.Intent) {
	return func(f *policy.Facts, _ *policy.Intent) {
		p := f.Processes.Value[0]
		p.PID, p.Name, p.Entered = 9, "sh", true
		change(&p)
		f.Processes = seen(append(slices.Clone(f.Processes.Value), p))
	}
}

func source(s policy.SourceFile) func(*policy.Facts, *policy.Intent) {
	return func(f *policy.Facts, _ *policy.Intent) { f.Sources = seen([]policy.SourceFile{s}) }
}

func changed(change func(*policy.Facts)) func(*policy.Facts, *policy.Intent) {
	return func(f *policy.Facts, _ *policy.Intent) { change(f) }
}

func wrongs() []wrong {
	return []wrong{
		{"writable root", "HSE-FS-001", changed(func(f *policy.Facts) { f.RootReadOnly = seen(false) })},
		{"undeclared tmpfs", "HSE-FS-002", mountOf(policy.Mount{Path: "/x", Kind: "tmpfs", Writable: true, Size: 1})},
		{"tmpfs without a size", "HSE-FS-002 HSE-RES-007", mountOf(policy.Mount{Path: "/y", Kind: "tmpfs", Writable: true})},
		{"/etc of the host", "HSE-FS-003", mountOf(policy.Mount{Path: "/e", Kind: "bind", Source: "/etc"})},
		{"engine socket", "HSE-FS-004", mountOf(policy.Mount{Path: "/s", Kind: "bind", Source: "/run/docker.sock"})},
		{"writable bind", "HSE-FS-011 HSE-FS-002", mountOf(policy.Mount{Path: "/b", Kind: "bind", Source: "/srv/app", Writable: true})},
		{"shared mount", "HSE-FS-006", mountOf(policy.Mount{Path: "/m", Kind: "bind", Source: "/srv/app", Shared: true})},
		{"anonymous volume", "HSE-FS-007", mountOf(policy.Mount{Path: "/v", Kind: "volume", Volume: strings.Repeat("ab", 32)})},
		{"changed file", "HSE-FS-008", changed(func(f *policy.Facts) { f.Changes = seen([]string{"/usr/bin/x"}) })},
		{"shm without a size", "HSE-FS-009", changed(func(f *policy.Facts) { f.Shm = seen(policy.Shm{}) })},
		{"shm with programs", "HSE-FS-009", changed(func(f *policy.Facts) { f.Shm = seen(policy.Shm{Size: 1, Exec: true}) })},
		{"path that cannot be written", "HSE-FS-010", changed(func(f *policy.Facts) {
			f.Trials = policy.Seen([]policy.Trial{{Path: "/", Error: "EROFS"}, {Path: "/data", Error: "EACCES"}, {Path: "/tmp", Error: ""}, {Path: "/etc", Error: "EROFS"}}, finding.Behaved)
		})},
		{"root", "HSE-USR-001 HSE-USR-004", oneProcess(func(p *policy.Process) { p.UIDs[1] = 0 })},
		{"group root", "HSE-USR-002", oneProcess(func(p *policy.Process) { p.Groups = []int{0} })},
		{"user by name", "HSE-USR-003", changed(func(f *policy.Facts) { f.User = seen("app") })},
		{"user without a group", "HSE-USR-003", changed(func(f *policy.Facts) { f.User = seen("10001") })},
		{"bounding set", "HSE-CAP-001", oneProcess(func(p *policy.Process) { p.Bounding = policy.CapabilityMask("CHOWN") })},
		{"dangerous capability", "HSE-CAP-002 HSE-CAP-001", oneProcess(func(p *policy.Process) { p.Bounding = policy.CapabilityMask("SYS_ADMIN") })},
		{"ambient capability", "HSE-CAP-003", oneProcess(func(p *policy.Process) { p.Ambient = policy.CapabilityMask("NET_RAW") })},
		{"useless capability", "HSE-CAP-004", oneProcess(func(p *policy.Process) { p.Bounding = policy.CapabilityMask("NET_BIND_SERVICE") })},
		{"privileged", "HSE-PRV-001", changed(func(f *policy.Facts) { f.Privileged = seen(true) })},
		{"new privileges", "HSE-PRV-002", oneProcess(func(p *policy.Process) { p.NoNewPrivs = false })},
		{"no filter", "HSE-KRN-001", oneProcess(func(p *policy.Process) { p.Seccomp = 0 })},
		{"other filter", "HSE-KRN-002", changed(func(f *policy.Facts) { f.Filter = seen("custom") })},
		{"unconfined", "HSE-KRN-003", oneProcess(func(p *policy.Process) { p.LSM = "unconfined" })},
		{"device", "HSE-KRN-004", changed(func(f *policy.Facts) { f.Devices = seen([]string{"/dev/sda"}) })},
		{"unsafe sysctl", "HSE-KRN-005", changed(func(f *policy.Facts) { f.Sysctls = seen([]string{"net.ipv4.ip_forward"}) })},
		{"unmasked", "HSE-KRN-006", changed(func(f *policy.Facts) { f.Masked = seen([]string{}) })},
		{"host's cgroup on v2", "HSE-KRN-007", changed(func(f *policy.Facts) { f.Cgroup = seen(policy.Cgroup{V2: true, Host: true}) })},
		{"writable cgroup", "HSE-KRN-007", changed(func(f *policy.Facts) { f.Cgroup = seen(policy.Cgroup{Writable: true}) })},
		{"cgroup parent", "HSE-KRN-007", changed(func(f *policy.Facts) { f.Cgroup = seen(policy.Cgroup{V2: true, Parent: "/x"}) })},
		{"odd runtime", "HSE-KRN-008", changed(func(f *policy.Facts) { f.Runtime = seen("mine") })},
		{"mount allowed", "HSE-KRN-009", changed(func(f *policy.Facts) { f.Attempts.Value[0].Error = "" })},
		{"call that its engine refuses", "HSE-KRN-010", changed(func(f *policy.Facts) { f.Attempts.Value[2].Error = "" })},
		{"pid of the host", "HSE-NS-001", changed(func(f *policy.Facts) { f.Namespaces = seen(policy.Namespaces{HostPID: true}) })},
		{"ipc of the host", "HSE-NS-002", changed(func(f *policy.Facts) { f.Namespaces = seen(policy.Namespaces{HostIPC: true}) })},
		{"network of the host", "HSE-NS-003", changed(func(f *policy.Facts) { f.Namespaces = seen(policy.Namespaces{HostNetwork: true}) })},
		{"uts of the host", "HSE-NS-004", changed(func(f *policy.Facts) { f.Namespaces = seen(policy.Namespaces{HostUTS: true}) })},
		{"user of the host", "HSE-NS-005", changed(func(f *policy.Facts) { f.Namespaces = seen(policy.Namespaces{HostUser: true}) })},
		{"borrowed", "HSE-NS-006", changed(func(f *policy.Facts) { f.Borrowed = seen([]string{"pid"}) })},
		{"open to all", "HSE-NET-001 HSE-NET-002", changed(func(f *policy.Facts) {
			f.Ports = seen([]policy.Port{{Address: "::", Host: 8080, Container: 8080, Protocol: "tcp"}})
		})},
		{"port not published", "HSE-NET-002", changed(func(f *policy.Facts) { f.Ports = seen([]policy.Port(nil)) })},
		{"low port", "HSE-NET-003 HSE-NET-002", changed(func(f *policy.Facts) {
			f.Ports = seen([]policy.Port{{Address: "127.0.0.1", Host: 80, Container: 8080, Protocol: "tcp"}})
		})},
		{"default bridge", "HSE-NET-004", changed(func(f *policy.Facts) { f.Networks = seen([]policy.Network{{Name: "bridge", Default: true}}) })},
		{"way out", "HSE-NET-005", changed(func(f *policy.Facts) { f.Networks, f.WayOut = seen([]policy.Network{{Name: "back"}}), seen(true) })},
		{"reaches a stranger", "HSE-NET-006", changed(func(f *policy.Facts) { f.Reach = seen([]policy.Reach{{Service: "other", Port: 80, Open: true}}) })},
		{"does not reach its peer", "HSE-NET-006", changed(func(f *policy.Facts) { f.Reach = seen([]policy.Reach{{Service: "db", Port: 5432, Open: false}}) })},
		{"debugger", "HSE-NET-007", changed(func(f *policy.Facts) { f.Listening = seen([]int{8080, 9229}) })},
		{"host gateway", "HSE-NET-008", changed(func(f *policy.Facts) { f.ExtraHosts = seen([]string{"host.docker.internal:host-gateway"}) })},
		{"metadata service", "HSE-NET-008", changed(func(f *policy.Facts) { f.ExtraHosts = seen([]string{"meta:169.254.169.254"}) })},
		{"sshd without a shell", "HSE-NET-009", oneProcess(func(p *policy.Process) { p.Name = "sshd" })},
		{"no memory limit", "HSE-RES-001", changed(func(f *policy.Facts) { f.Memory = seen(int64(0)) })},
		{"swap", "HSE-RES-002", changed(func(f *policy.Facts) { f.MemorySwap = seen(int64(128 << 20)) })},
		{"no cpu limit", "HSE-RES-003", changed(func(f *policy.Facts) { f.CPUs = seen(0.0) })},
		{"no limit of processes", "HSE-RES-004", changed(func(f *policy.Facts) { f.PIDs = seen(int64(0)) })},
		{"core dumps", "HSE-RES-005", changed(func(f *policy.Facts) { f.CoreSize = seen(int64(-1)) })},
		{"killed for memory", "HSE-RES-006", changed(func(f *policy.Facts) { f.OOMKilled = seen(true) })},
		{"never killed for memory", "HSE-RES-006", changed(func(f *policy.Facts) { f.OOM = seen(policy.OOM{Disabled: true}) })},
		{"signal not handled", "HSE-LIF-001", oneProcess(func(p *policy.Process) { p.Caught = 0 })},
		{"signal ignored below the init", "HSE-LIF-001", func(f *policy.Facts, in *policy.Intent) {
			f.Stop, in.Stop.Init = seen(policy.Stop{Signal: "SIGTERM", Grace: 10 * time.Second, Init: true}), true
			p := slices.Clone(f.Processes.Value)
			p[0].Name, p[0].Caught = "docker-init", 0
			f.Processes = seen(append(p, policy.Process{PID: 7, Name: "app", Parent: 1, Ignored: 1 << 14}))
		}},
		{"zombie", "HSE-LIF-001", oneProcess(func(p *policy.Process) { p.State, p.Parent = "Z", 1 })},
		{"short grace", "HSE-LIF-002", changed(func(f *policy.Facts) { f.Stop = seen(policy.Stop{Signal: "SIGTERM", Grace: time.Second}) })},
		{"other signal than the image's", "HSE-LIF-003", changed(func(f *policy.Facts) { f.Origin = seen(policy.Origin{User: "1", StopSignal: "SIGQUIT"}) })},
		{"restarts for ever", "HSE-LIF-004", changed(func(f *policy.Facts) { f.Restart = seen(policy.Restart{Policy: "on-failure"}) })},
		{"crash loop", "HSE-LIF-005", changed(func(f *policy.Facts) { f.State = seen(policy.State{Restarting: true, Restarts: 9}) })},
		{"a second container", "HSE-LIF-007", changed(func(f *policy.Facts) { f.Containers = seen([]string{"shop-app-1", "shop-app-2"}) })},
		{"only started", "HSE-LIF-006", changed(func(f *policy.Facts) { f.DependsOn = seen([]policy.Relation{{Service: "db", Condition: "started"}}) })},
		{"no health test", "HSE-HLT-001 HSE-HLT-004", changed(func(f *policy.Facts) { f.Health = seen(policy.Health{}) })},
		{"unhealthy", "HSE-HLT-002", changed(func(f *policy.Facts) { f.Health = seen(policy.Health{Test: []string{"CMD", "x"}, Status: "unhealthy"}) })},
		{"healthy, but failing", "HSE-HLT-002", changed(func(f *policy.Facts) {
			f.Health = seen(policy.Health{Test: []string{"CMD", "x"}, Status: "healthy", Proven: true, Streak: 2})
		})},
		{"no curl", "HSE-HLT-003", changed(func(f *policy.Facts) {
			f.Health = seen(policy.Health{Test: []string{"CMD", "curl"}, Status: "unhealthy", Missing: true})
		})},
		{"test that cannot fail", "HSE-HLT-004", changed(func(f *policy.Facts) {
			f.Health = seen(policy.Health{Test: []string{"CMD", "true"}, Status: "healthy", Proven: true})
		})},
		{"secret in a variable", "HSE-SEC-001", changed(func(f *policy.Facts) { f.Environment = seen([]policy.Variable{{Name: "API_TOKEN", Value: "hunter2"}}) })},
		{"secret missing", "HSE-SEC-002", changed(func(f *policy.Facts) { f.Secrets = seen([]policy.Secret(nil)) })},
		{"secret in the command", "HSE-SEC-004", changed(func(f *policy.Facts) { f.Arguments = seen([]string{"app", "--password", "hunter2"}) })},
		{"secret in a process's arguments", "HSE-SEC-004", changed(func(f *policy.Facts) { f.Exposed = seen([]string{"process app: argument 3"}) })},
		{"undeclared secret", "HSE-SEC-005 HSE-SEC-002", changed(func(f *policy.Facts) {
			f.Secrets = seen([]policy.Secret{{Name: "token", Readable: true}, {Name: "more", Readable: true}})
		})},
		{"secret in a process's environment", "HSE-SEC-006", changed(func(f *policy.Facts) { f.Exposed = seen([]string{"process app: variable PASSWORD"}) })},
		{"unbounded log", "HSE-LOG-001 HSE-RES-007", changed(func(f *policy.Facts) { f.Log = seen(policy.Log{Driver: "json-file"}) })},
		{"no log", "HSE-LOG-002", changed(func(f *policy.Facts) { f.Log = seen(policy.Log{Driver: "none", Bounded: true}) })},
		{"user of another service", "HSE-USR-005", changed(func(f *policy.Facts) { f.SameUser, f.Origin = seen([]string{"db"}), seen(policy.Origin{User: "0"}) })},
		{"user of the host", "HSE-USR-005", func(f *policy.Facts, in *policy.Intent) { in.UID, f.Origin = 1000, seen(policy.Origin{}) }},
		{"exec as root", "HSE-USR-006 HSE-USR-001", entering(func(p *policy.Process) { p.UIDs[1] = 0 })},
		{"exec with a capability", "HSE-USR-006 HSE-CAP-001", entering(func(p *policy.Process) { p.Bounding = 1 })},
		{"exec without a filter", "HSE-USR-006 HSE-KRN-001", entering(func(p *policy.Process) { p.Seccomp = 0 })},
		{"exec without a record", "HSE-MON-004", changed(func(f *policy.Facts) { f.Entries = seen(policy.Entries{Commands: []string{"bash"}}) })},
		{"network of the host, by the kernel", "HSE-NS-003", changed(func(f *policy.Facts) { f.HostNet = seen(true) })},
		{"ids that are not mapped", "HSE-NS-005", changed(func(f *policy.Facts) { f.Remap = seen(policy.Remap{Engine: true, Identity: true}) })},
		{"secret that all may read", "HSE-SEC-003", source(policy.SourceFile{Path: "x", Mode: 0o444})},
		{"secret of another user", "HSE-SEC-003", source(policy.SourceFile{Path: "x", Mode: 0o400, Owner: 33, Reader: 1000})},
		{"secret in the repository", "HSE-SEC-003", source(policy.SourceFile{Path: "x", Mode: 0o400, Kept: true})},
		{"log that waits for a server", "HSE-LOG-004", changed(func(f *policy.Facts) { f.Log = seen(policy.Log{Driver: "syslog", Bounded: true}) })},
		{"no test in the image, nor in the service", "HSE-IMG-012 HSE-HLT-001", changed(func(f *policy.Facts) { f.Health, f.Origin = seen(policy.Health{}), seen(policy.Origin{}) })},
		{"another image", "HSE-IMG-002", changed(func(f *policy.Facts) { f.Image = seen(policy.Image{Reference: "app:2"}) })},
		{"image of root", "HSE-IMG-003", changed(func(f *policy.Facts) { f.Origin = seen(policy.Origin{User: "0:0", StopSignal: "SIGTERM"}) })},
		{"secret in the image", "HSE-IMG-005", changed(func(f *policy.Facts) { f.Origin = seen(policy.Origin{User: "1", Secrets: []string{"variable TOKEN"}}) })},
		{"no check of certificates", "HSE-IMG-014", changed(func(f *policy.Facts) {
			f.Environment = seen([]policy.Variable{{Name: "NODE_TLS_REJECT_UNAUTHORIZED", Value: "0"}})
		})},
		{"ssh exposed", "HSE-IMG-015", changed(func(f *policy.Facts) { f.Origin = seen(policy.Origin{User: "1", Exposed: []int{22}}) })},
		{"volume over /etc", "HSE-IMG-015", changed(func(f *policy.Facts) { f.Origin = seen(policy.Origin{User: "1", Volumes: []string{"/etc"}}) })},
	}
}

func TestEachWeaknessIsCaught(t *testing.T) {
	for _, w := range wrongs() {
		t.Run(w.name, func(t *testing.T) {
			f, in := good(), goodIntent()
			w.change(&f, &in)
			findings := controls.Check(f, in, true)
			for id := range strings.FieldsSeq(w.controls) {
				if got := statusOf(t, findings, id); got.Status != finding.Fail && got.Status != finding.Drift && got.Status != finding.Advice {
					t.Errorf("%s is %s: %s", id, got.Status, got.Detail)
				}
			}
		})
	}
}

// Inputs on which other checkers are known to be wrong, one way or the other.
func TestWhereOthersErr(t *testing.T) {
	for _, c := range []struct {
		name    string
		control string
		want    finding.Status
		change  func(*policy.Facts, *policy.Intent)
	}{
		{"no-new-privileges taken back by a later option", "HSE-PRV-002", finding.Fail, oneProcess(func(p *policy.Process) { p.NoNewPrivs = false })},
		{"seccomp off, written with =", "HSE-KRN-002", finding.Fail, changed(func(f *policy.Facts) { f.Filter = seen("unconfined") })},
		{"systempaths=unconfined leaves no option behind", "HSE-KRN-006", finding.Fail, changed(func(f *policy.Facts) { f.Masked = seen([]string(nil)) })},
		{"API socket that no volume shows", "HSE-FS-004", finding.Fail, mountOf(policy.Mount{Path: "/var/run/docker.sock", Kind: "bind", Source: "/docker.sock"})},
		{"API socket, read-only, behind its directory", "HSE-FS-004", finding.Fail, mountOf(policy.Mount{Path: "/r", Kind: "bind", Source: "/var/run"})},
		{"one capability dropped leaves thirteen", "HSE-CAP-001", finding.Fail, oneProcess(func(p *policy.Process) { p.Bounding = 0xa80425fb &^ 1 })},
		{"no effective capability, full bounding set", "HSE-CAP-001", finding.Fail, oneProcess(func(p *policy.Process) { p.Bounding = 0xa80425fb })},
		{"privileged with everything dropped and a user", "HSE-CAP-001", finding.Fail, oneProcess(func(p *policy.Process) { p.Bounding, p.Seccomp = 0x1fffeffffff, 0 })},
		{"capability of a newer kernel", "HSE-CAP-001", finding.Fail, oneProcess(func(p *policy.Process) { p.Bounding = 1 << 55 })},
		{"no limits without a version key", "HSE-RES-001", finding.Fail, changed(func(f *policy.Facts) { f.Memory = seen(int64(0)) })},
		{"127.0.0.1", "HSE-NET-001", finding.Pass, changed(func(*policy.Facts) {})},
		{"all of IPv6", "HSE-NET-001", finding.Fail, changed(func(f *policy.Facts) {
			f.Ports = seen([]policy.Port{{Address: "::", Host: 8080, Container: 8080, Protocol: "tcp"}})
		})},
		{"named volume of one user", "HSE-FS-007", finding.Pass, changed(func(*policy.Facts) {})},
		{"/srv read-only is not sensitive", "HSE-FS-003", finding.Pass, mountOf(policy.Mount{Path: "/data2", Kind: "bind", Source: "/srv/app"})},
		{"/library is not /lib", "HSE-FS-003", finding.Pass, mountOf(policy.Mount{Path: "/data2", Kind: "bind", Source: "/library"})},
		{"a parent of sensitive paths", "HSE-FS-003", finding.Fail, mountOf(policy.Mount{Path: "/data2", Kind: "bind", Source: "/var"})},
		{"user 0:0", "HSE-USR-001", finding.Fail, oneProcess(func(p *policy.Process) { p.UIDs = [4]int{} })},
		{"setuid in a child", "HSE-USR-004", finding.Fail, changed(func(f *policy.Facts) {
			child := f.Processes.Value[0]
			child.PID, child.UIDs = 7, [4]int{10001, 0, 0, 0}
			f.Processes = seen(append(slices.Clone(f.Processes.Value), child))
		})},
		{"path of a secret file in a variable", "HSE-SEC-001", finding.Pass, changed(func(*policy.Facts) {})},
		{"no security module on the host", "HSE-KRN-003", finding.NotApplicable, oneProcess(func(p *policy.Process) { p.LSM = "" })},
		{"sshd in an image without a shell", "HSE-NET-009", finding.Fail, oneProcess(func(p *policy.Process) { p.Name = "sshd" })},
		{"port of an internal network, silently not published", "HSE-NET-002", finding.Fail, changed(func(f *policy.Facts) { f.Ports = seen([]policy.Port(nil)) })},
		{"host's cgroup namespace on version 1", "HSE-KRN-007", finding.NotApplicable, changed(func(f *policy.Facts) { f.Cgroup = seen(policy.Cgroup{Host: true}) })},
		{"an init that blocks its signals to wait for them", "HSE-LIF-001", finding.Pass, oneProcess(func(p *policy.Process) { p.Caught, p.Blocked = 0, ^uint64(0) })},
		{"mount options of the superblock", "HSE-FS-001", finding.Pass, changed(func(*policy.Facts) {})},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, in := good(), goodIntent()
			c.change(&f, &in)
			if got := statusOf(t, controls.Check(f, in, true), c.control); got.Status != c.want {
				t.Errorf("%s is %s, want %s: %s", c.control, got.Status, c.want, got.Detail)
			}
		})
	}
}

// A passing test is evidence only for as long as the next one may take.
func TestHealthGrowsOld(t *testing.T) {
	for age, want := range map[int]finding.Status{5: finding.Pass, 25: finding.Pass, 26: finding.Unknown} {
		f := good()
		f.Health.Value.Due, f.Health.Value.Age = 25*time.Second, time.Duration(age)*time.Second
		if got := statusOf(t, controls.Check(f, goodIntent(), true), "HSE-HLT-002"); got.Status != want {
			t.Errorf("%d s after the last test: %s: %s", age, got.Status, got.Detail)
		}
	}
}

func TestEntries(t *testing.T) {
	judge := func(fact policy.Fact[policy.Entries]) policy.Verdict {
		f := proper()
		f.Entries = fact
		return control(t, "HSE-MON-004").Judge(f, policy.Intent{})
	}
	if v := judge(seen(policy.Entries{Covered: 7 * time.Minute})); v.Status != finding.Pass || !strings.Contains(v.Detail, "7 minutes") {
		t.Errorf("no container: %+v", v)
	}
	long := strings.Repeat("x", 100)
	if v := judge(seen(policy.Entries{Commands: []string{"a", "bash", "psql", "sh -c " + long}})); v.Status != finding.Advice || !strings.Contains(v.Detail, "4 times: bash; psql; sh -c xxx") || strings.Contains(v.Detail, long) {
		t.Errorf("four times: %+v", v)
	}
	if v := judge(policy.Unseen[policy.Entries]("the engine does not tell")); v.Status != finding.Unknown {
		t.Errorf("blind: %+v", v)
	}
	if control(t, "HSE-MON-004").Asked(policy.Facts{}) {
		t.Error("it is judged without an inspection")
	}
}

package verify

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify/kernel"
	"github.com/hsectl/hsectl/internal/witness"
	"github.com/hsectl/hsectl/profiles"
)

func parse(t *testing.T, text string) stack.Stack {
	t.Helper()
	p, err := parser.Parse([]byte(text), parser.Options{File: "test.yaml", Library: profiles.Library{}})
	if err != nil {
		t.Fatal(err)
	}
	return stack.New(p)
}

const small = `apiVersion: hsectl/v1
kind: Profile
name: shop
services:
  app:
    image: example/app:1
    user: "1000:1000"
    writable:
      - {path: /data, volume: data}
      - {path: /tmp, tmpfs: 64M}
    capabilities: [{name: NET_BIND_SERVICE, reason: listens on port 80}]
    limits: {cpus: "2", memory: 1G, pids: 200}
    health: {command: [check]}
    secrets: [token]
    verify: {denied: [/etc], listen: [3001]}
secrets: {token: {env: TOKEN}}
`

// container is the small service, running as it was rendered: the engine's view and the kernel's text.
func container(s stack.Stack) Container {
	service, _ := s.Service("app")
	declared, err := witness.Declare(context.Background(), s)
	if err != nil {
		panic(err)
	}
	applied := declared.Facts(service)
	applied.Keeping = policy.Fact[policy.Keeping]{} // no engine knows of backups
	applied.Mounts = policy.Seen([]policy.Mount{
		{Path: "/data", Kind: "volume", Source: "/var/lib/docker/volumes/shop_data/_data", Writable: true, Exec: true, SUID: true, Dev: true},
		{Path: "/tmp", Kind: "tmpfs", Writable: true},
	}, finding.Applied)
	applied.State = policy.Seen(policy.State{Running: true}, finding.Applied)
	applied.Health.Value.Status, applied.Health.Value.Proven = "healthy", true
	applied.OOMKilled = policy.Seen(false, finding.Applied)
	applied.Changes = policy.Seen([]string(nil), finding.Effective)
	applied.Differences = policy.Seen([]string(nil), finding.Applied)
	applied.Reach = policy.Seen([]policy.Reach(nil), finding.Applied)
	applied.Origin = policy.Seen(policy.Origin{User: "1000"}, finding.Applied)
	mountinfo := strings.Replace(mountinfoText, "1031 1018 254:1 /srv/with\\040space /srv/a\\040b ro,relatime shared:7 master:1 - ext4 /dev/vda1 rw\n", "", 1)
	mountinfo += "1038 1019 0:56 /sys /proc/sys ro,nosuid,nodev,noexec,relatime - proc proc rw\n"
	files := func() map[string]string {
		return map[string]string{"status": statusText, "limits": limitsText, "attr/current": "docker-default (enforce)\n"}
	}
	first := files()
	maps.Copy(first, map[string]string{"mountinfo": mountinfo, "cgroup": "0::/\n", "net/tcp": tcpHead + "0: 00000000:0BB9 00000000:0000 0A\n", "net/tcp6": tcpHead, "net/udp": tcpHead})
	wires := map[string][]byte{}
	for name := range kernel.Questions() {
		wires[name] = nil
	}
	return Container{Name: "shop-app-1", Service: "app", Engine: applied, Wiring: &kernel.Wiring{Hostname: "app"}, Dump: &Dump{
		Machine: &Machine{Home: home("c0ffee")}, Wires: wires, Tops: []Top{{"/data", 1000, 1000, 0o700}},
		Names:     kernel.Names{Files: map[string]string{kernel.HostsFile: "127.0.0.1 localhost\n", kernel.ResolverFile: "nameserver 127.0.0.11\n", kernel.HostnameFile: "app\n"}},
		Processes: []RawProcess{{PID: 1, Files: first}, {PID: 7, Files: files()}},
		Cgroup: map[string]string{"memory.max": "1073741824\n", "memory.swap.max": "0\n", "pids.max": "200\n", "cpu.max": "200000 100000\n",
			"memory.events": "oom_kill 0\n"},
		Trials:  []Trial{{Path: "/", Error: "EROFS"}, {Path: "/data"}, {Path: "/tmp"}, {Path: "/etc", Error: "EROFS"}},
		Secrets: []SecretFile{{Name: "token", Mode: 0o400, Readable: true}},
		Kernel:  []string{"/proc/kcore", "/proc/keys", "/proc/acpi", "/sys/firmware"}, EnvironRead: 2,
	}}
}

// seen is an observer whose containers are written down.
type seen struct {
	containers []Container
	err        error
	asked      map[string]Request
	outside    []Check  // that were asked from the machine
	answers    []Answer // to these
	residents  []Resident
}

func (o *seen) Containers(_ context.Context, _ string, ask func(string) Request, _ *Rendered) ([]Container, error) {
	o.asked = map[string]Request{}
	for _, c := range o.containers {
		o.asked[c.Service] = ask(c.Service)
	}
	return o.containers, o.err
}

// Residents are the containers of which anything is known.
func (o *seen) Residents(_ context.Context, stack string) ([]Resident, error) {
	out := o.residents
	for _, c := range o.containers {
		if c.Engine.State.Known() {
			out = append(out, Resident{ID: c.Name, Name: c.Name, Project: stack, Service: c.Service, Running: true})
		}
	}
	return out, nil
}

func (o *seen) AskOutside(_ context.Context, _ string, checks []Check) ([]Answer, error) {
	o.outside = checks
	return o.answers, nil
}

func judged(t *testing.T, s stack.Stack, containers ...Container) Evidence {
	t.Helper()
	evidence, err := Verify(context.Background(), s, &seen{containers: containers}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return evidence
}

func byControl(findings []finding.Finding) map[string]finding.Finding {
	out := map[string]finding.Finding{}
	for _, f := range findings {
		out[f.Control] = f
	}
	return out
}

// askable is the number of controls that a running container can answer.
func askable() int {
	n := 0
	for _, c := range controls.All() {
		if !c.Static && !c.Deep && !slices.Contains([]string{"HSE-SEC-003", "HSE-OPS-001", "HSE-OPS-003", "HSE-OPS-013", "HSE-MON-004"}, c.ID) { // these are asked by who has the files, speaks TLS, runs a test, and reads events
			n++
		}
	}
	return n
}

// What is not as it was rendered is drift, whatever it is; what was not compared is never proven where it was to be.
func TestDifferencesAreDrift(t *testing.T) {
	s := parse(t, small)
	c := container(s)
	c.Engine.Differences = policy.Seen([]string{`HostConfig.Mounts[/x]: {"Source":"/proc"} is there and was not rendered`}, finding.Applied)
	f := byControl(judged(t, s, c).Findings)[policy.WholeComparison]
	if f.Status != finding.Drift || f.Severity != finding.High || !strings.Contains(f.Detail, "HostConfig.Mounts[/x]") {
		t.Errorf("got %+v", f)
	}
	c.Engine.Differences = policy.Unseen[[]string]("the releases cannot be read")
	if f = byControl(judged(t, s, c).Findings)[policy.WholeComparison]; f.Status != finding.Unknown || !strings.Contains(f.Detail, "the releases cannot be read") {
		t.Errorf("got %+v", f)
	}
}

func TestAProperContainerIsProven(t *testing.T) {
	s := parse(t, small)
	evidence := judged(t, s, container(s))
	for _, f := range evidence.Findings {
		if !f.Proven() {
			t.Errorf("%s: %s: %s", f.Control, f.Status, f.Detail)
		}
	}
	if !finding.Proven(evidence.Findings) || evidence.Containers != 1 || evidence.Stack != "shop" || evidence.Kind != "Evidence" || len(evidence.Findings) != askable() {
		t.Errorf("%d findings on %d containers of %s", len(evidence.Findings), evidence.Containers, evidence.Stack)
	}
	tiers := byControl(evidence.Findings)
	for control, want := range map[string]finding.Tier{"HSE-FS-001": finding.Behaved, "HSE-FS-010": finding.Behaved, "HSE-USR-001": finding.Effective, "HSE-RES-001": finding.Effective, "HSE-LIF-005": finding.Applied} {
		if got := tiers[control].Tier; got != want {
			t.Errorf("%s rests on %s, want %s", control, got, want)
		}
	}
}

func TestWhatIsAsked(t *testing.T) {
	s := parse(t, small)
	o := &seen{containers: []Container{container(s), {Service: "stranger"}}}
	if _, err := Verify(context.Background(), s, o, Options{}); err != nil {
		t.Fatal(err)
	}
	if got := o.asked["app"]; !slices.Equal(got.Write, []string{"/", "/data", "/tmp", "/etc"}) || got.Secrets != "/run/secrets" {
		t.Errorf("asked %+v", got)
	}
	if got := o.asked["stranger"]; !slices.Equal(got.Write, []string{"/"}) || got.Secrets != "" {
		t.Errorf("asked of a stranger: %+v", got)
	}
}

// Each weakening behind the profile's back is drift, named by its control.
func TestDrift(t *testing.T) {
	replace := func(from, to string, files ...string) func(*Container) {
		return func(c *Container) {
			for _, p := range c.Dump.Processes {
				for _, name := range files {
					p.Files[name] = strings.Replace(p.Files[name], from, to, 1)
				}
			}
		}
	}
	for name, c := range map[string]struct {
		change  func(*Container)
		control string
	}{
		"root writable":        {replace("/ / ro,", "/ / rw,", "mountinfo"), "HSE-FS-001"},
		"a write succeeded":    {func(c *Container) { c.Dump.Trials[0].Error = "" }, "HSE-FS-001"},
		"tmpfs without size":   {replace("size=65536k,mode=777", "mode=777", "mountinfo"), "HSE-FS-002"},
		"tmpfs with exec":      {replace("/tmp rw,nosuid,nodev,noexec", "/tmp rw,nosuid,nodev", "mountinfo"), "HSE-FS-002"},
		"another volume":       {replace("/etc/hosts ro", "/etc/extra rw", "mountinfo"), "HSE-FS-002"},
		"shared mount":         {replace("/data rw,relatime master:1", "/data rw,relatime shared:1", "mountinfo"), "HSE-FS-006"},
		"as root":              {replace("Uid:\t1000\t1000", "Uid:\t0\t0", "status"), "HSE-USR-001"},
		"a capability":         {replace("CapBnd:\t0000000000000400", "CapBnd:\t0000000000200400", "status"), "HSE-CAP-001"},
		"may gain privileges":  {replace("NoNewPrivs:\t1", "NoNewPrivs:\t0", "status"), "HSE-PRV-002"},
		"no filter":            {replace("Seccomp:\t2", "Seccomp:\t0", "status"), "HSE-KRN-001"},
		"privileged":           {func(c *Container) { c.Engine.Privileged.Value = true }, "HSE-PRV-001"},
		"host network":         {func(c *Container) { c.Engine.Namespaces.Value.HostNetwork = true }, "HSE-NS-003"},
		"no memory limit":      {func(c *Container) { c.Dump.Cgroup["memory.max"] = "max\n" }, "HSE-RES-001"},
		"no process limit":     {func(c *Container) { c.Dump.Cgroup["pids.max"] = "max\n" }, "HSE-RES-004"},
		"no cpu limit":         {func(c *Container) { c.Dump.Cgroup["cpu.max"] = "max 100000\n" }, "HSE-RES-003"},
		"open files unlimited": {replace("files            16384", "files            unlimited", "limits"), "HSE-RES-005"},
		"core dumps":           {replace("size        0", "size        unlimited", "limits"), "HSE-RES-005"},
		"masked no more":       {replace("/proc/kcore rw,nosuid", "/elsewhere ro,nosuid", "mountinfo"), "HSE-KRN-006"},
		"world-readable":       {func(c *Container) { c.Dump.Secrets[0].Mode = 0o444 }, "HSE-SEC-002"},
	} {
		t.Run(name, func(t *testing.T) {
			s := parse(t, small)
			changed := container(s)
			c.change(&changed)
			f := byControl(judged(t, s, changed).Findings)[c.control]
			if f.Status != finding.Drift || f.Severity < finding.High {
				t.Errorf("%s is %s (%s): %s", c.control, f.Status, f.Severity, f.Detail)
			}
		})
	}
}

// The engine's own init is a mount of a program of the host, also where /sbin is a link to /usr/sbin.
func TestTheEnginesInitIsNoPathOfTheHost(t *testing.T) {
	for _, path := range []string{"/sbin/docker-init", "/usr/sbin/docker-init", "/dev/init"} {
		s := parse(t, small)
		c := container(s)
		c.Dump.Processes[0].Files["mountinfo"] += "1032 1018 254:1 /usr/bin/tini-static " + path + " ro,relatime - ext4 /dev/vda1 rw\n"
		found := byControl(judged(t, s, c).Findings)
		for _, control := range []string{"HSE-FS-002", "HSE-FS-003"} {
			if !found[control].Proven() {
				t.Errorf("%s: %s is %s: %s", path, control, found[control].Status, found[control].Detail)
			}
		}
	}
}

// A debugger's port was never declared to be closed by a rendered stack: it fails, whatever one calls it.
func TestFailuresThatOnlyARunningContainerHas(t *testing.T) {
	s := parse(t, small)
	c := container(s)
	c.Dump.Processes[0].Files["net/tcp"] += "1: 00000000:240D 00000000:0000 0A\n"
	c.Dump.Trials[1].Error = "EACCES"
	c.Engine.State.Value.Running = false
	found := byControl(judged(t, s, c).Findings)
	for _, control := range []string{"HSE-NET-007", "HSE-FS-010", "HSE-LIF-005"} {
		if found[control].Status != finding.Fail {
			t.Errorf("%s is %s: %s", control, found[control].Status, found[control].Detail)
		}
	}
}

// A container that vanished, or that no probe could look into, proves nothing that only the kernel can say.
func TestWithoutADumpNothingOfTheKernelsPasses(t *testing.T) {
	s := parse(t, small)
	blind := container(s)
	blind.Dump, blind.Error = nil, "the container vanished"
	evidence := judged(t, s, blind)
	found := byControl(evidence.Findings)
	for _, control := range []string{"HSE-USR-001", "HSE-USR-002", "HSE-USR-004", "HSE-CAP-001", "HSE-CAP-002", "HSE-CAP-003", "HSE-PRV-002", "HSE-KRN-001", "HSE-KRN-003",
		"HSE-FS-010", "HSE-NET-007", "HSE-SEC-002", "HSE-RES-005"} {
		if f := found[control]; f.Status != finding.Unknown || !strings.Contains(f.Detail, "vanished") {
			t.Errorf("%s is %s: %s", control, f.Status, f.Detail)
		}
	}
	if finding.Proven(evidence.Findings) {
		t.Error("a container that was not inspected is proven")
	}
	// Not even the engine's word is left.
	for _, f := range judged(t, s, Container{Name: "x", Service: "app"}).Findings {
		if f.Status == finding.Pass {
			t.Errorf("%s passes on nothing: %s", f.Control, f.Detail)
		}
	}
}

// A text that cannot be read makes unknown what rests on it, for that control and no other.
func TestUnreadableTexts(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string
		controls   []string
	}{
		"status":        {"status", "Name:\tnode\n", []string{"HSE-USR-001", "HSE-CAP-001", "HSE-PRV-002", "HSE-KRN-001"}},
		"mounts":        {"mountinfo", "", []string{"HSE-FS-001", "HSE-FS-002", "HSE-FS-003", "HSE-FS-004", "HSE-FS-006"}},
		"sockets":       {"net/tcp", tcpHead + "0: nonsense x 0A\n", []string{"HSE-NET-007"}},
		"limits":        {"limits", "", []string{"HSE-RES-005"}},
		"no socket tab": {"net/tcp", "missing", []string{"HSE-NET-007"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := parse(t, small)
			broken := container(s)
			broken.Dump.Processes[0].Files[c.file] = c.text
			if c.text == "missing" {
				delete(broken.Dump.Processes[0].Files, c.file)
			}
			for control, f := range byControl(judged(t, s, broken).Findings) {
				if want := slices.Contains(c.controls, control); want && f.Status != finding.Unknown {
					t.Errorf("%s is %s: %s", control, f.Status, f.Detail)
				}
			}
		})
	}
}

// A look that was not finished makes unknown what rests on it: nothing may be concluded from what it did not see.
func TestUnfinishedLooks(t *testing.T) {
	t.Parallel()
	for control, cut := range map[string]func(*Dump){
		"HSE-NET-007": func(d *Dump) { d.Processes[0].Unread = []string{"net/tcp6"} },
		"HSE-SEC-002": func(d *Dump) { d.Unfinished = map[string]string{LookSecrets: "too many"} },
		"HSE-SEC-006": func(d *Dump) { d.Unfinished = map[string]string{LookExposed: "too long"} },
	} {
		s := parse(t, small)
		c := container(s)
		if f := byControl(judged(t, s, c).Findings)[control]; f.Status != finding.Pass {
			t.Errorf("%s is %s without it: %s", control, f.Status, f.Detail)
		}
		cut(c.Dump)
		if f := byControl(judged(t, s, c).Findings)[control]; f.Status != finding.Unknown {
			t.Errorf("%s is %s: %s", control, f.Status, f.Detail)
		}
	}
}

// Without PID 1 in the dump the processes, mounts and limits of the container were not seen.
func TestADumpWithoutTheFirstProcess(t *testing.T) {
	s := parse(t, small)
	c := container(s)
	c.Dump.Processes = nil
	evidence := judged(t, s, c)
	for _, control := range []string{"HSE-USR-001", "HSE-CAP-001"} {
		if f := byControl(evidence.Findings)[control]; f.Status != finding.Unknown {
			t.Errorf("%s is %s: %s", control, f.Status, f.Detail)
		}
	}
	if finding.Proven(evidence.Findings) {
		t.Error("proven without a process")
	}
}

func TestAbsentAndOrphanedContainers(t *testing.T) {
	s := parse(t, strings.Replace(small, "services:\n", "services:\n  cache: {preset: redis}\n", 1))
	evidence := judged(t, s, container(s), Container{Name: "shop-old-1\x1b[2J", Service: "old"})
	var absent, orphan finding.Finding
	for _, f := range evidence.Findings {
		switch f.Subject {
		case "cache":
			absent = f
		case "old":
			orphan = f
		}
	}
	if absent.Status != finding.Fail || absent.Control != "HSE-LIF-005" {
		t.Errorf("the absent service: %+v", absent)
	}
	if orphan.Status != finding.Fail || orphan.Control != "HSE-OPS-009" || strings.Contains(orphan.Detail, "\x1b") {
		t.Errorf("the orphan: %+v", orphan)
	}
	if !slices.IsSortedFunc(evidence.Findings, func(a, b finding.Finding) int { return strings.Compare(a.Subject, b.Subject) }) {
		t.Error("not sorted by service")
	}
	if got := judged(t, s); finding.Proven(got.Findings) || len(got.Findings) != 2 {
		t.Errorf("a stack without containers: %+v", got.Findings)
	}
}

func TestWaivedOnARunningContainer(t *testing.T) {
	s := parse(t, small+"exceptions: [{control: HSE-KRN-001, service: app, reason: an old kernel, expires: 2027-01-01}]\n")
	c := container(s)
	c.Dump.Processes[1].Files["status"] = strings.Replace(statusText, "Seccomp:\t2", "Seccomp:\t0", 1)
	if f := byControl(judged(t, s, c).Findings)["HSE-KRN-001"]; f.Status != finding.Waived || f.Waiver == nil || f.Waiver.Reason != "an old kernel" {
		t.Errorf("got %+v", f)
	}
}

func TestObserverErrors(t *testing.T) {
	down := errors.New("engine down")
	if _, err := Verify(context.Background(), parse(t, small), &seen{err: down}, Options{}); !errors.Is(err, down) {
		t.Errorf("got %v", err)
	}
}

func TestFirstUser(t *testing.T) {
	s := parse(t, small)
	if user, capabilities, ok := container(s).Dump.FirstUser(); !ok || user != "1000:1000" || capabilities != 0 {
		t.Errorf("got %s, %x, %t", user, capabilities, ok)
	}
	for _, d := range []Dump{{}, {Processes: []RawProcess{{PID: 1, Files: map[string]string{"status": "Name: x\n"}}}}} {
		if _, _, ok := d.FirstUser(); ok {
			t.Errorf("a user was found in %+v", d)
		}
	}
}

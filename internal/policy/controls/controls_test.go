package controls_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
)

// broken is one way in which the proper service is not proper any more, and what a control says to it.
type broken struct {
	control string
	name    string
	change  func(*policy.Facts, *policy.Intent)
	want    finding.Status
	detail  string // part of it
}

func first(f *policy.Facts, change func(*policy.Process)) { change(&f.Processes.Value[0]) }

func second(f *policy.Facts, change func(*policy.Process)) { change(&f.Processes.Value[1]) }

// blind makes a fact unknown.
func blind[T any](fact func(*policy.Facts) *policy.Fact[T]) func(*policy.Facts, *policy.Intent) {
	return func(f *policy.Facts, _ *policy.Intent) { *fact(f) = policy.Fact[T]{} }
}

func mounts(f *policy.Facts) *policy.Fact[[]policy.Mount]        { return &f.Mounts }
func processes(f *policy.Facts) *policy.Fact[[]policy.Process]   { return &f.Processes }
func namespaces(f *policy.Facts) *policy.Fact[policy.Namespaces] { return &f.Namespaces }
func ports(f *policy.Facts) *policy.Fact[[]policy.Port]          { return &f.Ports }
func networks(f *policy.Facts) *policy.Fact[[]policy.Network]    { return &f.Networks }
func healthTest(f *policy.Facts) *policy.Fact[policy.Health]     { return &f.Health }
func addMount(f *policy.Facts, m policy.Mount)                   { f.Mounts.Value = append(f.Mounts.Value, m) }
func shape(change func(*policy.Facts)) func(*policy.Facts, *policy.Intent) {
	return func(f *policy.Facts, _ *policy.Intent) { change(f) }
}

func bind(source, target string) func(*policy.Facts, *policy.Intent) {
	return shape(func(f *policy.Facts) { addMount(f, policy.Mount{Path: target, Kind: "bind", Source: source}) })
}

func filesystem() []broken {
	const fail, unknown, pass = finding.Fail, finding.Unknown, finding.Pass
	return []broken{
		{"HSE-FS-001", "writable", shape(func(f *policy.Facts) { f.RootReadOnly.Value = false }), fail, "/ is mounted writable"},
		{"HSE-FS-001", "a write succeeded", shape(func(f *policy.Facts) { f.Trials.Value[0].Error = "" }), fail, "a write to / succeeded"},
		{"HSE-FS-001", "refused for another cause", shape(func(f *policy.Facts) { f.Trials.Value[0].Error = "EACCES" }), pass, "mounted read-only"},
		{"HSE-FS-001", "blind", blind(func(f *policy.Facts) *policy.Fact[bool] { return &f.RootReadOnly }), unknown, "the mount of /"},
		{"HSE-FS-002", "undeclared volume", shape(func(f *policy.Facts) { addMount(f, policy.Mount{Path: "/x", Kind: "volume", Writable: true}) }), fail, "/x is writable but not declared"},
		{"HSE-FS-002", "undeclared but read-only", shape(func(f *policy.Facts) { addMount(f, policy.Mount{Path: "/x", Kind: "volume"}) }), pass, "2 writable paths"},
		{"HSE-FS-002", "no size", shape(func(f *policy.Facts) { f.Mounts.Value[1].Size = 0 }), fail, "/tmp has no size"},
		{"HSE-FS-002", "larger", shape(func(f *policy.Facts) { f.Mounts.Value[1].Size++ }), fail, "not 67108864"},
		{"HSE-FS-002", "exec", shape(func(f *policy.Facts) { f.Mounts.Value[1].Exec = true }), fail, "allows programs to run"},
		{"HSE-FS-002", "exec as declared", func(f *policy.Facts, in *policy.Intent) { f.Mounts.Value[1].Exec, in.Writable[1].Exec = true, true }, pass, "2 writable paths"},
		{"HSE-FS-002", "suid", shape(func(f *policy.Facts) { f.Mounts.Value[1].SUID = true }), fail, "lacks nosuid"},
		{"HSE-FS-002", "dev", shape(func(f *policy.Facts) { f.Mounts.Value[1].Dev = true }), fail, "nodev"},
		{"HSE-FS-002", "missing", shape(func(f *policy.Facts) { f.Mounts.Value = f.Mounts.Value[:1] }), fail, "/tmp is declared but not mounted"},
		{"HSE-FS-002", "declared but read-only", shape(func(f *policy.Facts) { f.Mounts.Value[0].Writable = false }), fail, "/data is declared but not mounted writable"},
		{"HSE-FS-002", "blind", blind(mounts), unknown, "the mounts"},
		{"HSE-FS-003", "the root", bind("/", "/host"), fail, "/ of the host is mounted at /host"},
		{"HSE-FS-003", "in /etc", bind("/etc/ssl/private", "/certs"), fail, "/etc/ssl/private"},
		{"HSE-FS-003", "above a sensitive one", bind("/var/lib", "/x"), fail, "/var/lib of the host"},
		{"HSE-FS-003", "by another way", bind("/srv/../etc/", "/x"), fail, "/etc of the host"},
		{"HSE-FS-003", "a similar name", bind("/etcetera", "/x"), pass, "no mount"},
		{"HSE-FS-003", "blind", blind(mounts), unknown, "the mounts"},
		{"HSE-FS-005", "not declared", bind("/etc/ssl/private", "/certs"), fail, "which is not declared"},
		{"HSE-FS-005", "not of the host", bind("/etcetera", "/x"), pass, "all declared"},
		{"HSE-FS-005", "blind", blind(mounts), unknown, "the mounts"},
		{"HSE-FS-004", "the socket", bind("/var/run/docker.sock", "/x"), fail, "docker.sock"},
		{"HSE-FS-004", "of containerd", bind("/somewhere/containerd.sock", "/x"), fail, "containerd.sock"},
		{"HSE-FS-004", "its directory", bind("/run/", "/x"), fail, "/run"},
		{"HSE-FS-004", "blind", blind(mounts), unknown, "the mounts"},
		{"HSE-FS-006", "shared", shape(func(f *policy.Facts) { f.Mounts.Value[0].Shared = true }), fail, "/data is shared"},
		{"HSE-FS-006", "blind", blind(mounts), unknown, "the mounts"},
		{"HSE-FS-010", "not writable", shape(func(f *policy.Facts) { f.Trials.Value[1].Error = "EACCES" }), fail, "a write to /data fails with EACCES"},
		{"HSE-FS-010", "denied path writable", shape(func(f *policy.Facts) { f.Trials.Value[3].Error = "" }), fail, "a write to /etc succeeded"},
		{"HSE-FS-010", "writable not tried", shape(func(f *policy.Facts) { f.Trials.Value = f.Trials.Value[2:] }), unknown, "no write to /data"},
		{"HSE-FS-010", "denied not tried", shape(func(f *policy.Facts) { f.Trials.Value = f.Trials.Value[:3] }), unknown, "no write to /etc"},
		{"HSE-FS-010", "blind", blind(func(f *policy.Facts) *policy.Fact[[]policy.Trial] { return &f.Trials }), unknown, "writing"},
	}
}

func processControls() []broken {
	const fail, unknown, pass, na = finding.Fail, finding.Unknown, finding.Pass, finding.NotApplicable
	out := []broken{
		{"HSE-USR-001", "a child is root", shape(func(f *policy.Facts) { second(f, func(p *policy.Process) { p.UIDs[1] = 0 }) }), fail, "process node runs with uid 0"},
		{"HSE-USR-001", "saved uid 0", shape(func(f *policy.Facts) { first(f, func(p *policy.Process) { p.UIDs[2] = 0 }) }), fail, "process dumb-init"},
		{"HSE-USR-002", "group 0", shape(func(f *policy.Facts) { second(f, func(p *policy.Process) { p.GIDs[3] = 0 }) }), fail, "process node has group 0"},
		{"HSE-USR-002", "supplementary group 0", shape(func(f *policy.Facts) { first(f, func(p *policy.Process) { p.Groups = []int{5, 0} }) }), fail, "has group 0"},
		{"HSE-USR-002", "declared group 0", func(_ *policy.Facts, in *policy.Intent) { in.GID = 0 }, fail, "the profile sets group 0"},
		{"HSE-USR-004", "another user", shape(func(f *policy.Facts) { second(f, func(p *policy.Process) { p.UIDs = [4]int{5, 5, 5, 5} }) }), fail, "runs as 5:1000, not 1000:1000"},
		{"HSE-USR-004", "another group", shape(func(f *policy.Facts) { second(f, func(p *policy.Process) { p.GIDs[1] = 7 }) }), fail, "runs as 1000:7"},
		{"HSE-CAP-001", "bounding", shape(func(f *policy.Facts) {
			first(f, func(p *policy.Process) { p.Bounding |= policy.CapabilityMask("CHOWN") })
		}), fail, "can have CHOWN"},
		{"HSE-CAP-001", "effective", shape(func(f *policy.Facts) {
			second(f, func(p *policy.Process) { p.Effective = policy.CapabilityMask("SETUID") })
		}), fail, "can have SETUID"},
		{"HSE-CAP-001", "a newer kernel's", shape(func(f *policy.Facts) { second(f, func(p *policy.Process) { p.Permitted = 1 << 45 }) }), fail, "capability 45"},
		{"HSE-CAP-001", "fewer than granted", shape(func(f *policy.Facts) {
			first(f, func(p *policy.Process) { p.Bounding = 0 })
		}), pass, "NET_BIND_SERVICE"},
		{"HSE-CAP-002", "granted yet dangerous", func(f *policy.Facts, in *policy.Intent) {
			in.Capabilities = policy.CapabilityMask("SYS_ADMIN")
			f.Processes.Value[0].Bounding = in.Capabilities
		}, fail, "can have SYS_ADMIN"},
		{"HSE-CAP-003", "ambient", shape(func(f *policy.Facts) { second(f, func(p *policy.Process) { p.Ambient = 1 }) }), fail, "process node has CHOWN"},
		{"HSE-CAP-003", "inheritable", shape(func(f *policy.Facts) { second(f, func(p *policy.Process) { p.Inheritable = 1 }) }), fail, "process node has CHOWN"},
		{"HSE-CAP-003", "inheritable as granted", shape(func(f *policy.Facts) {
			first(f, func(p *policy.Process) { p.Inheritable = policy.CapabilityMask("NET_BIND_SERVICE") })
		}), pass, "both sets are empty"},
		{"HSE-PRV-001", "privileged", shape(func(f *policy.Facts) { f.Privileged.Value = true }), fail, "privileged"},
		{"HSE-PRV-001", "blind", blind(func(f *policy.Facts) *policy.Fact[bool] { return &f.Privileged }), unknown, ""},
		{"HSE-PRV-002", "may gain", shape(func(f *policy.Facts) { second(f, func(p *policy.Process) { p.NoNewPrivs = false }) }), fail, "node runs without no_new_privs"},
		{"HSE-KRN-001", "off", shape(func(f *policy.Facts) { second(f, func(p *policy.Process) { p.Seccomp = 0 }) }), fail, "node runs without a filter"},
		{"HSE-KRN-001", "not built in", shape(func(f *policy.Facts) { second(f, func(p *policy.Process) { p.Seccomp = -1 }) }), fail, "without a filter"},
		{"HSE-KRN-003", "unconfined", shape(func(f *policy.Facts) { second(f, func(p *policy.Process) { p.LSM = "unconfined" }) }), fail, "node is unconfined"},
		{"HSE-KRN-003", "in force", shape(func(f *policy.Facts) { second(f, func(p *policy.Process) { p.LSM = "docker-default (enforce)" }) }), pass, "confined"},
		{"HSE-KRN-003", "only written down", shape(func(f *policy.Facts) { second(f, func(p *policy.Process) { p.LSM = "docker-default (complain)" }) }), fail, "docker-default in mode complain, not enforced"},
		{"HSE-KRN-003", "a profile without rules", shape(func(f *policy.Facts) { second(f, func(p *policy.Process) { p.LSM = "runc (unconfined)" }) }), fail, "in mode unconfined"},
		{"HSE-KRN-003", "SELinux", shape(func(f *policy.Facts) {
			second(f, func(p *policy.Process) { p.LSM = "system_u:system_r:container_t:s0:c1,c2" })
		}), pass, "confined"},
		{"HSE-KRN-003", "SELinux without labels", shape(func(f *policy.Facts) { second(f, func(p *policy.Process) { p.LSM = "system_u:system_r:spc_t:s0" }) }), fail, "spc_t"},
		{"HSE-KRN-003", "one without", shape(func(f *policy.Facts) { second(f, func(p *policy.Process) { p.LSM = "" }) }), fail, "node is unconfined"},
		{"HSE-KRN-003", "no module", shape(func(f *policy.Facts) {
			first(f, func(p *policy.Process) { p.LSM = "" })
			second(f, func(p *policy.Process) { p.LSM = "" })
		}), na, "no security module"},
		{"HSE-KRN-004", "a device", shape(func(f *policy.Facts) { f.Devices.Value = []string{"/dev/kmsg"} }), fail, "/dev/kmsg"},
		{"HSE-KRN-004", "blind", blind(func(f *policy.Facts) *policy.Fact[[]string] { return &f.Devices }), unknown, "the devices"},
		{"HSE-KRN-006", "open", shape(func(f *policy.Facts) { f.Masked.Value = f.Masked.Value[1:] }), fail, "not masked: /proc/kcore"},
		{"HSE-KRN-006", "blind", blind(func(f *policy.Facts) *policy.Fact[[]string] { return &f.Masked }), unknown, "the masked paths"},
		{"HSE-NS-001", "host", shape(func(f *policy.Facts) { f.Namespaces.Value.HostPID = true }), fail, "the pid namespace is the host's"},
		{"HSE-NS-002", "host", shape(func(f *policy.Facts) { f.Namespaces.Value.HostIPC = true }), fail, "the ipc namespace"},
		{"HSE-NS-003", "host", shape(func(f *policy.Facts) { f.Namespaces.Value.HostNetwork = true }), fail, "the network namespace"},
		{"HSE-NS-004", "host", shape(func(f *policy.Facts) { f.Namespaces.Value.HostUTS = true }), fail, "the uts namespace"},
		{"HSE-NS-005", "host", shape(func(f *policy.Facts) { f.Namespaces.Value.HostUser = true }), fail, "the user namespace"},
	}
	for _, id := range []string{"HSE-NS-001", "HSE-NS-002", "HSE-NS-003", "HSE-NS-004", "HSE-NS-005"} {
		out = append(out, broken{id, "blind", blind(namespaces), unknown, "the namespaces"})
	}
	for _, id := range []string{"HSE-USR-001", "HSE-USR-002", "HSE-USR-004", "HSE-CAP-001", "HSE-CAP-002", "HSE-CAP-003", "HSE-PRV-002", "HSE-KRN-001", "HSE-KRN-003"} {
		out = append(out, broken{id, "blind", blind(processes), unknown, "the processes"})
		if id != "HSE-KRN-003" {
			out = append(out, broken{id, "no process", shape(func(f *policy.Facts) { f.Processes.Value = nil }), unknown, "no process was seen"})
		}
	}
	return out
}

func networkAndResources() []broken {
	const fail, unknown, pass, na = finding.Fail, finding.Unknown, finding.Pass, finding.NotApplicable
	limit := func(fact func(*policy.Facts) *policy.Fact[int64], n int64) func(*policy.Facts, *policy.Intent) {
		return shape(func(f *policy.Facts) { fact(f).Value = n })
	}
	memory := func(f *policy.Facts) *policy.Fact[int64] { return &f.Memory }
	swap := func(f *policy.Facts) *policy.Fact[int64] { return &f.MemorySwap }
	pids := func(f *policy.Facts) *policy.Fact[int64] { return &f.PIDs }
	open := func(f *policy.Facts) *policy.Fact[int64] { return &f.OpenFiles }
	core := func(f *policy.Facts) *policy.Fact[int64] { return &f.CoreSize }
	cpus := func(f *policy.Facts) *policy.Fact[float64] { return &f.CPUs }
	return []broken{
		{"HSE-NET-001", "open to the world", shape(func(f *policy.Facts) { f.Ports.Value[0].Address = "0.0.0.0" }), fail, "0.0.0.0:8080→80/tcp is open"},
		{"HSE-NET-001", "on IPv6", shape(func(f *policy.Facts) { f.Ports.Value[0].Address = "::" }), fail, "open to every network"},
		{"HSE-NET-001", "without an address", shape(func(f *policy.Facts) { f.Ports.Value[0].Address = "" }), fail, "open to every network"},
		{"HSE-NET-001", "declared open", func(f *policy.Facts, in *policy.Intent) {
			f.Ports.Value[0].Address, in.Ports[0].Address = "0.0.0.0", "0.0.0.0"
		}, pass, "0.0.0.0:8080"},
		{"HSE-NET-001", "blind", blind(ports), unknown, "the published ports"},
		{"HSE-NET-002", "one more", shape(func(f *policy.Facts) {
			f.Ports.Value = append(f.Ports.Value, policy.Port{Address: "127.0.0.1", Host: 9229, Container: 9229, Protocol: "tcp"})
		}), fail, "9229/tcp is published but not declared"},
		{"HSE-NET-002", "missing", shape(func(f *policy.Facts) { f.Ports.Value = nil }), fail, "is declared but not published"},
		{"HSE-NET-002", "none at all", func(f *policy.Facts, in *policy.Intent) { f.Ports.Value, in.Ports = nil, nil }, pass, "nothing is published"},
		{"HSE-NET-002", "blind", blind(ports), unknown, "the published ports"},
		{"HSE-NET-004", "docker0", shape(func(f *policy.Facts) {
			f.Networks.Value = append(f.Networks.Value, policy.Network{Name: "bridge", Default: true})
		}), fail, "default bridge"},
		{"HSE-NET-004", "another network", shape(func(f *policy.Facts) { f.Networks.Value[0].Name = "other" }), fail, "network other"},
		{"HSE-NET-004", "too few", shape(func(f *policy.Facts) { f.Networks.Value = f.Networks.Value[:1] }), fail, "on [backend] only"},
		{"HSE-NET-004", "blind", blind(networks), unknown, "the networks"},
		{"HSE-NET-005", "a way out", shape(func(f *policy.Facts) { f.Networks.Value[1].Internal = false }), fail, "network edge leads out"},
		{"HSE-NET-005", "a declared one", func(f *policy.Facts, in *policy.Intent) { f.Networks.Value[1].Internal, in.Egress = false, true }, pass, "a way out is declared"},
		{"HSE-NET-005", "blind", blind(networks), unknown, "the networks"},
		{"HSE-NET-007", "a debugger", shape(func(f *policy.Facts) { f.Listening.Value = []int{80, 9229} }), fail, "port 9229 is open but not declared"},
		{"HSE-NET-007", "closed", shape(func(f *policy.Facts) { f.Listening.Value = nil }), fail, "port 80 is declared but not open"},
		{"HSE-NET-007", "not said", func(_ *policy.Facts, in *policy.Intent) { in.Listen = nil }, na, "does not say"},
		{"HSE-NET-007", "blind", blind(func(f *policy.Facts) *policy.Fact[[]int] { return &f.Listening }), unknown, "the listening sockets"},
		{"HSE-RES-001", "unlimited", limit(memory, 0), fail, "memory is unlimited"},
		{"HSE-RES-001", "another limit", limit(memory, 1<<29), fail, "limited to 512MiB, not to 1GiB"},
		{"HSE-RES-001", "blind", blind(memory), unknown, "the limit of memory"},
		{"HSE-RES-002", "unlimited", limit(swap, 0), fail, "swap is unlimited"},
		{"HSE-RES-002", "as much again", limit(swap, 2<<30), fail, "1GiB of swap"},
		{"HSE-RES-002", "blind", blind(swap), unknown, "the limit of swap"},
		{"HSE-RES-003", "unlimited", shape(func(f *policy.Facts) { f.CPUs.Value = 0 }), fail, "cpu is unlimited"},
		{"HSE-RES-003", "another limit", shape(func(f *policy.Facts) { f.CPUs.Value = 1.5 }), fail, "limited to 1.5 cpus, not to 2"},
		{"HSE-RES-003", "blind", blind(cpus), unknown, "the limit of cpu"},
		{"HSE-RES-004", "unlimited", limit(pids, 0), fail, "the number of processes is unlimited"},
		{"HSE-RES-004", "another limit", limit(pids, 100), fail, "limited to 100 processes, not to 200"},
		{"HSE-RES-004", "blind", blind(pids), unknown, "the number of processes"},
		{"HSE-RES-005", "open files", limit(open, 0), fail, "open files are unlimited"},
		{"HSE-RES-005", "core dumps", limit(core, -1), fail, "core dumps are on"},
		{"HSE-RES-005", "blind", blind(open), unknown, "the limit of open files"},
		{"HSE-RES-005", "blind for core dumps", blind(core), unknown, "the limit of core dumps"},
		{"HSE-RES-006", "killed", shape(func(f *policy.Facts) { f.OOMKilled.Value = true }), fail, "killed a process"},
		{"HSE-RES-006", "blind", blind(func(f *policy.Facts) *policy.Fact[bool] { return &f.OOMKilled }), unknown, "the kernel's record"},
	}
}

func stopping() []broken {
	const fail, unknown, pass, na = finding.Fail, finding.Unknown, finding.Pass, finding.NotApplicable
	return []broken{
		{"HSE-LIF-002", "signal", shape(func(f *policy.Facts) { f.Stop.Value.Signal = "SIGKILL" }), fail, "stopped by SIGKILL"},
		{"HSE-LIF-002", "shorter", shape(func(f *policy.Facts) { f.Stop.Value.Grace = 10 * time.Second }), fail, "killed after 10s"},
		{"HSE-LIF-002", "longer", shape(func(f *policy.Facts) { f.Stop.Value.Grace = time.Minute }), pass, "SIGTERM"},
		{"HSE-LIF-002", "init", shape(func(f *policy.Facts) { f.Stop.Value.Init = true }), fail, "on but not declared"},
		{"HSE-LIF-002", "blind", blind(func(f *policy.Facts) *policy.Fact[policy.Stop] { return &f.Stop }), unknown, "the stop settings"},
		{"HSE-LIF-004", "always without a test", shape(func(f *policy.Facts) { f.Restart.Value.Policy, f.Health.Value.Test = "always", nil }), fail, "restarts always without"},
		{"HSE-LIF-004", "five times", shape(func(f *policy.Facts) { f.Restart.Value = policy.Restart{Policy: "on-failure", Retries: 5} }), pass, "at most 5"},
		{"HSE-LIF-004", "six times", shape(func(f *policy.Facts) { f.Restart.Value = policy.Restart{Policy: "on-failure", Retries: 6} }), fail, "more than 5"},
		{"HSE-LIF-004", "without end", shape(func(f *policy.Facts) { f.Restart.Value = policy.Restart{Policy: "on-failure"} }), fail, "more than 5"},
		{"HSE-LIF-004", "never", shape(func(f *policy.Facts) { f.Restart.Value.Policy, f.Health.Value.Test = "no", nil }), pass, "no restart"},
		{"HSE-LIF-004", "blind", blind(func(f *policy.Facts) *policy.Fact[policy.Restart] { return &f.Restart }), unknown, "the restart policy"},
		{"HSE-LIF-004", "blind for health", blind(healthTest), unknown, "the health test"},
		{"HSE-LIF-007", "one is missing", shape(func(f *policy.Facts) { f.Containers.Value = nil }), finding.Drift, "0 of 1"},
		{"HSE-LIF-007", "one too many", shape(func(f *policy.Facts) { f.Containers.Value = []string{"app-1", "app-2"} }), finding.Drift, "2 containers, not 1: app-1, app-2"},
		{"HSE-LIF-007", "one of three", func(f *policy.Facts, in *policy.Intent) { in.Replicas = 3 }, finding.Drift, "1 of 3 containers: shop-app-1"},
		{"HSE-LIF-007", "blind", blind(func(f *policy.Facts) *policy.Fact[[]string] { return &f.Containers }), unknown, "the containers"},
		{"HSE-LIF-005", "stopped", shape(func(f *policy.Facts) { f.State.Value.Running = false }), fail, "does not run"},
		{"HSE-LIF-005", "paused", shape(func(f *policy.Facts) { f.State.Value.Paused = true }), fail, "paused"},
		{"HSE-LIF-005", "restarting", shape(func(f *policy.Facts) { f.State.Value = policy.State{Restarting: true, Restarts: 3} }), fail, "restarting, 3 times"},
		{"HSE-LIF-005", "restarted", shape(func(f *policy.Facts) { f.State.Value.Restarts = 2 }), fail, "restarted 2 times"},
		{"HSE-LIF-005", "blind", blind(func(f *policy.Facts) *policy.Fact[policy.State] { return &f.State }), unknown, "the state"},
		{"HSE-HLT-001", "none", shape(func(f *policy.Facts) { f.Health.Value.Test = nil }), fail, "no health test"},
		{"HSE-HLT-001", "switched off", shape(func(f *policy.Facts) { f.Health.Value.Test = []string{"NONE"} }), fail, "no health test"},
		{"HSE-HLT-001", "blind", blind(healthTest), unknown, "the health test"},
		{"HSE-HLT-002", "unhealthy", shape(func(f *policy.Facts) { f.Health.Value.Status = "unhealthy" }), fail, "unhealthy"},
		{"HSE-HLT-002", "starting", shape(func(f *policy.Facts) { f.Health.Value.Status = "starting" }), unknown, "no health test has passed"},
		{"HSE-HLT-002", "said but not proven", shape(func(f *policy.Facts) { f.Health.Value.Proven = false }), unknown, "no health test has passed"},
		{"HSE-HLT-002", "no test", shape(func(f *policy.Facts) { f.Health.Value.Test = nil }), unknown, "no health test"},
		{"HSE-HLT-002", "blind", blind(healthTest), unknown, "the health"},
		{"HSE-HLT-004", "true", shape(func(f *policy.Facts) { f.Health.Value.Test = []string{"CMD", "true"} }), fail, "cannot fail"},
		{"HSE-HLT-004", "exit 0", shape(func(f *policy.Facts) { f.Health.Value.Test = []string{"CMD-SHELL", "exit 0"} }), fail, "cannot fail"},
		{"HSE-HLT-004", "none", shape(func(f *policy.Facts) { f.Health.Value.Test = nil }), fail, "cannot fail"},
		{"HSE-HLT-004", "blind", blind(healthTest), unknown, "the health test"},
		{"HSE-SEC-001", "blind", blind(func(f *policy.Facts) *policy.Fact[[]policy.Variable] { return &f.Environment }), unknown, "the environment"},
		{"HSE-SEC-001", "a password", shape(func(f *policy.Facts) { f.Environment.Value[0] = policy.Variable{Name: "PASSWORD", Value: "x"} }), fail, "PASSWORD looks like a secret"},
		{"HSE-SEC-002", "missing", shape(func(f *policy.Facts) { f.Secrets.Value = nil }), fail, "token is missing"},
		{"HSE-SEC-002", "unreadable", shape(func(f *policy.Facts) { f.Secrets.Value[0].Readable = false }), fail, "cannot be read"},
		{"HSE-SEC-002", "for all", shape(func(f *policy.Facts) { f.Secrets.Value[0].Others = true }), fail, "read by others"},
		{"HSE-SEC-002", "changeable", shape(func(f *policy.Facts) { f.Secrets.Value[0].Writable = true }), fail, "changed by the service"},
		{"HSE-SEC-002", "one more", shape(func(f *policy.Facts) {
			f.Secrets.Value = append(f.Secrets.Value, policy.Secret{Name: "other", Readable: true})
		}), fail, "other exists but is not declared"},
		{"HSE-SEC-002", "none asked for", func(f *policy.Facts, in *policy.Intent) { f.Secrets.Value, in.Secrets = nil, nil }, na, "reads no secret"},
		{"HSE-SEC-002", "blind", blind(func(f *policy.Facts) *policy.Fact[[]policy.Secret] { return &f.Secrets }), unknown, "the secret files"},
		{"HSE-SEC-004", "an argument", shape(func(f *policy.Facts) { f.Arguments.Value = []string{"app", "--api-key=abc"} }), fail, "argument 2"},
		{"HSE-SEC-004", "blind", blind(func(f *policy.Facts) *policy.Fact[[]string] { return &f.Arguments }), unknown, "the command line"},
		{"HSE-LOG-001", "unbounded", shape(func(f *policy.Facts) { f.Log.Value.Bounded = false }), fail, "keeps everything"},
		{"HSE-LOG-001", "blind", blind(func(f *policy.Facts) *policy.Fact[policy.Log] { return &f.Log }), unknown, "the log settings"},
		{"HSE-LOG-002", "none", shape(func(f *policy.Facts) { f.Log.Value.Driver = "none" }), fail, "the log driver is none"},
		{"HSE-LOG-002", "blind", blind(func(f *policy.Facts) *policy.Fact[policy.Log] { return &f.Log }), unknown, "the log settings"},
		{"HSE-OPS-003", "no TLS", shape(func(f *policy.Facts) { f.Sites.Value[0].TLS = "off" }), fail, "shop.example: no TLS"},
		{"HSE-OPS-003", "blind", blind(func(f *policy.Facts) *policy.Fact[[]policy.Site] { return &f.Sites }), unknown, "the sites"},
		{"HSE-OPS-013", "another version", shape(func(f *policy.Facts) { f.Loaded.Value = "beef" }), fail, "it has loaded beef, but the profile renders cafe"},
		{"HSE-OPS-017", "a stranger", shape(func(f *policy.Facts) {
			f.Neighbours.Value = []policy.Neighbour{{Container: "agent", Machine: true}, {Container: "x", Shares: "is on network back"}}
		}), fail, "container x is on network back"},
		{"HSE-OPS-017", "many", shape(func(f *policy.Facts) { f.Neighbours.Value = make([]policy.Neighbour, 11) }), fail, "and 3 more"},
		{"HSE-OPS-017", "on the machine", shape(func(f *policy.Facts) { f.Neighbours.Value = []policy.Neighbour{{Container: "agent", Machine: true}} }), finding.Advice, "agent"},
		{"HSE-OPS-017", "blind", blind(func(f *policy.Facts) *policy.Fact[[]policy.Neighbour] { return &f.Neighbours }), unknown, "the other containers of the engine"},
		{"HSE-NET-010", "refused", shape(func(f *policy.Facts) {
			f.Calls.Value[0] = policy.Call{From: "host", What: "port 127.0.0.1:80", Text: "connection refused"}
		}), fail, "port 127.0.0.1:80, asked from host: connection refused"},
		{"HSE-NET-010", "not asked", shape(func(f *policy.Facts) {
			f.Calls.Value[0] = policy.Call{From: "web", What: "dependency of web", Why: "it has no container"}
		}), unknown, "dependency of web could not be asked from web: it has no container"},
		{"HSE-NET-010", "nothing to ask", shape(func(f *policy.Facts) { f.Calls.Value = nil }), na, "names no port"},
		{"HSE-NET-010", "blind", blind(func(f *policy.Facts) *policy.Fact[[]policy.Call] { return &f.Calls }), unknown, "calling the service"},
		{"HSE-OPS-013", "blind", blind(func(f *policy.Facts) *policy.Fact[string] { return &f.Loaded }), unknown, "the loaded configuration"},
		{"HSE-OPS-014", "something else", shape(func(f *policy.Facts) { f.Differences.Value = []string{"Config.Cmd: [a], not [b]"} }), fail, "Config.Cmd: [a], not [b]"},
		{"HSE-OPS-014", "much else", shape(func(f *policy.Facts) { f.Differences.Value = slices.Repeat([]string{"x"}, 15) }), fail, "; and 3 more"},
		{"HSE-OPS-014", "blind", blind(func(f *policy.Facts) *policy.Fact[[]string] { return &f.Differences }), unknown, "what differs from the rendered file"},
		{"HSE-OPS-001", "one more volume", shape(func(f *policy.Facts) {
			f.Keeping.Value.Volumes = append(f.Keeping.Value.Volumes, policy.Kept{Volume: "other"})
		}), fail, "other: no backup is declared"},
		{"HSE-OPS-001", "blind", blind(func(f *policy.Facts) *policy.Fact[policy.Keeping] { return &f.Keeping }), unknown, "how the volumes are backed up"},
		{"HSE-IMG-002", "another image", shape(func(f *policy.Facts) { f.Image.Value.Reference = "example/app:2" }), fail, "runs example/app:2"},
		{"HSE-IMG-002", "blind", blind(func(f *policy.Facts) *policy.Fact[policy.Image] { return &f.Image }), unknown, "the image"},
	}
}

// Every control is seen to pass, to fail and not to know.
func TestControls(t *testing.T) {
	answers := map[string]map[finding.Status]bool{}
	for _, group := range [][]broken{filesystem(), processControls(), networkAndResources(), stopping(), intrusions()} {
		for _, c := range group {
			t.Run(c.control+" "+c.name, func(t *testing.T) {
				f, in := proper(), granted()
				c.change(&f, &in)
				v := control(t, c.control).Judge(f, in)
				if v.Status != c.want || !strings.Contains(v.Detail, c.detail) {
					t.Errorf("got %s (%s), want %s (…%s…)", v.Status, v.Detail, c.want, c.detail)
				}
				if v.Status == finding.Unknown && v.Tier != finding.None {
					t.Errorf("unknown with evidence: %s", v.Tier)
				}
			})
			if answers[c.control] == nil {
				answers[c.control] = map[finding.Status]bool{}
			}
			answers[c.control][c.want] = true
		}
	}
	for _, c := range controls.All() {
		if c.Static || named(c.ID) { // TestPresetControls and TestEachWeaknessIsCaught show these
			continue
		}
		if !answers[c.ID][finding.Fail] && !answers[c.ID][finding.Drift] || !answers[c.ID][finding.Unknown] {
			t.Errorf("%s is not seen to fail, or not to be unknown", c.ID)
		}
	}
}

package side_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/importer/side"
	"github.com/hsectl/hsectl/internal/review"
)

// kiosk is the base of every change: one service that is careful, and one that is not.
const kiosk = `name: kiosk
services:
  app:
    image: registry.example/app:1
    user: "1000:1000"
    read_only: true
    init: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true", "label=type:app_t"]
    ports: ["127.0.0.1:8080:80"]
    volumes: ["state:/var/lib/app/state", "./conf:/etc/app:ro"]
    tmpfs: ["/tmp:size=16m"]
    environment: {LEVEL: info}
    secrets: [token]
    networks: [inner, outer]
    depends_on: {db: {condition: service_healthy}}
    healthcheck: {test: [CMD, /app, health], interval: 10s, timeout: 3s, retries: 3}
    stop_grace_period: 30s
    restart: unless-stopped
    deploy: {resources: {limits: {cpus: "0.5", memory: 128M, pids: 100}}}
  db:
    image: postgres:16.4
    environment: {POSTGRES_PASSWORD_FILE: /run/secrets/token}
    volumes: ["data:/var/lib/postgresql/data"]
    cap_add: [SYS_NICE]
    devices: ["/dev/kmsg:/dev/kmsg"]
    networks: [inner]
    healthcheck: {test: [CMD, pg_isready]}
secrets: {token: {file: ./token}}
volumes: {state: {}, data: {}}
networks: {inner: {internal: true}, outer: {}}
`

// read reads files of the tests.
func read(path string, _ int64) ([]byte, error) { return os.ReadFile(path) }

func composeSide(t *testing.T, text string) review.Side {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "compose.yml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := composefile.Load(t.Context(), composefile.Source{Files: []string{path}, Read: read, AsWritten: true})
	if err != nil {
		t.Fatal(err)
	}
	got, err := side.Of(p, dir, dir)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Each case is one change of a Compose file, and what the review must say of it. What a line wants is how a row begins;
// no other row may come.
func TestReviewOfComposeFiles(t *testing.T) {
	edit := func(pairs ...string) string {
		text := kiosk
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(text, pairs[i]) {
				t.Fatalf("the file has no %q", pairs[i])
			}
			text = strings.Replace(text, pairs[i], pairs[i+1], 1)
		}
		return text
	}
	for name, c := range map[string]struct {
		head string
		want []string
	}{
		"nothing":            {kiosk, nil},
		"a comment":          {edit("name: kiosk", "name: kiosk # ours"), nil},
		"ports in long form": {edit(`ports: ["127.0.0.1:8080:80"]`, `ports: [{target: 80, published: "8080", host_ip: 127.0.0.1, protocol: tcp}]`), nil},
		"a port that becomes public by dropping the address": {edit("127.0.0.1:8080:80", "8080:80"), []string{
			`weaker high HSE-NET-001 app published port: 127.0.0.1:8080→80/tcp → 0.0.0.0:8080→80/tcp`,
		}},
		"a port opened on IPv6": {edit("127.0.0.1:8080:80", "[::]:8080:80"), []string{
			`weaker high HSE-NET-001 app published port: 127.0.0.1:8080→80/tcp → [::]:8080→80/tcp`,
		}},
		"one more port": {edit(`"127.0.0.1:8080:80"`, `"127.0.0.1:8080:80", "127.0.0.1:9090:90"`), []string{
			`weaker low HSE-NET-001 app published port: → 127.0.0.1:9090→90/tcp`,
		}},
		"a published port of a network that lets out": {edit("networks: [inner]\n    healthcheck", "networks: [inner, outer]\n    healthcheck"), []string{
			`weaker high HSE-NET-005 db way out: → network outer`,
			`neutral info HSE-NET-004 db network: → outer`,
		}},
		"the network is not internal any more": {edit("inner: {internal: true}", "inner: {}"), []string{
			`neutral medium HSE-NET-005 app no way out unless declared: network outer leads out → network inner leads out`,
			`weaker high HSE-NET-005 db way out: → network inner`,
		}},
		"a capability moved between services": {edit("    cap_add: [SYS_NICE]\n", "", "    cap_drop: [ALL]\n", "    cap_drop: [ALL]\n    cap_add: [SYS_NICE]\n"), []string{
			`weaker high HSE-CAP-001 app capability: → SYS_NICE (moved here from db`,
			`stronger high HSE-CAP-001 db capability: SYS_NICE →`,
		}},
		"a capability with another spelling": {edit("cap_add: [SYS_NICE]", "cap_add: [CAP_SYS_NICE]"), []string{
			`neutral info db text of the service: →`,
		}},
		"all capabilities back": {edit("    cap_drop: [ALL]\n", ""), []string{
			`weaker high HSE-CAP-001 app capabilities: → CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP`,
		}},
		"dropping by name instead of ALL": {edit("cap_drop: [ALL]", "cap_drop: [NET_RAW]"), []string{
			`weaker high HSE-CAP-001 app capabilities: → CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP`,
		}},
		"security_opt in another order": {edit(`["no-new-privileges:true", "label=type:app_t"]`, `["label=type:app_t", "no-new-privileges:true"]`), []string{
			`neutral low HSE-OPS-010 app key: security_opt → security_opt`,
		}},
		"security_opt with the other sign": {edit("no-new-privileges:true", "no-new-privileges=true"), []string{
			`neutral low HSE-OPS-010 app key: security_opt → security_opt`,
		}},
		"security_opt whose last entry wins": {edit(`["no-new-privileges:true", "label=type:app_t"]`, `["no-new-privileges:true", "no-new-privileges:false"]`), []string{
			`weaker high HSE-PRV-002 app no process can gain privileges: no_new_privs is set for every process → process of the service runs without no_new_privs`,
			`neutral low HSE-OPS-010 app key: security_opt → security_opt`,
		}},
		"the filter of system calls": {edit("label=type:app_t", "seccomp=unconfined"), []string{
			`weaker high HSE-KRN-001 app a seccomp filter is active: every process is filtered → process of the service runs without a filter`,
			`weaker medium HSE-KRN-002 app the seccomp filter is the engine's own: the engine's default filter → the filter is unconfined`,
			`neutral low HSE-OPS-010 app key: security_opt → security_opt`,
		}},
		"a mount made writable": {edit("./conf:/etc/app:ro", "./conf:/etc/app"), []string{
			`weaker medium HSE-FS-002 app writable path: → /etc/app`,
			`weaker medium HSE-FS-011 app no path of the host can be changed from inside: 1 paths of the host, none writable undeclared → ./conf of the host is writable at /etc/app`,
			`neutral info HSE-OPS-010 app key: volumes →`,
		}},
		"a mount made writable through a parent directory of the host": {edit(`volumes: ["data:`, `volumes: ["./:/work", "data:`), []string{
			`weaker medium HSE-FS-002 app writable path: → /etc/app (./conf, read-only, but writable through /work of db`,
			`weaker medium HSE-FS-002 db writable path: → /work`,
			`weaker medium HSE-FS-011 db no path of the host can be changed from inside: 0 paths of the host, none writable undeclared → ./ of the host is writable at /work`,
		}},
		"a writable path widened to its parent": {edit("state:/var/lib/app/state", "state:/var/lib/app"), []string{
			`weaker high HSE-FS-002 app writable path: /var/lib/app/state → /var/lib/app`,
		}},
		"volumes in long form": {edit(`"state:/var/lib/app/state"`, `{type: volume, source: state, target: /var/lib/app/state}`), []string{
			`neutral info app text of the service: →`,
		}},
		"the socket of the engine": {edit("./conf:/etc/app:ro", "/var/run/docker.sock:/var/run/docker.sock:ro"), []string{
			`weaker critical HSE-FS-003 app no sensitive path of the host is mounted: no mount of a sensitive path → /var/run/docker.sock of the host is mounted at /var/run/docker.sock`,
			`weaker critical HSE-FS-004 app the engine's API cannot be reached: no engine socket is mounted → /var/run/docker.sock of the host is mounted at /var/run/docker.sock`,
			`weaker critical HSE-FS-005 app mounts of the host's own paths are the declared ones, read-only: 0 paths of the host, all declared → /var/run/docker.sock of the host is mounted at /var/run/docker.sock, which is not declared`,
			`neutral low HSE-OPS-010 app key: volumes → volumes`,
		}},
		"read_only dropped": {edit("    read_only: true\n", ""), []string{
			`weaker high HSE-FS-001 app root file system is read-only: / is mounted read-only → / is mounted writable`,
		}},
		"a tmpfs without a size": {edit("/tmp:size=16m", "/tmp"), []string{
			`weaker high HSE-FS-002 app size of /tmp: 16MiB →`,
			`neutral medium HSE-PRE-001 app a tmpfs has an owner and a size, and may run programs where the image must: /tmp has no uid and gid → /tmp has no uid and gid; /tmp has no size`,
		}},
		"the user dropped": {edit("    user: \"1000:1000\"\n", ""), []string{
			`weaker high HSE-USR-001 app user: 1000:1000 → only the image knows`,
			`weaker high HSE-USR-004 app every process has the declared user: all processes run as 1000:1000 → the processes: user: is not set, so the image decides; most run as root`,
			`weaker medium HSE-USR-002 app no process has the group root: no process has group 0 → the processes: user: is not set, so the image decides; most run as root`,
			`weaker low HSE-USR-003 app user and group are numbers: 1000:1000 → the user: the image decides`,
		}},
		"root": {edit(`"1000:1000"`, `"0:0"`), []string{
			`weaker high HSE-USR-001 app user: 1000:1000 → 0:0`,
			`weaker medium HSE-USR-002 app no process has the group root: no process has group 0 → the profile sets group 0`,
			`stronger medium HSE-PRE-001 app a tmpfs has an owner and a size, and may run programs where the image must: /tmp has no uid and gid → every tmpfs has an owner and a size`,
		}},
		"a user by name": {edit(`"1000:1000"`, `app`), []string{
			`weaker high HSE-USR-001 app user: 1000:1000 → only the image knows`,
			`weaker high HSE-USR-004 app every process has the declared user: all processes run as 1000:1000 → the processes: user "app" is a name that only the image knows`,
			`weaker medium HSE-USR-002 app no process has the group root: no process has group 0 → the processes: user "app" is a name that only the image knows`,
			`weaker medium HSE-PRE-002 app the user is a number with a group: user 1000:1000 → the user "app" is not a number with a group`,
			`weaker low HSE-USR-003 app user and group are numbers: 1000:1000 → the user is "app"`,
		}},
		"privileged": {edit("    init: true\n", "    init: true\n    privileged: true\n"), []string{
			`weaker critical HSE-CAP-001 app capabilities: → CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, LINUX_IMMUTABLE, NET_BIND_SERVICE, NET_BROADCAST, NET_ADMIN, NET_RAW, IPC_LOCK, IPC_OWNER, SYS_MODULE, SYS_RAWIO, SYS_CHROOT, SYS_PTRACE, SYS_PACCT, SYS_ADMIN, SYS_BOOT, SYS_NICE, SYS_RESOURCE, SYS_TIME, SYS_TTY_CONFIG, MKNOD, LEASE, AUDIT_WRITE, AUDIT_CONTROL, SETFCAP, MAC_OVERRIDE, MAC_ADMIN, SYSLOG, WAKE_ALARM, BLOCK_SUSPEND, AUDIT_READ, PERFMON, BPF, CHECKPOINT_RESTORE`,
			`weaker critical HSE-PRV-001 app the container is not privileged: not privileged → the container is privileged`,
			`weaker high HSE-CAP-002 app no dangerous capability is granted: none of the dangerous ones → process of the service can have DAC_READ_SEARCH, NET_ADMIN, SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_ADMIN, SYS_BOOT, SYS_TIME, MKNOD, MAC_OVERRIDE, MAC_ADMIN, SYSLOG, PERFMON, BPF`,
			`weaker high HSE-KRN-001 app a seccomp filter is active: every process is filtered → process of the service runs without a filter`,
			`weaker high HSE-KRN-006 app kernel paths are masked: 3 paths masked → not masked: /proc/kcore, /proc/keys, /proc/timer_list`,
			`weaker medium HSE-KRN-002 app the seccomp filter is the engine's own: the engine's default filter → the filter is unconfined`,
			`weaker medium HSE-KRN-003 app a security module confines every process: → the service opts out of the security module`,
		}},
		"the processes of the host": {edit("    init: true\n", "    init: true\n    pid: host\n"), []string{
			`weaker critical HSE-NS-001 app the pid namespace is its own: the pid namespace of the host is not asked for → the pid namespace is the host's`,
		}},
		"one more device": {edit("/dev/kmsg:/dev/kmsg", "/dev/kmsg:/dev/kmsg\", \"/dev/sda:/dev/sda"), []string{
			`neutral high HSE-KRN-004 db no device of the host is exposed: devices: /dev/kmsg → devices: /dev/kmsg, /dev/sda`,
			`neutral low HSE-OPS-010 db key: devices → devices`,
		}},
		"more memory": {edit("memory: 128M", "memory: 512M"), []string{
			`weaker medium HSE-RES-001 app memory limit: 128MiB → 512MiB`,
		}},
		"no memory limit": {edit("memory: 128M, ", ""), []string{
			`weaker high HSE-RES-001 app memory limit: 128MiB →`,
		}},
		"limits in their old keys": {edit(`    deploy: {resources: {limits: {cpus: "0.5", memory: 128M, pids: 100}}}`, "    cpus: 0.5\n    mem_limit: 128m\n    pids_limit: 100"), []string{
			`neutral info app text of the service: →`,
		}},
		"another tag": {edit("app:1", "app:2"), []string{
			`neutral info HSE-IMG-001 app image: registry.example/app:1 → registry.example/app:2`,
		}},
		"another registry": {edit("registry.example/app:1", "elsewhere.example/app:1"), []string{
			`neutral medium HSE-IMG-001 app image: registry.example/app:1 → elsewhere.example/app:1`,
		}},
		"a secret for one more": {edit("    cap_add: [SYS_NICE]\n", "    cap_add: [SYS_NICE]\n    secrets: [token]\n"), []string{
			`weaker high HSE-SEC-002 db secret: → token`,
		}},
		"a password in the environment": {edit("{LEVEL: info}", "{LEVEL: info, DB_PASSWORD: hunter2hunter2}"), []string{
			`weaker high HSE-SEC-001 app no secret in the environment: 1 variables, none looks like a secret → DB_PASSWORD looks like a secret`,
			`neutral info app variable: → DB_PASSWORD`,
		}},
		"a variable": {edit("LEVEL: info", "LEVEL: debug"), []string{
			`neutral info app variable: LEVEL → LEVEL`,
		}},
		"the health test switched off": {edit("{test: [CMD, /app, health], interval: 10s, timeout: 3s, retries: 3}", "{disable: true}"), []string{
			`weaker medium HSE-HLT-001 app health test: CMD /app health →`,
			`weaker medium HSE-LIF-004 app restarts are bounded or watched: unless-stopped, with a health test → restarts unless-stopped without a health test`,
			`weaker low HSE-HLT-004 app the health test can fail: the test can fail → no health test, so it cannot fail`,
		}},
		"it does not wait for health any more": {edit("condition: service_healthy", "condition: service_started"), []string{
			`weaker low app dependency on db: healthy → started`,
			`weaker low HSE-LIF-006 app the start order waits for health: 1 dependencies, each waited for → db need only have started`,
		}},
		"less grace": {edit("stop_grace_period: 30s", "stop_grace_period: 1s"), []string{
			`weaker low HSE-LIF-002 app grace period: 30s → 1s`,
		}},
		"a service added": {edit("  db:\n", "  cache: {image: redis, networks: [inner]}\n  db:\n"), []string{
			`weaker high HSE-CAP-001 cache capabilities: → CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP`,
			`weaker high HSE-FS-001 cache root file system is read-only: → / is mounted writable`,
			`weaker high HSE-PRV-002 cache no process can gain privileges: → process of the service runs without no_new_privs`,
			`weaker high HSE-RES-001 cache memory is limited as declared: → memory is unlimited`,
			`weaker high HSE-RES-004 cache the number of processes is limited as declared: → the number of processes is unlimited`,
			`weaker medium HSE-RES-002 cache no swap beyond the memory limit: → swap is unlimited`,
			`weaker medium HSE-RES-003 cache CPU is limited as declared: → cpu is unlimited`,
			`weaker medium HSE-LOG-001 cache logs are rotated: → driver json-file keeps everything`,
			`weaker medium HSE-PRE-008 cache the image gets the grace period, host name and data path that it needs: → redis needs 1m0s to stop, and gets 10s`,
			`weaker medium HSE-PRE-009 cache the image is still maintained: → redis: the tag moves from version to version`,
			`weaker low HSE-RES-007 cache the service cannot fill the disk: → logs grow without a bound`,
			`neutral low cache controls that the file does not show: → 10`,
			`neutral info cache service: → redis`,
			`neutral info HSE-NET-004 cache network: → inner`,
		}},
		"a kernel parameter": {edit("    init: true\n", "    init: true\n    sysctls: {net.core.somaxconn: 1}\n"), []string{
			`weaker medium HSE-KRN-005 app only safe kernel parameters are set: 0 set, all safe → net.core.somaxconn is set`,
			`neutral low HSE-OPS-010 app key: → sysctls`,
		}},
		"an anchor instead of a copy": {edit("volumes: {state: {}, data: {}}", "x-none: &none {}\nvolumes: {state: *none, data: *none}"), []string{
			`neutral info HSE-OPS-010 key: → x-none`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got := review.Compare(composeSide(t, kiosk), composeSide(t, c.head), time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC))
			lines := rows(got)
			for i, line := range lines {
				if i >= len(c.want) || !strings.HasPrefix(line, c.want[i]) {
					t.Errorf("got  %q", line)
				}
			}
			if len(lines) != len(c.want) {
				t.Errorf("got %d rows, want:\n%s", len(lines), strings.Join(c.want, "\n"))
			}
		})
	}
}

func rows(r review.Review) []string {
	var out []string
	for _, c := range r.Changes {
		words := slices.DeleteFunc([]string{c.Direction.String(), c.Severity.String(), c.Control, c.Service}, func(s string) bool { return s == "" })
		out = append(out, strings.Join(strings.Fields(fmt.Sprintf("%s %s: %s → %s (%s)", strings.Join(words, " "), c.What, c.Old, c.New, c.Reason)), " "))
	}
	return out
}

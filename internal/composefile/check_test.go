package composefile_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/finding"
)

// read reads files of the tests.
func read(path string, limit int64) ([]byte, error) { return os.ReadFile(path) }

func loadText(t *testing.T, text string) *composefile.Project {
	t.Helper()
	path := filepath.Join(t.TempDir(), "compose.yml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := composefile.Load(t.Context(), composefile.Source{Files: []string{path}, Read: read})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func verdict(t *testing.T, p *composefile.Project, control string) finding.Finding {
	t.Helper()
	all := p.Check()
	i := slices.IndexFunc(all, func(f finding.Finding) bool { return f.Control == control && f.Subject == "app" })
	if i < 0 {
		return finding.Finding{Status: finding.NotApplicable, Detail: "no such finding"}
	}
	return all[i]
}

// What other checkers get wrong, each with the verdict that is right: the lines are those of a service app.
func TestVerdictsOthersMiss(t *testing.T) {
	pass, fail, unknown := finding.Pass, finding.Fail, finding.Unknown
	for name, c := range map[string]struct {
		lines   string
		control string
		want    finding.Status
	}{
		"no-new-privileges on, then off":    {"security_opt: ['no-new-privileges:true', 'no-new-privileges=false']", "HSE-PRV-002", fail},
		"no-new-privileges off, then on":    {"security_opt: ['no-new-privileges:false', 'no-new-privileges']", "HSE-PRV-002", pass},
		"no-new-privileges with =":          {"security_opt: ['no-new-privileges=true']", "HSE-PRV-002", pass},
		"no security_opt":                   {"init: true", "HSE-PRV-002", fail},
		"seccomp=unconfined":                {"security_opt: ['seccomp=unconfined']", "HSE-KRN-001", fail},
		"seccomp:unconfined":                {"security_opt: ['seccomp:unconfined']", "HSE-KRN-001", fail},
		"a seccomp file":                    {"security_opt: ['seccomp=./filter.json']", "HSE-OPS-010", unknown},
		"systempaths=unconfined":            {"security_opt: ['systempaths=unconfined']", "HSE-KRN-006", fail},
		"systempaths masked":                {"init: true", "HSE-KRN-006", pass},
		"use_api_socket":                    {"use_api_socket: true", "HSE-FS-004", fail},
		"the socket in long form":           {"volumes: [{type: bind, source: /var/run/docker.sock, target: /x.sock, read_only: true}]", "HSE-FS-004", fail},
		"the socket's directory":            {"volumes: ['/var/run:/host/run:ro']", "HSE-FS-004", fail},
		"one capability dropped":            {"cap_drop: [CHOWN]", "HSE-CAP-001", fail},
		"nothing dropped, not root":         {"user: '1000:1000'", "HSE-CAP-001", fail},
		"all dropped":                       {"cap_drop: [ALL]", "HSE-CAP-001", pass},
		"all dropped in small letters":      {"cap_drop: [all]", "HSE-CAP-001", pass},
		"all dropped, one added":            {"cap_drop: [ALL]\n    cap_add: [CAP_NET_RAW]", "HSE-CAP-001", fail},
		"a dangerous one":                   {"cap_drop: [ALL]\n    cap_add: [SYS_ADMIN]", "HSE-CAP-002", fail},
		"privileged, with all dropped":      {"privileged: true\n    cap_drop: [ALL]\n    user: '1000:1000'", "HSE-CAP-001", fail},
		"privileged":                        {"privileged: true", "HSE-PRV-001", fail},
		"a privileged hook":                 {"post_start: [{command: [x], privileged: true}]", "HSE-PRV-001", fail},
		"a root hook":                       {"user: '1000:1000'\n    post_start: [{command: [x], user: root}]", "HSE-USR-001", fail},
		"a hook of another user":            {"user: '1000:1000'\n    pre_stop: [{command: [x], user: '2000:2000'}]", "HSE-USR-001", pass},
		"a device":                          {"devices: ['/dev/kmsg:/dev/kmsg']", "HSE-KRN-004", fail},
		"gpus":                              {"gpus: all", "HSE-KRN-004", fail},
		"a reserved device":                 {"deploy: {resources: {reservations: {devices: [{capabilities: [gpu], count: 1}]}}}", "HSE-KRN-004", fail},
		"uts host":                          {"uts: host", "HSE-NS-004", fail},
		"pid host":                          {"pid: host", "HSE-NS-001", fail},
		"ipc host":                          {"ipc: host", "HSE-NS-002", fail},
		"userns host":                       {"userns_mode: host", "HSE-NS-005", fail},
		"network host":                      {"network_mode: host", "HSE-NS-003", fail},
		"network host hides ports":          {"network_mode: host", "HSE-NET-001", unknown},
		"no memory limit, no version":       {"init: true", "HSE-RES-001", fail},
		"no cpu limit":                      {"init: true", "HSE-RES-003", fail},
		"cpu shares are no limit":           {"cpu_shares: 512", "HSE-RES-003", fail},
		"cpu quota is one":                  {"cpu_quota: 50000", "HSE-RES-003", pass},
		"no pids limit":                     {"init: true", "HSE-RES-004", fail},
		"pids -1":                           {"pids_limit: -1", "HSE-RES-004", fail},
		"pids under deploy":                 {"deploy: {resources: {limits: {pids: 100}}}", "HSE-RES-004", pass},
		"swap as much again":                {"mem_limit: 64m", "HSE-RES-002", fail},
		"no swap":                           {"mem_limit: 64m\n    memswap_limit: 64m", "HSE-RES-002", pass},
		"127.0.0.1 in long form":            {"ports: [{target: 80, published: '8080', host_ip: 127.0.0.1}]", "HSE-NET-001", pass},
		"127.0.0.1 in short form":           {"ports: ['127.0.0.1:8080:80']", "HSE-NET-001", pass},
		"::1":                               {"ports: ['[::1]:8080:80']", "HSE-NET-001", pass},
		"a port without an address":         {"ports: ['8080:80']", "HSE-NET-001", fail},
		"::":                                {"ports: ['[::]:8080:80']", "HSE-NET-001", fail},
		"every address, mapped":             {"ports: ['[::ffff:0.0.0.0]:8080:80']", "HSE-NET-001", fail},
		"loopback, mapped":                  {"ports: ['[::ffff:127.0.0.1]:8080:80']", "HSE-NET-001", pass},
		"the group of the engine":           {"user: '1000:1000'\n    group_add: [docker]", "HSE-USR-002", fail},
		"the group of the disks":            {"user: '1000:1000'\n    group_add: [6]", "HSE-USR-002", fail},
		"the group of the passwords":        {"user: '1000:1000'\n    group_add: [shadow]", "HSE-USR-002", fail},
		"a group of its own":                {"user: '1000:1000'\n    group_add: ['2000']", "HSE-USR-002", pass},
		"a group that the image knows":      {"user: '1000:1000'\n    group_add: [media]", "HSE-USR-002", unknown},
		"a routed network":                  {"networks: [routed]", "HSE-NET-001", unknown},
		"an unprotected network":            {"networks: [unprotected]", "HSE-NET-001", unknown},
		"a network isolated from the host":  {"networks: [isolated]", "HSE-NET-001", pass},
		"a gateway in a new mode":           {"networks: [strange]", "HSE-OPS-010", unknown},
		"metadata of AWS":                   {"extra_hosts: ['m:169.254.169.254']", "HSE-NET-008", fail},
		"metadata of AWS, mapped":           {"extra_hosts: ['m:[::ffff:169.254.169.254]']", "HSE-NET-008", fail},
		"metadata of AWS by IPv6":           {"extra_hosts: ['m=[fd00:ec2::254]']", "HSE-NET-008", fail},
		"metadata of Google":                {"extra_hosts: {metadata.google.internal: 203.0.113.9}", "HSE-NET-008", fail},
		"metadata of Google by IPv6":        {"extra_hosts: ['m=fd20:ce::254']", "HSE-NET-008", fail},
		"metadata of Alibaba":               {"extra_hosts: ['m:100.100.100.200']", "HSE-NET-008", fail},
		"metadata of Azure":                 {"extra_hosts: ['m:168.63.129.16']", "HSE-NET-008", fail},
		"another host":                      {"extra_hosts: ['api:203.0.113.7']", "HSE-NET-008", pass},
		"more memory than there is":         {"mem_limit: 1125899906842624\n    memswap_limit: 1125899906842624", "HSE-RES-001", fail},
		"much memory":                       {"mem_limit: 1t\n    memswap_limit: 1t", "HSE-RES-001", pass},
		"four million processes":            {"pids_limit: 4000000", "HSE-RES-004", fail},
		"many processes":                    {"pids_limit: 32768", "HSE-RES-004", pass},
		"a thousand processors":             {"cpus: 1000", "HSE-RES-003", fail},
		"many processors":                   {"cpus: 128", "HSE-RES-003", pass},
		"a volume that is /proc":            {"volumes: ['proc:/data']", "HSE-FS-003", fail},
		"a volume that is /sys":             {"volumes: ['sysfs:/data']", "HSE-FS-003", fail},
		"a volume that is an overlay":       {"volumes: ['overlay:/data']", "HSE-FS-003", fail},
		"a share with a password":           {"volumes: ['share:/data']", "HSE-SEC-004", fail},
		"a share with a file of them":       {"volumes: ['shared:/data']", "HSE-SEC-004", pass},
		"a volume in memory":                {"volumes: ['memory:/data']", "HSE-FS-003", pass},
		"a disk of the host":                {"volumes: ['disk:/data']", "HSE-FS-003", fail},
		"a volume of another driver":        {"volumes: ['plugin:/data']", "HSE-OPS-010", unknown},
		"a named volume in short form":      {"volumes: ['data:/data']", "HSE-FS-002", pass},
		"a named volume is not the host":    {"volumes: ['data:/data']", "HSE-FS-003", pass},
		"a bind in the clothes of a volume": {"volumes: ['disguised:/data']", "HSE-FS-003", fail},
		"/srv/app read-only":                {"volumes: ['/srv/app:/data:ro']", "HSE-FS-003", pass},
		"/etc/localtime read-only":          {"volumes: ['/etc/localtime:/etc/localtime:ro']", "HSE-FS-003", pass},
		"/etc/localtime writable":           {"volumes: ['/etc/localtime:/etc/localtime']", "HSE-FS-003", fail},
		"/etc":                              {"volumes: ['/etc:/x:ro']", "HSE-FS-003", fail},
		"/library is not /lib":              {"volumes: ['/library:/x:ro']", "HSE-FS-003", pass},
		"the root":                          {"volumes: ['/:/host:ro']", "HSE-FS-003", fail},
		"a writable bind":                   {"volumes: ['./data:/data']", "HSE-FS-002", fail},
		"a tmpfs without a size":            {"tmpfs: [/tmp]", "HSE-FS-002", fail},
		"a tmpfs with a size":               {"tmpfs: ['/tmp:size=16m']", "HSE-FS-002", pass},
		"a tmpfs for programs":              {"tmpfs: ['/tmp:size=16m,exec']", "HSE-FS-002", fail},
		"a shared mount":                    {"volumes: [{type: bind, source: /srv, target: /x, read_only: true, bind: {propagation: rshared}}]", "HSE-FS-006", fail},
		"a slave mount":                     {"volumes: [{type: bind, source: /srv, target: /x, read_only: true, bind: {propagation: rslave}}]", "HSE-FS-006", pass},
		"user 0:0":                          {"user: '0:0'", "HSE-USR-001", fail},
		"user root":                         {"user: root", "HSE-USR-001", fail},
		"no user":                           {"init: true", "HSE-USR-001", unknown},
		"a user by name":                    {"user: www-data", "HSE-USR-001", unknown},
		"a user by number":                  {"user: '1000:1000'", "HSE-USR-001", pass},
		"a user without a group":            {"user: '1000'", "HSE-USR-002", fail},
		"a further group root":              {"user: '1000:1000'\n    group_add: ['0']", "HSE-USR-002", fail},
		"no health test in the file":        {"init: true", "HSE-HLT-001", unknown},
		"the health test switched off":      {"healthcheck: {disable: true}", "HSE-HLT-001", fail},
		"a test NONE":                       {"healthcheck: {test: [NONE]}", "HSE-HLT-001", fail},
		"a test that cannot fail":           {"healthcheck: {test: [CMD, 'true']}", "HSE-HLT-004", fail},
		"a password file":                   {"environment: {X_PASSWORD_FILE: /run/secrets/x}", "HSE-SEC-001", pass},
		"a password":                        {"environment: {X_PASSWORD: hunter2}", "HSE-SEC-001", fail},
		"a password from elsewhere":         {"environment: {X_PASSWORD: '${X_PASSWORD}'}", "HSE-SEC-001", fail},
		"a required password":               {"environment: {X_PASSWORD: '${X_PASSWORD:?no}'}", "HSE-SEC-001", fail},
		"a password of the shell":           {"environment: [X_PASSWORD]", "HSE-SEC-001", fail},
		"an empty password":                 {"environment: {X_PASSWORD: ''}", "HSE-SEC-001", pass},
		"a password in a label":             {"labels: {db.password: hunter2}", "HSE-SEC-004", fail},
		"a password on the command line":    {"command: [server, --password, hunter2]", "HSE-SEC-004", fail},
		"a password in a build argument":    {"build: {context: ., args: {NPM_TOKEN: hunter2}}", "HSE-SEC-004", fail},
		"no logging":                        {"init: true", "HSE-LOG-001", fail},
		"logging that rotates":              {"logging: {driver: json-file, options: {max-size: 10m}}", "HSE-LOG-001", pass},
		"driver local":                      {"logging: {driver: local}", "HSE-LOG-001", pass},
		"driver none":                       {"logging: {driver: none}", "HSE-LOG-002", fail},
		"an internal network and a port":    {"networks: [closed]\n    ports: ['127.0.0.1:8080:80']", "HSE-NET-002", fail},
		"the implicit network":              {"init: true", "HSE-NET-004", pass},
		"docker0":                           {"network_mode: bridge", "HSE-NET-004", fail},
		"a network of its own":              {"networks: [closed]", "HSE-NET-004", pass},
		"an internal network":               {"networks: [closed]", "HSE-NET-005", pass},
		"a network that leads out":          {"networks: [open]", "HSE-NET-005", fail},
		"a network without masquerading":    {"networks: [quiet]", "HSE-NET-005", pass},
		"a network of others":               {"networks: [others]", "HSE-NET-005", unknown},
		"restart always without a test":     {"restart: always", "HSE-LIF-004", unknown},
		"restart on-failure:3":              {"restart: on-failure:3", "HSE-LIF-004", pass},
		"restart on-failure:9":              {"restart: on-failure:9\n    healthcheck: {test: [CMD, x]}", "HSE-LIF-004", fail},
		"deploy's policy wins":              {"restart: on-failure:3\n    healthcheck: {disable: true}\n    deploy: {restart_policy: {condition: any}}", "HSE-LIF-004", fail},
		"no grace":                          {"init: true", "HSE-LIF-002", unknown},
		"a grace":                           {"stop_grace_period: 30s", "HSE-LIF-002", pass},
		"read_only":                         {"read_only: true", "HSE-FS-001", pass},
		"not read_only":                     {"init: true", "HSE-FS-001", fail},
		"cgroup host":                       {"cgroup: host", "HSE-KRN-007", fail},
		"a sysctl":                          {"sysctls: {kernel.msgmax: 1}", "HSE-KRN-005", fail},
		"another's pid namespace":           {"pid: 'service:other'", "HSE-NS-006", fail},
		"the host under a name":             {"extra_hosts: ['host.docker.internal:host-gateway']", "HSE-NET-008", fail},
		"an external program":               {"provider: {type: cloud}", "HSE-FS-001", unknown},
		"limits of files":                   {"ulimits: {nofile: 1024, core: 0}", "HSE-RES-005", pass},
		"limits of files unset":             {"init: true", "HSE-RES-005", unknown},
	} {
		t.Run(name, func(t *testing.T) {
			image := "    image: example/app:1\n"
			if strings.Contains(c.lines, "provider:") {
				image = ""
			}
			p := loadText(t, "services:\n  app:\n"+image+"    "+c.lines+"\n  other: {image: x}\n"+`volumes:
  data: {}
  disguised: {driver_opts: {type: none, o: bind, device: /etc}}
  proc: {driver_opts: {type: proc, device: proc}}
  sysfs: {driver_opts: {type: sysfs, device: sysfs}}
  overlay: {driver_opts: {type: overlay, device: overlay, o: "lowerdir=/etc,upperdir=/srv/u,workdir=/srv/w"}}
  share: {driver_opts: {type: cifs, device: //files.example/share, o: "username=shop,password=hunter2"}}
  shared: {driver_opts: {type: cifs, device: //files.example/share, o: "credentials=/etc/shop.credentials"}}
  memory: {driver_opts: {type: tmpfs, device: tmpfs, o: "size=64m,noexec,nosuid,nodev"}}
  disk: {driver_opts: {type: ext4, device: /dev/sda1}}
  plugin: {driver: rclone}
networks: {closed: {internal: true}, routed: {driver_opts: {com.docker.network.bridge.gateway_mode_ipv4: routed}}, unprotected: {driver_opts: {com.docker.network.bridge.gateway_mode_ipv6: nat-unprotected}},
  isolated: {internal: true, driver_opts: {com.docker.network.bridge.gateway_mode_ipv4: isolated}}, strange: {driver_opts: {com.docker.network.bridge.gateway_mode_ipv4: other}}, open: {}, others: {external: true}, quiet: {driver_opts: {com.docker.network.bridge.enable_ip_masquerade: "false"}}}
`)
			got := verdict(t, p, c.control)
			if got.Status != c.want {
				t.Errorf("%s is %s (%s), want %s", c.control, got.Status, got.Detail, c.want)
			}
			if strings.Contains(got.Detail, "hunter2") {
				t.Errorf("the finding shows the value: %s", got.Detail)
			}
		})
	}
}

// What a key can say beyond the obvious, each with the control that notices it.
func TestKeysThatWeaken(t *testing.T) {
	pass, fail, unknown, none := finding.Pass, finding.Fail, finding.Unknown, finding.NotApplicable
	for name, c := range map[string]struct {
		lines, top string // of the service app, and of the file
		control    string
		want       finding.Status
		detail     string
	}{
		"apparmor=unconfined":            {"security_opt: ['apparmor=unconfined']", "", "HSE-KRN-003", fail, "opts out"},
		"apparmor:unconfined":            {"security_opt: ['apparmor:unconfined']", "", "HSE-KRN-003", fail, "opts out"},
		"the engine's AppArmor profile":  {"security_opt: ['apparmor=docker-default']", "", "HSE-OPS-010", none, ""},
		"another AppArmor profile":       {"security_opt: ['apparmor=mine']", "", "HSE-OPS-010", unknown, "security_opt apparmor"},
		"label=disable":                  {"security_opt: ['label=disable']", "", "HSE-KRN-003", fail, "opts out"},
		"label:disable":                  {"security_opt: ['label:disable']", "", "HSE-KRN-003", fail, "opts out"},
		"a type that may do everything":  {"security_opt: ['label=type:spc_t']", "", "HSE-KRN-003", fail, "opts out"},
		"another label":                  {"security_opt: ['label=level:s0:c1,c2']", "", "HSE-OPS-010", unknown, "security_opt label"},
		"a seccomp profile of its own":   {"security_opt: ['seccomp=filter.json']", "", "HSE-KRN-002", fail, "custom"},
		"of unknown content":             {"security_opt: ['seccomp=filter.json']", "", "HSE-OPS-010", unknown, "security_opt seccomp"},
		"an option of a later engine":    {"security_opt: ['novelty=1']", "", "HSE-OPS-010", unknown, "security_opt novelty"},
		"writable-cgroups":               {"security_opt: ['writable-cgroups=true']", "", "HSE-KRN-007", fail, "can be written"},
		"writable-cgroups off":           {"security_opt: ['writable-cgroups=true', 'writable-cgroups=false']", "", "HSE-KRN-007", pass, ""},
		"cgroup_parent":                  {"cgroup_parent: system.slice", "", "HSE-KRN-007", fail, "system.slice"},
		"runtime":                        {"runtime: nvidia", "", "HSE-KRN-008", fail, "nvidia"},
		"ipc: shareable":                 {"ipc: shareable", "", "HSE-NS-006", fail, "ipc"},
		"ipc: service":                   {"ipc: 'service:other'", "", "HSE-NS-006", fail, "ipc"},
		"ipc of a later engine":          {"ipc: novel", "", "HSE-OPS-010", unknown, "ipc novel"},
		"pid: container":                 {"pid: 'container:abc'", "", "HSE-NS-006", fail, "pid"},
		"network_mode: container":        {"network_mode: 'container:abc'", "", "HSE-NS-006", fail, "network"},
		"its ports are another's":        {"network_mode: 'service:other'", "", "HSE-NET-001", unknown, "another container"},
		"userns of another engine":       {"userns_mode: keep-id", "", "HSE-OPS-010", unknown, "userns_mode keep-id"},
		"isolation":                      {"isolation: hyperv", "", "HSE-OPS-010", unknown, "isolation hyperv"},
		"oom_kill_disable":               {"oom_kill_disable: true", "", "HSE-RES-006", fail, "stops the host"},
		"oom_score_adj":                  {"oom_score_adj: -900", "", "HSE-RES-006", fail, "-900"},
		"killed first":                   {"oom_score_adj: 900", "", "HSE-RES-006", none, ""},
		"group_add by a name":            {"user: '7:7'\n    group_add: [docker]", "", "HSE-USR-002", fail, "docker"},
		"group_add root":                 {"user: '7:7'\n    group_add: [root]", "", "HSE-USR-002", fail, "group 0"},
		"a hook as root":                 {"user: '7:7'\n    pre_stop: [{command: [x], user: '0'}]", "", "HSE-USR-006", fail, "entered as root"},
		"a hook of an unknown user":      {"user: '7:7'\n    pre_stop: [{command: [x], user: www}]", "", "HSE-USR-001", unknown, "www"},
		"a secret for a hook":            {"post_start: [{command: [x], environment: {API_TOKEN: hunter2}}]", "", "HSE-SEC-001", fail, "API_TOKEN"},
		"a secret of a hook's command":   {"post_start: [{command: [x, --token=hunter2]}]", "", "HSE-SEC-004", fail, "token"},
		"a secret in an annotation":      {"annotations: {db.password: hunter2}", "", "HSE-SEC-004", fail, "db.password"},
		"a secret in a label of deploy":  {"deploy: {labels: {db.password: hunter2}}", "", "HSE-SEC-004", fail, "db.password"},
		"a secret of the log driver":     {"logging: {driver: splunk, options: {splunk-token: hunter2}}", "", "HSE-SEC-004", fail, "splunk"},
		"a secret of a share":            {"volumes: ['share:/x']", "volumes: {share: {driver_opts: {type: cifs, device: //h/s, o: 'username=a,password=hunter2'}}}", "HSE-SEC-004", fail, "password"},
		"a secret in a Dockerfile":       {"build: {dockerfile_inline: 'FROM x\n\n      ENV API_TOKEN=hunter2'}", "", "HSE-SEC-004", fail, "API_TOKEN"},
		"a secret in a build label":      {"build: {context: ., labels: {db.password: hunter2}}", "", "HSE-SEC-004", fail, "db.password"},
		"a device that any driver names": {"devices: ['vendor.com/class=name']", "", "HSE-KRN-004", fail, "vendor.com"},
		"a device in long form":          {"devices: [{source: /dev/kvm, target: /dev/kvm}]", "", "HSE-KRN-004", fail, "/dev/kvm"},
		"a rule for devices":             {"device_cgroup_rules: ['c 1:3 mr']", "", "HSE-KRN-004", fail, "c 1:3"},
		"a resource of a cluster":        {"deploy: {resources: {reservations: {generic_resources: [{discrete_resource_spec: {kind: gpu, value: 1}}]}}}", "", "HSE-KRN-004", fail, "gpu"},
		"a disk as a bind":               {"volumes: ['/dev/sda:/x']", "", "HSE-FS-003", fail, "/dev/sda"},
		"a metadata service":             {"extra_hosts: ['meta:169.254.169.254']", "", "HSE-NET-008", fail, "meta"},
		"a metadata service by IPv6":     {"extra_hosts: ['meta=[fd00:ec2::254]']", "", "HSE-NET-008", fail, "meta"},
		"a host's name for a build":      {"build: {context: ., extra_hosts: ['h:host-gateway']}", "", "HSE-NET-008", fail, "h leads"},
		"an endpoint's parameter":        {"networks: {a: {driver_opts: {com.docker.network.endpoint.sysctls: 'net.ipv4.conf.IFNAME.route_localnet=1'}}}", "networks: {a: {}}", "HSE-KRN-005", fail, "route_localnet"},
		"an endpoint's other option":     {"networks: {a: {driver_opts: {novel: x}}}", "networks: {a: {}}", "HSE-OPS-010", unknown, "networks.a.driver_opts novel"},
		"real-time scheduling":           {"cpu_rt_runtime: '400000'", "", "HSE-OPS-010", unknown, "cpu_rt_runtime"},
		"credential_spec":                {"credential_spec: {file: x.json}", "", "HSE-OPS-010", unknown, "credential_spec"},
		"storage_opt":                    {"storage_opt: {size: 1G}", "", "HSE-OPS-010", none, ""},
		"a model":                        {"models: [m]", "models: {m: {model: ai/x}}", "HSE-OPS-010", unknown, "models"},
		"volumes_from":                   {"volumes_from: [other]", "", "HSE-OPS-010", unknown, "volumes_from"},
		"a mount of another type":        {"volumes: [{type: image, source: x, target: /x}]", "", "HSE-OPS-010", unknown, "volumes of type image"},
		"writable below a read-only one": {"volumes: [{type: bind, source: /srv, target: /x, read_only: true, bind: {recursive: writable}}]", "", "HSE-OPS-010", unknown, "recursive"},

		"a volume of /proc":            {"volumes: ['vv:/x']", "volumes: {vv: {driver_opts: {type: proc, device: proc, o: ''}}}", "HSE-FS-003", fail, "/proc"},
		"a volume of sysfs":            {"volumes: ['vv:/x']", "volumes: {vv: {driver_opts: {type: sysfs, device: sysfs}}}", "HSE-FS-003", fail, "/sys"},
		"a volume over the root":       {"volumes: ['vv:/x']", "volumes: {vv: {driver_opts: {type: overlay, device: overlay, o: 'lowerdir=/,upperdir=/tmp/u,workdir=/tmp/w'}}}", "HSE-FS-003", fail, "/ of the host"},
		"a volume that is a disk":      {"volumes: ['vv:/x']", "volumes: {vv: {driver_opts: {type: ext4, device: /dev/sda1}}}", "HSE-FS-003", fail, "/dev/sda1"},
		"a volume that is the socket":  {"volumes: ['vv:/x']", "volumes: {vv: {driver_opts: {type: none, o: bind, device: /var/run/docker.sock}}}", "HSE-FS-004", fail, "docker.sock"},
		"a volume that is shared":      {"volumes: ['vv:/x']", "volumes: {vv: {driver_opts: {type: none, o: 'bind,rshared', device: /srv}}}", "HSE-FS-006", fail, "shared"},
		"a volume in memory, no size":  {"volumes: ['vv:/x']", "volumes: {vv: {driver_opts: {type: tmpfs, device: tmpfs}}}", "HSE-FS-002", fail, "no size"},
		"a volume in memory":           {"volumes: ['vv:/x']", "volumes: {vv: {driver_opts: {type: tmpfs, device: tmpfs, o: 'size=1m,noexec,nosuid,nodev'}}}", "HSE-FS-002", pass, ""},
		"a volume of a share":          {"volumes: ['vv:/x']", "volumes: {vv: {driver_opts: {type: nfs, device: ':/x', o: addr=10.0.0.1}}}", "HSE-OPS-010", none, ""},
		"a volume of a plugin":         {"volumes: ['vv:/x']", "volumes: {vv: {driver: vieux/sshfs}}", "HSE-OPS-010", unknown, "volumes.vv.driver vieux/sshfs"},
		"a volume of an unknown kind":  {"volumes: ['vv:/x']", "volumes: {vv: {driver_opts: {type: novelfs}}}", "HSE-OPS-010", unknown, "novelfs"},
		"a volume that is made before": {"volumes: ['vv:/x']", "volumes: {vv: {external: true}}", "HSE-FS-005", unknown, "created outside this stack"},

		"a network called host":                 {"networks: [nn]", "networks: {nn: {external: true, name: host}}", "HSE-NS-003", fail, "host's"},
		"a network called bridge":               {"networks: [nn]", "networks: {nn: {external: true, name: bridge}}", "HSE-NET-004", fail, "default bridge"},
		"macvlan":                               {"networks: [nn]", "networks: {nn: {driver: macvlan, driver_opts: {parent: eth0}}}", "HSE-NET-001", unknown, "macvlan"},
		"macvlan leads out":                     {"networks: [nn]", "networks: {nn: {driver: macvlan, driver_opts: {com.docker.network.bridge.enable_ip_masquerade: 'false'}}}", "HSE-NET-005", fail, "leads out"},
		"macvlan, internal":                     {"networks: [nn]", "networks: {nn: {driver: macvlan, internal: true}}", "HSE-NET-001", pass, ""},
		"unguarded ports":                       {"networks: [nn]", "networks: {nn: {driver_opts: {com.docker.network.bridge.gateway_mode_ipv4: nat-unprotected}}}", "HSE-NET-001", unknown, "nat-unprotected"},
		"a network of a plugin":                 {"networks: [nn]", "networks: {nn: {driver: weave}}", "HSE-OPS-010", unknown, "networks.nn.driver weave"},
		"an option of a later engine's network": {"networks: [nn]", "networks: {nn: {driver_opts: {com.docker.network.bridge.trusted_host_interfaces: eth1}}}", "HSE-OPS-010", unknown, "trusted_host_interfaces"},
		"IPv6 has no masquerading":              {"networks: [nn]", "networks: {nn: {enable_ipv6: true, driver_opts: {com.docker.network.bridge.enable_ip_masquerade: 'false'}}}", "HSE-NET-005", fail, "leads out"},
		"addresses from a plugin":               {"networks: [nn]", "networks: {nn: {ipam: {driver: novel}}}", "HSE-OPS-010", unknown, "ipam.driver"},

		"a secret that is the socket":  {"secrets: [ss]", "secrets: {ss: {file: /var/run/docker.sock}}", "HSE-FS-004", fail, "docker.sock"},
		"a config that is a directory": {"configs: [ss]", "configs: {ss: {file: /etc}}", "HSE-FS-003", fail, "/etc"},
		"a secret that is the shadow":  {"secrets: [ss]", "secrets: {ss: {file: /etc/shadow}}", "HSE-FS-003", fail, "/etc/shadow"},
		"a secret that is a file":      {"secrets: [ss]", "secrets: {ss: {file: /etc/shop/token}}", "HSE-FS-003", pass, ""},
		"a secret kept elsewhere":      {"secrets: [ss]", "secrets: {ss: {external: true}}", "HSE-OPS-010", unknown, "secrets.ss.external"},
		"a secret in a config":         {"configs: [ss]", "configs: {ss: {content: 'password=hunter2'}}", "HSE-SEC-004", fail, "password"},
	} {
		t.Run(name, func(t *testing.T) {
			image := "    image: example/app:1\n"
			if strings.Contains(c.lines, "provider:") {
				image = ""
			}
			p := loadText(t, "services:\n  app:\n"+image+"    "+c.lines+"\n  other: {image: x}\n"+c.top+"\n")
			got := verdict(t, p, c.control)
			if got.Status != c.want || c.want != none && !strings.Contains(got.Detail, c.detail) {
				t.Errorf("%s is %s (%s), want %s (%s)", c.control, got.Status, got.Detail, c.want, c.detail)
			}
			if strings.Contains(got.Detail, "hunter2") {
				t.Errorf("the finding shows the value: %s", got.Detail)
			}
		})
	}
}

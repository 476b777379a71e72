package witness_test

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/importer"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/witness"
	"github.com/hsectl/hsectl/profiles"
)

// granted says where a profile may be clean although the rendered file alone is not, and tells whether the service has the grant
// that makes the difference. Everything else must agree.
func granted(s stack.Stack, service stack.Service, control string) bool {
	switch control {
	case "HSE-CAP-001": // each declared capability has a reason, which a Compose file has no place for
		return len(service.Capabilities) > 0
	case "HSE-FS-002": // exec: true is a grant of one path
		return slices.ContainsFunc(service.Writable, func(w stack.Writable) bool { return w.Exec })
	case "HSE-NET-001": // an address that is written is a grant; without one a port is on 127.0.0.1
		return slices.ContainsFunc(service.Ports, func(p stack.Port) bool {
			a, err := netip.ParseAddr(p.Address)
			return err == nil && a.IsUnspecified()
		})
	case "HSE-NET-005": // egress: true is a grant of one network, and a network of the watched stack is internal there
		return s.Intent(service).Egress || slices.ContainsFunc(s.Networks, func(n stack.Network) bool { return n.External && !n.Egress })
	case "HSE-SEC-002", "HSE-SEC-005": // deploy delivers the secrets of a profile as files of mode 0400
		return service.Extra["secrets"] == nil
	case "HSE-FS-005": // volumes: {NAME: {external: true}} is a grant of that volume
		return slices.ContainsFunc(s.Intent(service).Writable, func(m policy.Mount) bool { return m.External })
	}
	return false
}

// disagreements are the findings that the rendered file has and the profile does not.
func disagreements(t testing.TB, s stack.Stack) []string {
	t.Helper()
	data, err := generate.Compose(s, generate.Source{BuildRoot: "."})
	if err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{}
	for _, name := range s.Required() {
		variables[name] = "required"
	}
	file, err := composefile.Read(t.Context(), generate.ComposeFile, data, composefile.Environment{Variables: variables})
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	declared := map[string]finding.Finding{}
	for _, f := range check(t, s) {
		declared[f.Subject+" "+f.Control] = f
	}
	var out []string
	for _, f := range file.Check() {
		if f.Status != finding.Fail && f.Status != finding.Unknown {
			continue
		}
		in, judged := declared[f.Subject+" "+f.Control]
		clean := !judged || in.Status == finding.Pass || in.Status == finding.NotApplicable
		service, _ := s.Service(f.Subject)
		if clean && !granted(s, service, f.Control) {
			out = append(out, fmt.Sprintf("%s %s is %s in the rendered file (%s) and %s in the profile (%s)", f.Subject, f.Control, f.Status, f.Detail, in.Status, in.Detail))
		}
	}
	return out
}

var today = time.Date(2026, 6, 15, 0, 0, 0, 0, time.UTC)

// What fails or is unknown in the rendered file is never clean in the profile: for every valid profile and preset, and for every
// Compose file that is turned into a profile.
func TestTheProfileIsNeverCleanerThanItsFile(t *testing.T) {
	texts := map[string]string{}
	for _, pattern := range []string{"../../testdata/profiles/valid-*.yaml", "../../profiles/hse-digital.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(data), "extends:") { // those name files that this test does not read
				texts[filepath.Base(file)] = string(data)
			}
		}
	}
	imported, err := filepath.Glob("../../testdata/compose/*.y*ml")
	if err != nil || len(imported) < 50 {
		t.Fatalf("%d Compose files, %v", len(imported), err)
	}
	for _, file := range imported {
		if text, ok := asProfile(t, file); ok {
			texts[filepath.Base(file)] = text
		}
	}
	judged := 0
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		p, err := parser.Parse([]byte(texts[name]), parser.Options{File: name, Library: profiles.Library{}})
		if err != nil {
			continue // a question of the import is open, or an overlay is missing
		}
		judged++
		for _, line := range disagreements(t, stack.New(p)) {
			t.Errorf("%s: %s", name, line)
		}
	}
	if judged < 70 {
		t.Errorf("only %d profiles were judged", judged)
	}
}

// asProfile is a Compose file as a profile.
func asProfile(t *testing.T, file string) (string, bool) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	project, err := composefile.Read(t.Context(), filepath.Base(file), data, composefile.Environment{Dir: "/srv/compose"})
	if err != nil {
		return "", false // it includes or extends others
	}
	draft, err := importer.Profile(project, importer.Target{Dir: "/srv", Source: "compose.yml", Today: today, Library: profiles.Library{}})
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return string(draft.Text), true
}

// doors are ways to weaken a service through a key that is passed through, with the control that must see each.
func doors() map[string]string {
	return map[string]string{
		"healthcheck: {disable: true}":                       "HSE-HLT-001",
		"healthcheck: {test: [NONE]}":                        "HSE-HLT-001",
		"logging: {driver: none}":                            "HSE-LOG-002",
		"labels: {api_token: hunter2}":                       "HSE-SEC-004",
		"annotations: {api_token: hunter2}":                  "HSE-SEC-004",
		"environment: {API_TOKEN: hunter2}":                  "HSE-SEC-001",
		"command: [serve, --password=hunter2]":               "HSE-SEC-004",
		"security_opt: ['apparmor:unconfined']":              "",
		"security_opt: ['apparmor=unconfined']":              "",
		"security_opt: ['label:disable']":                    "",
		"security_opt: ['seccomp:unconfined']":               "HSE-KRN-001",
		"security_opt: ['seccomp:/etc/filter.json']":         "",
		"security_opt: ['systempaths=unconfined']":           "HSE-KRN-006",
		"security_opt: ['writable-cgroups=true']":            "",
		"privileged: true":                                   "HSE-PRV-001",
		"pid: host":                                          "HSE-NS-001",
		"ipc: host":                                          "HSE-NS-002",
		"ipc: shareable":                                     "",
		"network_mode: host":                                 "HSE-NS-003",
		"uts: host":                                          "HSE-NS-004",
		"userns_mode: host":                                  "HSE-NS-005",
		"cgroup: host":                                       "HSE-KRN-007",
		"cgroup_parent: /other":                              "HSE-KRN-007",
		"runtime: other":                                     "HSE-KRN-008",
		"devices: ['/dev/kmsg:/dev/kmsg']":                   "HSE-KRN-004",
		"device_cgroup_rules: ['c 1:1 rwm']":                 "HSE-KRN-004",
		"gpus: all":                                          "HSE-KRN-004",
		"sysctls: {kernel.msgmax: 1}":                        "HSE-KRN-005",
		"group_add: [docker]":                                "",
		"group_add: ['0']":                                   "HSE-USR-002",
		"group_add: [disk]":                                  "HSE-USR-002",
		"group_add: ['6']":                                   "HSE-USR-002",
		"extra_hosts: ['meta:fd00:ec2::254']":                "HSE-NET-008",
		"extra_hosts: ['metadata.google.internal:10.0.0.1']": "HSE-NET-008",
		"ports: [{target: 80, published: '80', host_ip: '::ffff:0.0.0.0'}]": "HSE-NET-001",
		"oom_kill_disable: true":                                                           "",
		"oom_score_adj: -1000":                                                             "",
		"extra_hosts: ['meta:169.254.169.254']":                                            "HSE-NET-008",
		"use_api_socket: true":                                                             "HSE-FS-004",
		"volumes: [{type: bind, source: /, target: /host}]":                                "HSE-FS-005",
		"volumes: [{type: bind, source: /var/run/docker.sock, target: /s}]":                "HSE-FS-004",
		"volumes: [{type: bind, source: /data, target: /d, bind: {propagation: rshared}}]": "HSE-FS-006",
		"ports: [{target: 80, published: '80', mode: host}]":                               "HSE-NET-001",
		"ports: [{target: 80, published: '80', host_ip: '::'}]":                            "HSE-NET-001",
		"post_start: [{command: [x], user: root, privileged: true}]":                       "HSE-PRV-001",
		"pre_stop: [{command: [x], user: root}]":                                           "HSE-USR-001",
		"provider: {type: other}":                                                          "",
		"volumes_from: [other]":                                                            "",
		"credential_spec: {file: spec.json}":                                               "",
		"tmpfs: [/everything]":                                                             "", // has a place of its own, and is refused there
	}
}

// Each door is seen: the profile is not clean, and what the rendered file says is said of the profile.
func TestDoors(t *testing.T) {
	base := head + `services:
  web: {image: "example/web:1", user: "1000:1000", limits: {cpus: "1", memory: 64M, pids: 10}, health: {command: [check]}, networks: [open]}
  other: {image: "example/web:1", user: "1001:1001", limits: {cpus: "1", memory: 64M, pids: 10}, health: {command: [check]}}
networks: {open: {egress: true}}
`
	before := map[string]bool{} // what does not hold without the door
	for _, f := range check(t, parse(t, base)) {
		if !f.Proven() {
			before[f.Subject+" "+f.Control] = true
		}
	}
	for door, control := range doors() {
		t.Run(door, func(t *testing.T) {
			var keys map[string]any
			if err := yaml.Unmarshal([]byte(door), &keys); err != nil {
				t.Fatal(err)
			}
			s := parse(t, base)
			i := slices.IndexFunc(s.Services, func(s stack.Service) bool { return s.Name == "web" })
			s.Services[i].Extra = keys
			for _, line := range disagreements(t, s) {
				t.Error(line)
			}
			var new []string
			for _, f := range check(t, s) {
				if !f.Proven() && !before[f.Subject+" "+f.Control] {
					new = append(new, f.Control)
				}
			}
			if len(new) == 0 || control != "" && !slices.Contains(new, control) {
				t.Errorf("it breaks %v, and should break %s", new, control)
			}
			declared, err := witness.Declare(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			broken, err := declared.Breaks(t.Context())
			if err != nil || len(broken) == 0 {
				t.Errorf("it breaks %v, %v", broken, err)
			}
		})
	}
}

// A key that this version of Compose does not know cannot be judged, and the stack is not clean.
func TestWhatComposeDoesNotKnow(t *testing.T) {
	for _, keys := range []map[string]any{{"novelty": true}, {"deploy": map[string]any{"novelty": 1}}} {
		s := parse(t, head+"services: {cache: {preset: redis}}\n")
		s.Services[0].Extra = keys
		found := check(t, s)
		i := slices.IndexFunc(found, func(f finding.Finding) bool { return f.Control == composefile.EverythingJudged })
		if i < 0 || found[i].Status != finding.Unknown || !strings.Contains(found[i].Detail, "novelty") {
			t.Errorf("%v: %+v", keys, found)
		}
	}
}

// topDoors are ways to weaken a service through a key beside the services, with what the service passes through to use it, and the
// control that must see each.
func topDoors() map[[2]string]string {
	volume, config, secret, network := "volumes: [{type: volume, source: x, target: /x}]", "configs: [{source: x, target: /x}]", "secrets: [{source: x, target: /x}]", "networks: {x: {}}"
	return map[[2]string]string{
		{"volumes: {x: {driver_opts: {type: none, o: bind, device: /etc}}}", volume}:                                                                     "HSE-FS-003",
		{"volumes: {x: {driver_opts: {type: none, o: bind, device: /var/run/docker.sock}}}", volume}:                                                     "HSE-FS-004",
		{"volumes: {x: {driver_opts: {type: proc, device: proc}}}", volume}:                                                                              "HSE-FS-003",
		{"volumes: {x: {driver_opts: {type: sysfs, device: sysfs}}}", volume}:                                                                            "HSE-FS-003",
		{"volumes: {x: {driver_opts: {type: debugfs, device: none}}}", volume}:                                                                           "HSE-FS-003",
		{"volumes: {x: {driver_opts: {type: overlay, device: overlay, o: 'lowerdir=/,upperdir=/u,workdir=/w'}}}", volume}:                                "HSE-FS-003",
		{"volumes: {x: {driver_opts: {type: ext4, device: /dev/sda1}}}", volume}:                                                                         "HSE-FS-003",
		{"volumes: {x: {driver_opts: {type: cifs, device: //host/share, o: 'username=a,password=hunter2'}}}", volume}:                                    "HSE-SEC-004",
		{"volumes: {x: {driver_opts: {type: strange, device: thing}}}", volume}:                                                                          "HSE-OPS-010",
		{"volumes: {x: {driver: plugin}}", volume}:                                                                                                       "HSE-OPS-010",
		{"volumes: {x: {external: true, name: other_data}}", volume}:                                                                                     "HSE-FS-005",
		{"configs: {x: {file: /var/run/docker.sock}}", config}:                                                                                           "HSE-FS-004",
		{"configs: {x: {file: /etc}}", config}:                                                                                                           "HSE-FS-003",
		{"configs: {x: {file: /run/dbus/system_bus_socket}}", config}:                                                                                    "HSE-FS-003",
		{"configs: {x: {file: ../outside}}", config}:                                                                                                     "HSE-OPS-010",
		{"configs: {x: {file: /srv/conf/}}", config}:                                                                                                     "HSE-OPS-010",
		{"secrets: {x: {file: /etc/shadow}}", secret}:                                                                                                    "HSE-FS-003",
		{"secrets: {x: {file: /run/containerd/containerd.sock}}", secret}:                                                                                "HSE-FS-004",
		{"secrets: {x: {file: ../../outside}}", secret}:                                                                                                  "HSE-OPS-010",
		{"networks: {x: {external: true, name: other_default}}", network}:                                                                                "HSE-NET-004",
		{"networks: {x: {driver: host}}", network}:                                                                                                       "HSE-NET-003",
		{"networks: {x: {driver_opts: {com.docker.network.bridge.gateway_mode_ipv4: routed}}}", network}:                                                 "HSE-NET-001",
		{"networks: {x: {driver: macvlan, driver_opts: {parent: eth0}}}", network}:                                                                       "HSE-NET-001",
		{"networks: {x: {driver: plugin}}", network}:                                                                                                     "HSE-OPS-010",
		{"networks: {closed: {internal: false}}", "networks: {closed: {}}"}:                                                                              "HSE-NET-005",
		{"networks: {closed: {driver_opts: {com.docker.network.bridge.gateway_mode_ipv4: nat-unprotected}, internal: false}}", "networks: {closed: {}}"}: "HSE-NET-001",
	}
}

// A door beside the services is seen in the service that uses it.
func TestDoorsBesideTheServices(t *testing.T) {
	for door, control := range topDoors() {
		s := parse(t, head+`services:
  web: {image: "example/web:1", user: "1000:1000", limits: {cpus: "1", memory: 64M, pids: 10}, health: {command: [check]}, networks: [closed]}
networks: {closed: {}}
`)
		var top, keys map[string]any
		if err := errors.Join(yaml.Unmarshal([]byte(door[0]), &top), yaml.Unmarshal([]byte(door[1]), &keys)); err != nil {
			t.Fatal(err)
		}
		s.Extra, s.Services[0].Extra = top, keys
		found := check(t, s)
		i := slices.IndexFunc(found, func(f finding.Finding) bool { return f.Control == control })
		if i < 0 || found[i].Proven() {
			t.Errorf("%s is not seen by %s: %+v", door[0], control, found[max(i, 0)])
			continue
		}
		if strings.Contains(found[i].Detail, "hunter2") {
			t.Errorf("%s: the finding shows the value: %s", door[0], found[i].Detail)
		}
	}
}

// What Compose refuses cannot be read back, and is an error of its own.
func TestWhatComposeRefuses(t *testing.T) {
	for _, keys := range []map[string]any{{"healthcheck": "none"}, {"volumes": "all"}, {"network_mode": "service:missing"}} {
		s := parse(t, head+"services: {cache: {preset: redis}}\n")
		s.Services[0].Extra = keys
		var unreadable *witness.UnreadableError
		if _, err := witness.Check(t.Context(), s); !errors.As(err, &unreadable) {
			t.Errorf("%v: %v", keys, err)
		}
	}
}

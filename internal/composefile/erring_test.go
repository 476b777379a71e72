package composefile_test

import (
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
)

// The inputs at which KICS, docker-bench-security, dockle, dockguard and dclint were seen to err, by what is written. The
// engine test of the same name judges the same inputs running. What only a running container shows is not in this one.
func TestWhereOthersErr(t *testing.T) {
	pass, fail, unknown := finding.Pass, finding.Fail, finding.Unknown
	for name, c := range map[string]struct {
		lines string
		want  map[string]finding.Status
	}{
		"no-new-privileges:true then =false": {"security_opt: ['no-new-privileges:true', 'no-new-privileges=false']", map[string]finding.Status{"HSE-PRV-002": fail}},
		"seccomp=unconfined":                 {"security_opt: ['seccomp=unconfined']", map[string]finding.Status{"HSE-KRN-001": fail, "HSE-KRN-002": fail}},
		"systempaths=unconfined":             {"security_opt: ['systempaths=unconfined']", map[string]finding.Status{"HSE-KRN-006": fail}},
		"use_api_socket: true":               {"use_api_socket: true", map[string]finding.Status{"HSE-FS-004": fail}},
		"docker.sock bind, long syntax":      {"volumes: [{type: bind, source: /var/run/docker.sock, target: /var/run/docker.sock}]", map[string]finding.Status{"HSE-FS-004": fail, "HSE-FS-003": fail}},
		"cap_drop: [CHOWN] only":             {"cap_drop: [CHOWN]", map[string]finding.Status{"HSE-CAP-001": fail}},
		"non-root, no cap_drop":              {"user: '10001:10001'", map[string]finding.Status{"HSE-CAP-001": fail, "HSE-USR-001": pass}},
		"privileged, cap_drop ALL and a uid": {"privileged: true\n    cap_drop: [ALL]\n    user: '10001:10001'", map[string]finding.Status{"HSE-PRV-001": fail, "HSE-CAP-001": fail, "HSE-CAP-002": fail, "HSE-KRN-001": fail}},
		"a privileged hook, a device, the host's uts": {"post_start: [{command: [x], privileged: true}]\n    devices: ['/dev/null:/dev/x']\n    uts: host",
			map[string]finding.Status{"HSE-PRV-001": fail, "HSE-CAP-001": fail, "HSE-KRN-004": fail, "HSE-NS-004": fail}},
		"no limit of memory, cpu and pids, no version:": {"init: true", map[string]finding.Status{"HSE-RES-001": fail, "HSE-RES-003": fail, "HSE-RES-004": fail}},
		"127.0.0.1 in a long-form port":                 {"ports: [{target: 8080, published: '8080', host_ip: 127.0.0.1}]", map[string]finding.Status{"HSE-NET-001": pass, "HSE-NET-002": pass}},
		"named volume, short syntax, single user":       {"volumes: ['data:/data']", map[string]finding.Status{"HSE-FS-002": pass, "HSE-FS-003": pass, "HSE-FS-007": pass}},
		"/srv/app:/data:ro and /etc/localtime:ro":       {"volumes: ['/srv/app:/data:ro', '/etc/localtime:/etc/localtime:ro']", map[string]finding.Status{"HSE-FS-003": pass, "HSE-FS-011": pass}},
		`user: "0:0"`:                           {"user: '0:0'", map[string]finding.Status{"HSE-USR-001": fail, "HSE-USR-002": fail}},
		"image HEALTHCHECK, none in compose":    {"init: true", map[string]finding.Status{"HSE-HLT-001": unknown}},
		"X_PASSWORD_FILE: /run/secrets/x":       {"environment: {X_PASSWORD_FILE: /run/secrets/x}", map[string]finding.Status{"HSE-SEC-001": pass}},
		"internal network and a published port": {"networks: [closed]\n    ports: ['127.0.0.1:8080:80']", map[string]finding.Status{"HSE-NET-002": fail}},
	} {
		t.Run(name, func(t *testing.T) {
			text := "services:\n  app:\n    image: app:1\n    " + c.lines + "\nnetworks: {closed: {internal: true}}\nvolumes: {data: {}}\n"
			p := loadText(t, text)
			for control, want := range c.want {
				if f := verdict(t, p, control); f.Status != want {
					t.Errorf("%s is %s: %s", control, f.Status, f.Detail)
				}
			}
		})
	}
}

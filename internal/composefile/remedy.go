package composefile

import (
	"time"

	"github.com/hsectl/hsectl/internal/policy"
)

// EngineGrace is how long the engine waits before it kills when nothing is written: docker stop --time.
const EngineGrace = 10 * time.Second

// KeysOf returns the keys of a Compose service that decide a control, the most likely first.
func KeysOf(c policy.Control) []string {
	switch c.ID {
	case "HSE-FS-001":
		return []string{"read_only"}
	case "HSE-FS-004":
		return []string{"use_api_socket", "volumes"}
	case "HSE-FS-003", "HSE-FS-005", "HSE-FS-006":
		return []string{"volumes"}
	case "HSE-PRV-001":
		return []string{"privileged", "post_start", "pre_stop", "pre_start"}
	case "HSE-PRV-002", "HSE-KRN-001", "HSE-KRN-002", "HSE-KRN-006":
		return []string{"security_opt", "privileged"}
	case "HSE-KRN-005":
		return []string{"sysctls"}
	case "HSE-KRN-007":
		return []string{"cgroup", "cgroup_parent"}
	case "HSE-KRN-008":
		return []string{"runtime"}
	case "HSE-NS-006":
		return []string{"pid", "ipc", "network_mode"}
	case "HSE-NET-008":
		return []string{"extra_hosts"}
	case "HSE-FS-009":
		return []string{"shm_size"}
	case "HSE-LIF-006":
		return []string{"depends_on"}
	case "HSE-KRN-004":
		return []string{"devices", "gpus", "device_cgroup_rules", "deploy"}
	case "HSE-NS-001":
		return []string{"pid"}
	case "HSE-NS-002":
		return []string{"ipc"}
	case "HSE-NS-003":
		return []string{"network_mode"}
	case "HSE-NS-004":
		return []string{"uts"}
	case "HSE-NS-005":
		return []string{"userns_mode"}
	case "HSE-RES-001":
		return []string{"mem_limit", "deploy"}
	case "HSE-RES-002":
		return []string{"memswap_limit", "mem_limit", "deploy"}
	case "HSE-RES-003":
		return []string{"cpus", "deploy"}
	case "HSE-RES-004":
		return []string{"pids_limit", "deploy"}
	}
	return map[string][]string{
		"writable": {"volumes", "tmpfs"}, "user": {"user"}, "capabilities": {"cap_add", "cap_drop", "privileged"}, "ports": {"ports"},
		"networks": {"networks", "network_mode"}, "limits": {"deploy"}, "open_files": {"ulimits"}, "shutdown": {"stop_grace_period", "stop_signal"},
		"restart": {"restart", "deploy"}, "health": {"healthcheck"}, "environment": {"environment", "env_file"}, "secrets": {"secrets"},
		"command": {"command", "entrypoint", "labels"}, "logging": {"logging"}, "image": {"image", "build"},
	}[c.Key]
}

// remedies say what to write in a Compose file.
func remedies() map[string]string {
	return map[string]string{
		"HSE-FS-011":  "mount it with :ro",
		"HSE-KRN-002": "remove the seccomp option",
		"HSE-KRN-005": "remove the parameter, or write it into the host's own configuration",
		"HSE-KRN-007": "remove cgroup and cgroup_parent",
		"HSE-NS-006":  "remove pid, ipc or network_mode with service: or container:",
		"HSE-NET-008": "remove the name from extra_hosts",
		"HSE-LIF-006": "write depends_on with condition: service_healthy",
		"HSE-FS-001":  "write read_only: true, and tmpfs: for each path the service writes",
		"HSE-FS-002":  "use a named volume, or tmpfs with size=; mount what is only read with :ro",
		"HSE-FS-003":  "use a named volume, configs: or secrets:",
		"HSE-FS-004":  "remove the mount of the socket, and use_api_socket",
		"HSE-FS-005":  "remove the mount of the host's own path",
		"HSE-FS-006":  "drop bind.propagation",
		"HSE-USR-001": `write user: "uid:gid" with the numbers of the image's own user`,
		"HSE-USR-002": `write both numbers: user: "1000:1000"`,
		"HSE-USR-004": `write user: "uid:gid" with the numbers of the image's own user`,
		"HSE-CAP-001": "write cap_drop: [ALL], and add back only what is needed",
		"HSE-CAP-002": "take it out of cap_add",
		"HSE-PRV-001": "remove privileged: true",
		"HSE-PRV-002": `write security_opt: ["no-new-privileges:true"], once`,
		"HSE-KRN-001": "remove seccomp=unconfined",
		"HSE-KRN-004": "remove the device",
		"HSE-KRN-006": "remove systempaths=unconfined",
		"HSE-NS-001":  "remove pid: host", "HSE-NS-002": "remove ipc: host", "HSE-NS-003": "remove network_mode: host, and publish the ports",
		"HSE-NS-004": "remove uts: host", "HSE-NS-005": "remove userns_mode: host",
		"HSE-NET-001": `write the address: "127.0.0.1:8080:8080"`,
		"HSE-NET-002": "give the service a network that is not internal, or drop the port",
		"HSE-NET-004": "define networks: and name them in each service",
		"HSE-NET-005": "write internal: true on networks that need no way out",
		"HSE-RES-001": "write deploy: {resources: {limits: {memory: 512M}}}",
		"HSE-RES-002": "write memswap_limit: with the same amount as the memory limit",
		"HSE-RES-003": `write deploy: {resources: {limits: {cpus: "1.0"}}}`,
		"HSE-RES-004": "write deploy: {resources: {limits: {pids: 200}}}",
		"HSE-RES-005": "write ulimits: {nofile: 16384, core: 0}",
		"HSE-LIF-002": "write stop_grace_period: 30s, and stop_signal: when the image's own is not meant",
		"HSE-LIF-004": "write healthcheck:; without one restart: on-failure:5 limits the restarts, and the service stays down when the engine restarts",
		"HSE-HLT-001": "write healthcheck:", "HSE-HLT-004": "let the test ask the service",
		"HSE-SEC-001": "move it to secrets:, and let the program read the file in the way that its image knows: hsectl presets NAME",
		"HSE-SEC-002": "turn the file into a profile with hsectl init --from, so that deploy delivers secrets to one user only",
		"HSE-LOG-001": `write logging: {driver: json-file, options: {max-size: 10m, max-file: "3"}}`,
		"HSE-PRE-001": `write tmpfs: ["/tmp:size=64m,mode=1777,uid=1000,gid=1000"]`,
		"HSE-PRE-003": "write user: with the image's own user; then no capability is needed",
		"HSE-PRE-004": "add the capability to cap_add",
		"HSE-PRE-007": "use a tool that is in the image",
		"HSE-PRE-008": "raise stop_grace_period, or set what the detail names",
		"HSE-PRE-010": "publish its port on 127.0.0.1 only, or not at all",
		"HSE-PRE-012": "add the path to the image, owned by the user",
		"HSE-LOG-002": "use another log driver than none",
	}
}

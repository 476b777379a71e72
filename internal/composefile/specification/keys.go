// Package specification knows the keys of the Compose specification: which of them controls judge, which are neutral and why, and
// how keys are found in YAML as it is written. Everything else in a file is something that this version does not know.
package specification

import "strings"

// Treatment is what becomes of a key.
type Treatment int

// The zero treatment is that of a key that was never classified.
const (
	Open    Treatment = iota // no control judges it: a service that has it gets an unknown
	Judged                   // controls judge what it says
	Neutral                  // it gives a service nothing, and takes no wall away
)

// Key is a key of a Compose file. In its path a star stands for a name; what ends with two stars is meant with all below it.
type Key struct {
	Path      string
	Treatment Treatment
	Why       string // the controls that judge it, or the reason why none has to
}

// Keys returns every key of services, networks, volumes, secrets, configs and models that this version knows. A key that is
// not among them is unknown, and never passes.
func Keys() []Key {
	var out []Key
	for _, group := range [][]Key{serviceKeys(), containerKeys(), workloadKeys(), buildKeys(), resourceKeys()} {
		for _, row := range group {
			for _, path := range strings.Fields(row.Path) {
				out = append(out, Key{path, row.Treatment, row.Why})
			}
		}
	}
	return out
}

// serviceKeys are of services alone, or of jobs alone.
func serviceKeys() []Key {
	return []Key{
		{"service.name service.container_name", Neutral, "names"},
		{"service.profiles service.scale service.triggers.**", Neutral, "whether and how often it runs, which the engine shows for a running container"},
		{"service.attach", Neutral, "what docker compose up shows"},
		{"service.extends.**", Neutral, "has been merged into the service"},
		{"service.links", Neutral, "further names for services on the same networks"},
		{"service.restart", Judged, "HSE-LIF-004"},
		{"service.external_links", Open, "leads to containers of other projects"},
		{"service.net", Open, "a form of network_mode that this version does not read"},
		{"service.provider.**", Open, "an external program makes the service, in its own way"},
		{"service.develop.**", Open, "docker compose watch changes the running container"},
		{"service.pre_start.**", Open, "a separate container; only its user, privileges, capabilities and text are judged"},
		{"service.post_start.command service.pre_stop.command", Judged, "HSE-SEC-004"},
		{"service.post_start.user service.pre_stop.user", Judged, "HSE-USR-001 HSE-USR-006"},
		{"service.post_start.privileged service.pre_stop.privileged", Judged, "HSE-PRV-001 HSE-USR-006"},
		{"service.post_start.environment service.pre_stop.environment", Judged, "HSE-SEC-001"},
		{"service.post_start service.pre_stop service.post_start.working_dir service.pre_stop.working_dir", Neutral, "where the command runs, in the container"},
		{"service.deploy service.deploy.resources service.deploy.resources.limits service.deploy.resources.reservations service.deploy.restart_policy", Neutral, "its keys are judged"},
		{"service.deploy.replicas", Judged, "HSE-LIF-007"},
		{"service.deploy.labels", Judged, "HSE-SEC-004"},
		{"service.deploy.mode service.deploy.endpoint_mode service.deploy.update_config.** service.deploy.rollback_config.** service.deploy.placement.**", Neutral, "placement and order in a cluster; Compose ignores it"},
		{"service.deploy.resources.limits.cpus", Judged, "HSE-RES-003"},
		{"service.deploy.resources.limits.memory", Judged, "HSE-RES-001 HSE-RES-002"},
		{"service.deploy.resources.limits.pids", Judged, "HSE-RES-004"},
		{"service.deploy.resources.limits.devices.** service.deploy.resources.reservations.devices.**", Judged, "HSE-KRN-004"},
		{"service.deploy.resources.limits.generic_resources.** service.deploy.resources.reservations.generic_resources.**", Judged, "HSE-KRN-004"},
		{"service.deploy.resources.reservations.cpus service.deploy.resources.reservations.memory service.deploy.resources.reservations.pids", Neutral, "resources that a cluster reserves for it"},
		{"service.deploy.restart_policy.condition service.deploy.restart_policy.max_attempts", Judged, "HSE-LIF-004"},
		{"service.deploy.restart_policy.delay service.deploy.restart_policy.window", Neutral, "how long a restart waits"},
	}
}

// containerKeys are of whatever is a container.
func containerKeys() []Key {
	return []Key{
		{"service.annotations service.labels service.label_file", Judged, "HSE-SEC-004"},
		{"service.cap_add service.cap_drop", Judged, "HSE-CAP-001 HSE-CAP-002"},
		{"service.cgroup service.cgroup_parent", Judged, "HSE-KRN-007"},
		{"service.command service.entrypoint", Judged, "HSE-SEC-004"},
		{"service.image", Judged, "HSE-IMG-001 HSE-IMG-018"},
		{"service.pull_policy service.pull_refresh_after", Judged, "HSE-IMG-018"},
		{"service.cpus service.cpu_quota service.cpu_period", Judged, "HSE-RES-003"},
		{"service.cpu_count service.cpu_percent service.cpu_shares service.cpuset service.blkio_config.**", Neutral, "a share of processors and disks, not a privilege"},
		{"service.cpu_rt_period service.cpu_rt_runtime", Open, "real-time scheduling goes before what the host itself runs"},
		{"service.credential_spec.**", Open, "an account of the host's domain"},
		{"service.devices service.devices.source service.devices.target service.devices.permissions service.device_cgroup_rules service.gpus.**", Judged, "HSE-KRN-004"},
		{"service.dns service.dns_opt service.dns_search service.domainname service.mac_address", Neutral, "names and addresses, which open no network"},
		{"service.hostname", Judged, "HSE-PRE-008"},
		{"service.environment", Judged, "HSE-SEC-001 HSE-IMG-014"},
		{"service.env_file service.env_file.path service.env_file.required service.env_file.format", Judged, "HSE-SEC-001"},
		{"service.extra_hosts", Judged, "HSE-NET-008"},
		{"service.group_add", Judged, "HSE-USR-002"},
		{"service.init", Judged, "HSE-LIF-002"},
		{"service.ipc service.pid", Judged, "HSE-NS-001 HSE-NS-002 HSE-NS-006"},
		{"service.network_mode", Judged, "HSE-NS-003 HSE-NS-006 HSE-NET-004"},
		{"service.uts service.userns_mode", Judged, "HSE-NS-004 HSE-NS-005"},
		{"service.isolation", Judged, "HSE-OPS-010 names another than the default"},
		{"service.logging service.logging.driver service.logging.options", Judged, "HSE-LOG-001 HSE-LOG-002 HSE-LOG-004 HSE-SEC-004"},
		{"service.log_driver service.log_opt", Open, "a form of logging that this version does not read"},
		{"service.mem_limit service.memswap_limit", Judged, "HSE-RES-001 HSE-RES-002"},
		{"service.mem_reservation service.mem_swappiness", Neutral, "when the kernel takes memory back, below the limit"},
		{"service.models.**", Open, "a model runs outside the container, and its address and name become variables"},
		{"service.oom_kill_disable service.oom_score_adj", Judged, "HSE-RES-006"},
		{"service.pids_limit", Judged, "HSE-RES-004"},
		{"service.platform", Neutral, "for which processor the image is"},
		{"service.privileged", Judged, "HSE-PRV-001"},
		{"service.read_only", Judged, "HSE-FS-001"},
		{"service.runtime", Judged, "HSE-KRN-008"},
		{"service.security_opt", Judged, "HSE-PRV-002 HSE-KRN-001 HSE-KRN-002 HSE-KRN-003 HSE-KRN-006 HSE-KRN-007; HSE-OPS-010 names the rest"},
		{"service.shm_size", Judged, "HSE-FS-009"},
		{"service.stop_signal service.stop_grace_period", Judged, "HSE-LIF-002"},
		{"service.storage_opt", Neutral, "bounds the container's own layer"},
		{"service.sysctls", Judged, "HSE-KRN-005"},
		{"service.tmpfs", Judged, "HSE-FS-002"},
		{"service.ulimits service.ulimits.* service.ulimits.*.single service.ulimits.*.soft service.ulimits.*.hard", Judged, "HSE-RES-005"},
		{"service.use_api_socket", Judged, "HSE-FS-004"},
		{"service.user", Judged, "HSE-USR-001 HSE-USR-002 HSE-USR-003"},
		{"service.volume_driver", Open, "a plugin that this version does not read"},
		{"service.volumes_from", Open, "the mounts of another container"},
		{"service.working_dir", Neutral, "where the program starts, in the container"},
		{"service.networks service.networks.*", Judged, "HSE-NET-004 HSE-NET-005"},
		{"service.networks.*.driver_opts", Judged, "HSE-KRN-005; HSE-OPS-010 names the rest"},
		{"service.networks.*.aliases service.networks.*.gw_priority service.networks.*.interface_name service.networks.*.ipv4_address service.networks.*.ipv6_address", Neutral, "names and addresses on networks that are judged"},
		{"service.networks.*.link_local_ips service.networks.*.mac_address service.networks.*.priority", Neutral, "names and addresses on networks that are judged"},
		{"service.configs service.configs.source service.secrets service.secrets.source", Judged, "HSE-FS-003 HSE-FS-004 HSE-SEC-002"},
		{"service.configs.target service.configs.uid service.configs.gid service.configs.mode", Neutral, "its path in the container and its permissions"},
		{"service.secrets.target service.secrets.uid service.secrets.gid service.secrets.mode", Judged, "HSE-SEC-002"},
		{"service.volumes service.volumes.type service.volumes.source service.volumes.target service.volumes.read_only", Judged, "HSE-FS-002 HSE-FS-003 HSE-FS-004 HSE-FS-005 HSE-FS-011"},
		{"service.volumes.bind service.volumes.volume service.volumes.tmpfs service.volumes.consistency service.volumes.image.**", Neutral, "its keys are judged"},
		{"service.volumes.bind.propagation", Judged, "HSE-FS-006"},
		{"service.volumes.bind.recursive", Judged, "HSE-OPS-010 names what makes a read-only mount writable below"},
		{"service.volumes.bind.selinux service.volumes.bind.create_host_path", Neutral, "a label and a directory for what may be mounted"},
		{"service.volumes.volume.labels", Judged, "HSE-SEC-004"},
		{"service.volumes.volume.nocopy service.volumes.volume.subpath service.volumes.tmpfs.mode", Neutral, "less of a volume, not more"},
		{"service.volumes.tmpfs.size", Judged, "HSE-FS-002"},
	}
}

// workloadKeys are of services and jobs.
func workloadKeys() []Key {
	return []Key{
		{"service.depends_on service.depends_on.* service.depends_on.*.condition", Judged, "HSE-LIF-006"},
		{"service.depends_on.*.restart service.depends_on.*.required", Neutral, "what happens to it when a dependency restarts or is missing"},
		{"service.dockerfile", Open, "a form of build that this version does not read"},
		{"service.expose", Neutral, "publishes nothing"},
		{"service.healthcheck service.healthcheck.test service.healthcheck.disable", Judged, "HSE-HLT-001 HSE-HLT-004 HSE-SEC-004"},
		{"service.healthcheck.interval service.healthcheck.timeout service.healthcheck.retries service.healthcheck.start_period service.healthcheck.start_interval", Neutral, "interval, timeout and retries of the test"},
		{"service.ports service.ports.host_ip service.ports.target service.ports.published service.ports.protocol", Judged, "HSE-NET-001 HSE-NET-002 HSE-NET-003"},
		{"service.ports.name service.ports.mode service.ports.app_protocol", Neutral, "description of a port"},
		{"service.stdin_open service.tty", Neutral, "how its streams are connected"},
	}
}

func buildKeys() []Key {
	return []Key{
		{"service.build service.build.context service.build.dockerfile service.build.target service.build.platforms service.build.additional_contexts", Neutral, "what is in the image is judged on the image, and by HSE-IMG-013"},
		{"service.build.args service.build.labels service.build.dockerfile_inline", Judged, "HSE-SEC-004"},
		{"service.build.extra_hosts", Judged, "HSE-NET-008"},
		{"service.build.network service.build.isolation", Judged, "HSE-OPS-010 names the host's"},
		{"service.build.privileged service.build.entitlements", Open, "the build has the rights of its builder"},
		{"service.build.ssh.**", Open, "the build may use the SSH keys of the building user"},
		{"service.build.secrets service.build.secrets.source service.build.secrets.target service.build.secrets.uid service.build.secrets.gid service.build.secrets.mode", Neutral, "files for the build alone, in no layer"},
		{"service.build.cache_from service.build.cache_to service.build.no_cache service.build.no_cache_filter service.build.pull service.build.tags", Neutral, "what is built again, and how it is named"},
		{"service.build.provenance service.build.sbom", Neutral, "evidence about the image"},
		{"service.build.shm_size service.build.ulimits.**", Neutral, "limits of the build"},
	}
}

// resourceKeys are of what services use.
func resourceKeys() []Key {
	return []Key{
		{"network.name volume.name secret.name config.name", Judged, "HSE-NS-003 for a network that is called host"},
		{"network.driver network.driver_opts", Judged, "HSE-NS-003 HSE-NET-001 HSE-NET-005; HSE-OPS-010 names what this version does not know"},
		{"network.ipam network.ipam.config network.ipam.config.subnet network.ipam.config.gateway network.ipam.config.ip_range network.ipam.config.aux_addresses", Neutral, "addresses"},
		{"network.ipam.driver network.ipam.options", Judged, "HSE-OPS-010 names another than the engine's own"},
		{"network.external.** network.internal", Judged, "HSE-NET-005"},
		{"network.attachable network.enable_ipv4", Neutral, "manual attachment, and address families"},
		{"network.enable_ipv6", Judged, "HSE-NET-005"},
		{"network.labels volume.labels secret.labels config.labels", Judged, "HSE-SEC-004"},
		{"volume.driver volume.driver_opts", Judged, "HSE-FS-002 HSE-FS-003 HSE-FS-004 HSE-SEC-004; HSE-OPS-010 names what this version does not know"},
		{"volume.external.**", Judged, "HSE-FS-005"},
		{"secret.file config.file", Judged, "HSE-FS-003 HSE-FS-004"},
		{"secret.environment config.environment", Neutral, "the value comes from the environment of the deploying process"},
		{"secret.content config.content", Judged, "HSE-SEC-004"},
		{"secret.external.** config.external.** secret.driver config.driver secret.driver_opts config.driver_opts secret.template_driver config.template_driver", Open, "the value is stored outside, or composed by a plugin"},
		{"model.name model.model model.context_size", Neutral, "which model; a service that uses one is unknown for that"},
		{"model.runtime_flags", Judged, "HSE-SEC-004"},
	}
}

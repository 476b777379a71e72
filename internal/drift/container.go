package drift

import (
	"cmp"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Labels that Compose gives to containers.
const (
	labelNumber    = "com.docker.compose.container-number"
	labelDependsOn = "com.docker.compose.depends_on"
)

// shortID is how many characters of an id the engine uses as a name.
const shortID = 12

// defaultShm is the size of /dev/shm where nothing is said: 64 MiB (moby, daemon/config.DefaultShmSize).
const defaultShm = 64 << 20

// container is the inspection that an engine should give of a container that was made by a request.
func (c Comparison) container(request Request, got map[string]any) (map[string]any, Facts, error) {
	facts := c.facts
	config, err := decoded(request.Create)
	if err != nil {
		return nil, facts, err
	}
	host, networking := object(config, "HostConfig"), object(config, "NetworkingConfig")
	delete(config, "HostConfig")
	delete(config, "NetworkingConfig")
	reference := text(config, "Image")
	id := cmp.Or(c.imageIDs[reference], text(got, "Image"))
	image, err := c.imageConfig(id, text(got, "Image"))
	if err != nil {
		return nil, facts, err
	}
	facts.ID = text(got, "Id")
	numbered(request, config, got)
	withImage(config, image)
	c.borrow(host, object(got, "HostConfig"))
	facts.ask(host, config)
	if text(config, "Hostname") == "" {
		config["Hostname"] = prefix(facts.ID, shortID)
		if facts.OnHost {
			config["Hostname"] = facts.Host
		}
	}
	c.engineDefaults(host, facts)
	networks, err := c.networks(request, networking, config, got, &facts)
	if err != nil {
		return nil, facts, err
	}
	out := map[string]any{
		"Id": facts.ID, "Name": "/" + nameOf(request, config, got), "Image": c.imageIDs[reference], "Platform": text(c.info, "OSType"), "Driver": text(c.info, "Driver"),
		"GraphDriver": map[string]any{"Name": text(c.info, "Driver")}, "AppArmorProfile": appArmor(host, facts),
		"Config": config, "HostConfig": host, "NetworkSettings": map[string]any{"Networks": networks},
	}
	if out["Image"] == "" {
		out["Image"] = id // what the reference should mean is not known, and said elsewhere
	}
	command := slices.Concat(list(config, "Entrypoint"), list(config, "Cmd"))
	if len(command) > 0 {
		out["Path"], out["Args"] = command[0], command[1:]
	}
	out["Mounts"] = c.mounts(host, config, got, &facts)
	return out, facts, nil
}

// imageConfig is the configuration of the image that a container should be made of. Where the engine has it no longer, that of
// the container's own stands in; that they are two is said by the id.
func (c Comparison) imageConfig(ids ...string) (map[string]any, error) {
	for _, id := range ids {
		if config, ok := c.images[id]; ok {
			return config, nil
		}
	}
	return nil, &UnknownError{"the configuration of image " + strings.Join(ids, ", ")}
}

// numberOf is that of a container among those of its service, by its label; 0 is none that Compose would give.
func numberOf(got map[string]any) int {
	n, err := strconv.Atoi(text(object(object(got, "Config"), "Labels"), labelNumber))
	if err != nil || n < 1 {
		return 0
	}
	return n
}

// nameOf is that of a container by its number. The request is for the first; a name that the file chooses has no number.
func nameOf(request Request, config, got map[string]any) string {
	n := numberOf(got)
	if n == 0 || chosen(request, config) {
		return request.Name
	}
	return strings.TrimSuffix(request.Name, "-1") + "-" + strconv.Itoa(n)
}

// chosen tells a name that the file gives to the container.
func chosen(request Request, config map[string]any) bool {
	labels := object(config, "Labels")
	return request.Name != text(labels, "com.docker.compose.project")+"-"+text(labels, "com.docker.compose.service")+"-1"
}

// numbered turns the request for the first container into that for one with the number that this one has.
func numbered(request Request, config, got map[string]any) {
	if n := numberOf(got); n > 0 && !chosen(request, config) {
		object(config, "Labels")[labelNumber] = strconv.Itoa(n)
	}
}

// withImage adds what the image says, as the engine does (moby, daemon/commit.go: merge).
func withImage(config, image map[string]any) {
	for _, key := range []string{"User", "WorkingDir", "StopSignal"} {
		if text(config, key) == "" {
			config[key] = text(image, key)
		}
	}
	for _, key := range []string{"ExposedPorts", "Volumes", "Labels"} {
		merged := maps.Clone(object(image, key))
		maps.Copy(merged, object(config, key))
		config[key] = merged
	}
	named := map[string]bool{}
	env := list(config, "Env")
	for _, v := range words(config, "Env") {
		name, _, _ := strings.Cut(v, "=")
		named[name] = true
	}
	for _, v := range words(image, "Env") {
		if name, _, _ := strings.Cut(v, "="); !named[name] {
			env = append(slices.Clone(env), any(v))
		}
	}
	config["Env"] = env
	if len(list(config, "Entrypoint")) == 0 {
		if len(list(config, "Cmd")) == 0 {
			config["Cmd"] = list(image, "Cmd")
		}
		if config["Entrypoint"] == nil {
			config["Entrypoint"] = list(image, "Entrypoint")
		}
	}
	if len(list(config, "Shell")) == 0 {
		config["Shell"] = list(image, "Shell")
	}
	withHealth(config, image)
}

func withHealth(config, image map[string]any) {
	theirs, has := image["Healthcheck"].(map[string]any)
	if !has {
		return
	}
	ours, has := config["Healthcheck"].(map[string]any)
	if !has {
		config["Healthcheck"] = maps.Clone(theirs)
		return
	}
	for _, key := range []string{"Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"} {
		if empty(ours[key]) {
			ours[key] = theirs[key]
		}
	}
}

// borrow puts real ids in the place of those that the recorder made up for containers whose namespaces or volumes are shared.
func (c Comparison) borrow(host, got map[string]any) {
	real := func(made, is string) string {
		service, ok := c.requests.Made[made]
		if !ok {
			return made
		}
		ids := c.containers[service]
		if slices.Contains(ids, is) || len(ids) == 0 {
			return is
		}
		return ids[0]
	}
	for _, key := range []string{"NetworkMode", "IpcMode", "PidMode"} {
		if made, ok := strings.CutPrefix(text(host, key), "container:"); ok {
			host[key] = "container:" + real(made, strings.TrimPrefix(text(got, key), "container:"))
		}
	}
	from := list(host, "VolumesFrom")
	for i, v := range from {
		made, mode, _ := strings.Cut(plain(v), ":")
		is, _, _ := strings.Cut(strings.Join(words(got, "VolumesFrom")[min(i, len(words(got, "VolumesFrom"))):], " "), " ")
		is, _, _ = strings.Cut(is, ":")
		from[i] = strings.TrimSuffix(real(made, is)+":"+mode, ":")
	}
}

// ask notes what the request says itself, so that no exemption covers it.
func (f *Facts) ask(host, config map[string]any) {
	mode := text(host, "NetworkMode")
	f.Privileged = flag(host, "Privileged")
	f.HostSpaces = text(host, "PidMode") == "host" || text(host, "IpcMode") == "host"
	f.Borrows, f.OnHost = strings.HasPrefix(mode, "container:"), mode == "host"
	f.Shm = !empty(host["ShmSize"])
	f.Masks = host["MaskedPaths"] != nil || host["ReadonlyPaths"] != nil
	f.MACs = text(config, "MacAddress") != ""
}

// engineDefaults fills what the engine fills where nothing is said: what it gave to a container for which nothing was asked, or what
// its documentation says.
func (c Comparison) engineDefaults(host map[string]any, f Facts) {
	for _, key := range []string{"ShmSize", "IpcMode", "CgroupnsMode", "Runtime", "MaskedPaths", "ReadonlyPaths"} {
		if empty(host[key]) && !(f.Privileged && key != "ShmSize" && key != "IpcMode" && key != "Runtime") && !(f.Masks && strings.HasSuffix(key, "Paths")) {
			host[key] = c.blank[key]
		}
	}
	theirs, log := object(c.blank, "LogConfig"), object(host, "LogConfig")
	if kind := text(log, "Type"); kind == "" || kind == text(theirs, "Type") {
		merged := maps.Clone(object(theirs, "Config"))
		maps.Copy(merged, object(log, "Config"))
		log["Config"], host["LogConfig"] = merged, log
	}
	documented(host, c.info, f)
}

func documented(host, info map[string]any, f Facts) {
	if empty(host["ShmSize"]) {
		host["ShmSize"] = json.Number(strconv.Itoa(defaultShm))
	}
	if text(host, "IpcMode") == "" {
		host["IpcMode"] = "private"
	}
	if text(host, "CgroupnsMode") == "" {
		host["CgroupnsMode"] = "host"
		if f.V2 && !f.Privileged {
			host["CgroupnsMode"] = "private"
		}
	}
	if text(host, "Runtime") == "" {
		host["Runtime"] = text(info, "DefaultRuntime")
	}
	log := object(host, "LogConfig")
	if text(log, "Type") == "" {
		log["Type"] = text(info, "LoggingDriver")
	}
	host["LogConfig"] = log
	if memory := number(host, "Memory"); memory > 0 && number(host, "MemorySwap") == 0 {
		host["MemorySwap"] = json.Number(strconv.FormatInt(2*memory, 10))
	}
	if !f.Privileged && host["MaskedPaths"] == nil {
		host["MaskedPaths"] = anys(maskedEverywhere())
	}
	if !f.Privileged && host["ReadonlyPaths"] == nil {
		host["ReadonlyPaths"] = anys([]string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"})
	}
}

// maskedEverywhere are the paths that every engine since 19.03 hides (moby, oci/defaults.go). Newer ones hide more.
func maskedEverywhere() []string {
	return []string{"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
		"/proc/timer_stats", "/sys/firmware"}
}

func anys(in []string) []any {
	var out []any
	for _, s := range in {
		out = append(out, s)
	}
	return out
}

func appArmor(host map[string]any, f Facts) string {
	if !f.AppArmor {
		return ""
	}
	for _, o := range words(host, "SecurityOpt") {
		for _, sign := range []string{"apparmor=", "apparmor:"} {
			if profile, ok := strings.CutPrefix(o, sign); ok {
				return profile
			}
		}
	}
	if f.Privileged {
		return "unconfined"
	}
	return "docker-default"
}

// networks are those that a container should have joined, with its names on them.
func (c Comparison) networks(request Request, networking, config, got map[string]any, facts *Facts) (entries, error) {
	asked := map[string]any{}
	maps.Copy(asked, object(networking, "EndpointsConfig"))
	for name, raw := range request.Connect {
		settings, err := decoded(raw)
		if err != nil {
			return nil, err
		}
		asked[name] = settings
	}
	name := nameOf(request, config, got)
	facts.Names = map[string]bool{name: true, prefix(facts.ID, shortID): true, text(config, "Hostname"): true}
	actual := object(object(got, "NetworkSettings"), "Networks")
	out := entries{}
	for network, v := range asked {
		settings, ok := v.(map[string]any)
		if !ok {
			settings = map[string]any{}
		}
		aliases := list(settings, "Aliases")
		for i, a := range aliases {
			if a == request.Name {
				aliases[i] = name
			}
			facts.Names[plain(aliases[i])] = true
		}
		facts.MACs = facts.MACs || text(settings, "MacAddress") != ""
		// Several networks may have one name: the container must be on one of them, and each of them is compared.
		if known := c.networkIDs[network]; len(known) > 0 {
			settings["NetworkID"] = known[0]
			if id := text(object(actual, network), "NetworkID"); slices.Contains(known, id) {
				settings["NetworkID"] = id
			}
		}
		out[network] = settings
	}
	// A mode of the engine's own is a network, too.
	if mode := text(object(got, "HostConfig"), "NetworkMode"); len(asked) == 0 && (mode == "host" || mode == "none" || mode == "bridge" || mode == "default") {
		if mode == "default" {
			mode = "bridge"
		}
		if has, ok := actual[mode].(map[string]any); ok {
			out[mode] = map[string]any{"NetworkID": text(has, "NetworkID")}
		}
	}
	return out, nil
}

// mounts are those that the engine should list: what is asked for, and unnamed volumes where the image wants some.
func (c Comparison) mounts(host, config, got map[string]any, facts *Facts) []any {
	var out []any
	taken := map[string]bool{}
	facts.Anonymous = map[string]bool{}
	for target, v := range requestedMounts(host) {
		taken[target] = true
		out = append(out, mounted(target, v, c.volumes))
		if text(v, "Type") == "volume" && text(v, "Source") == "" {
			facts.Anonymous[target] = true
		}
	}
	for target := range object(host, "Tmpfs") {
		taken[filepath.Clean(target)] = true
	}
	for target := range object(config, "Volumes") {
		if !taken[filepath.Clean(target)] {
			facts.Anonymous[filepath.Clean(target)] = true
			out = append(out, map[string]any{"Type": "volume", "Destination": filepath.Clean(target), "Driver": cmp.Or(text(host, "VolumeDriver"), "local"), "RW": true})
		}
	}
	if len(list(host, "VolumesFrom")) > 0 { // what another container has is listed here as well, and compared there
		has := list(got, "Mounts")
		for _, v := range has {
			m, ok := v.(map[string]any)
			if target := text(m, "Destination"); ok && !taken[target] {
				out = append(out, m)
			}
		}
	}
	return out
}

// requestedMounts are the volumes and binds of a request by the path in the container. Compose writes one and the same mount in
// two ways, by its version and by what is said of it.
func requestedMounts(host map[string]any) map[string]map[string]any {
	out := entries{}
	for _, v := range list(host, "Mounts") {
		m, ok := v.(map[string]any)
		if !ok {
			m = map[string]any{"Unreadable": canonical(v)}
		}
		m = cleaned(m).(map[string]any)
		if text(m, "Type") == "bind" {
			if o := object(m, "BindOptions"); len(o) > 0 {
				delete(o, "CreateMountpoint") // whether the engine made the source is over
			}
		}
		target := filepath.Clean("/" + text(m, "Target"))
		delete(m, "Target")
		out.add(target, cleaned(m))
	}
	for _, bind := range words(host, "Binds") {
		target, m := bound(bind)
		out.add(target, m)
	}
	result := map[string]map[string]any{}
	for target, v := range out {
		if m, ok := v.(map[string]any); ok {
			result[target] = m
		}
	}
	return result
}

// bound reads source:target:options as the engine does (moby, volume/mounts/linux_parser.go).
func bound(text string) (string, map[string]any) {
	parts := strings.Split(text, ":")
	if len(parts) < 2 {
		return filepath.Clean("/" + text), map[string]any{"Type": "volume"}
	}
	m := map[string]any{"Type": "volume", "Source": parts[0]}
	if strings.HasPrefix(parts[0], "/") {
		m["Type"] = "bind"
	}
	var more []string
	for _, o := range strings.Split(strings.Join(parts[2:], ","), ",") {
		switch o {
		case "", "rw", "z", "Z":
		case "ro":
			m["ReadOnly"] = true
		case "nocopy":
			m["VolumeOptions"] = map[string]any{"NoCopy": true}
		case "private", "rprivate", "shared", "rshared", "slave", "rslave":
			m["BindOptions"] = map[string]any{"Propagation": o}
		default:
			more = append(more, o)
		}
	}
	if len(more) > 0 {
		m["Mode"] = strings.Join(more, ",")
	}
	return filepath.Clean(parts[1]), m
}

// mounted is a mount as the engine lists it once it is made.
func mounted(target string, m map[string]any, volumes map[string]map[string]any) map[string]any {
	out := map[string]any{"Type": text(m, "Type"), "Destination": target, "RW": !flag(m, "ReadOnly")}
	switch text(m, "Type") {
	case "volume":
		v := volumes[text(m, "Source")]
		out["Name"], out["Driver"] = text(m, "Source"), cmp.Or(text(v, "Driver"), "local")
		out["Source"] = text(v, "Mountpoint") // the engine leaves out the path below it, which is compared with the options of the mount
	case "bind":
		out["Source"] = text(m, "Source")
		out["Propagation"] = cmp.Or(text(object(m, "BindOptions"), "Propagation"), "rprivate")
	case "tmpfs":
		out["RW"] = true
	default:
		out["Source"] = text(m, "Source")
	}
	return out
}

func prefix(s string, n int) string { return s[:min(n, len(s))] }

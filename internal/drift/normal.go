package drift

import (
	"maps"
	"slices"
	"strings"
)

// containerTree is an inspection in a form in which two that mean the same are the same.

func containerTree(in map[string]any) map[string]any {
	out := maps.Clone(in)
	out["Config"] = configTree(object(in, "Config"))
	out["HostConfig"] = hostTree(object(in, "HostConfig"))
	settings := maps.Clone(object(in, "NetworkSettings"))
	settings["Networks"] = endpoints(settings["Networks"], prefix(text(in, "Id"), shortID))
	mapping(settings, "Ports")
	out["NetworkSettings"] = settings
	out["Mounts"] = keyed(list(in, "Mounts"), "Destination")
	return out
}

func configTree(in map[string]any) map[string]any {
	out := maps.Clone(in)
	mapping(out, "Labels", "ExposedPorts", "Volumes")
	if labels, ok := out["Labels"].(entries); ok {
		labels = maps.Clone(labels)
		if on, ok := labels[labelDependsOn].(string); ok { // Compose writes it in any order
			parts := strings.Split(on, ",")
			slices.Sort(parts)
			labels[labelDependsOn] = strings.Join(parts, ",")
		}
		out["Labels"] = labels
	}
	env := entries{}
	for _, v := range list(in, "Env") {
		name, value, _ := strings.Cut(plain(v), "=")
		env.add(name, value)
	}
	out["Env"] = env
	if text(out, "WorkingDir") == "/" { // where nothing is said, newer engines say so
		out["WorkingDir"] = ""
	}
	return out
}

func hostTree(in map[string]any) map[string]any {
	out := maps.Clone(in)
	mapping(out, "Tmpfs", "Sysctls", "StorageOpt", "Annotations", "PortBindings")
	sets(out, "SecurityOpt", "ExtraHosts", "GroupAdd", "DeviceCgroupRules", "Links", "VolumesFrom", "MaskedPaths", "ReadonlyPaths")
	for _, key := range []string{"CapAdd", "CapDrop"} {
		out[key] = set(list(in, key), func(v any) string { return strings.TrimPrefix(strings.ToUpper(plain(v)), "CAP_") })
	}
	out["Ulimits"] = keyed(list(in, "Ulimits"), "Name")
	out["Devices"] = keyed(list(in, "Devices"), "PathInContainer")
	for _, key := range []string{"BlkioWeightDevice", "BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteIOps"} {
		out[key] = keyed(list(in, key), "Path")
	}
	log := maps.Clone(object(in, "LogConfig"))
	mapping(log, "Config")
	out["LogConfig"] = log
	restart := maps.Clone(object(in, "RestartPolicy"))
	if text(restart, "Name") == "no" { // what older engines leave empty
		restart["Name"] = ""
	}
	out["RestartPolicy"] = restart
	if canonical(in["ConsoleSize"]) == "[0,0]" {
		delete(out, "ConsoleSize")
	}
	requested := entries{}
	for target, m := range requestedMounts(in) {
		requested[target] = m
	}
	out["Mounts"] = requested
	delete(out, "Binds")
	return out
}

// endpoints are the networks of a container by name. Older engines list its own id among its aliases.
func endpoints(in any, own string) entries {
	networks, ok := in.(map[string]any)
	if !ok {
		networks, _ = in.(entries)
	}
	out := entries{}
	for name, v := range networks {
		settings, ok := v.(map[string]any)
		if !ok {
			settings = map[string]any{}
		}
		settings = maps.Clone(settings)
		aliases := slices.DeleteFunc(slices.Clone(list(settings, "Aliases")), func(a any) bool { return a == own })
		slices.SortFunc(aliases, func(a, b any) int { return strings.Compare(plain(a), plain(b)) })
		settings["Aliases"] = set(slices.Compact(aliases), plain)
		sets(settings, "DNSNames", "Links")
		mapping(settings, "DriverOpts")
		out[name] = settings
	}
	return out
}

// networkTree is the inspection of a network, or the request for one.
func networkTree(in map[string]any) map[string]any {
	out := maps.Clone(in)
	mapping(out, "Labels", "Options", "Containers", "Services")
	ipam := maps.Clone(object(in, "IPAM"))
	mapping(ipam, "Options")
	ipam["Config"] = keyed(list(ipam, "Config"), "Subnet")
	out["IPAM"] = ipam
	return out
}

// volumeTree is the inspection of a volume, or the request for one.
func volumeTree(in map[string]any) map[string]any {
	out := maps.Clone(in)
	mapping(out, "Labels", "Options", "Status")
	return out
}

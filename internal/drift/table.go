package drift

import (
	"regexp"
	"slices"
	"strings"
)

// Exemption is a field that may differ from what was rendered, and why. A path names fields; [*] is any key of a mapping, and a
// final ** everything below. With may only some values are let through.
type Exemption struct {
	Path    string
	Engines string // which engines; empty is all of them
	Why     string
	may     func(change) bool
}

// change is one field on both sides. A side that does not have it is nil.
type change struct {
	at        path
	want, got any
	facts     Facts
}

// key is the last part of the path, without brackets.
func (c change) key() string { return strings.Trim(c.at[len(c.at)-1], "[]") }

// within is the key of the entry that the field belongs to.
func (c change) within() string { return strings.Trim(c.at[max(len(c.at)-2, 0)], "[]") }

// rule is an exemption whose path was taken apart.
type rule struct {
	Exemption
	pattern path
}

func rules(table []Exemption) []rule {
	var out []rule
	for _, e := range table {
		out = append(out, rule{e, tokens(e.Path)})
	}
	return out
}

// covers tells whether an exemption is about a path.
func (e rule) covers(at path) bool {
	for i, p := range e.pattern {
		if p == "**" {
			return true
		}
		if i >= len(at) || p != at[i] && !(p == "[*]" && strings.HasPrefix(at[i], "[")) {
			return false
		}
	}
	return len(e.pattern) == len(at)
}

// tokens takes a path apart as path.String puts it together. A key may hold dots.
func tokens(text string) path {
	var out path
	for text != "" {
		if text[0] == '[' {
			end := strings.IndexByte(text, ']') + 1
			if end == 0 {
				return append(out, text)
			}
			out, text = append(out, text[:end]), strings.TrimPrefix(text[end:], ".")
			continue
		}
		end := strings.IndexAny(text, ".[")
		if end < 0 {
			return append(out, text)
		}
		out, text = append(out, text[:end]), strings.TrimPrefix(text[end:], ".")
	}
	return out
}

// Exemptions are all fields that may differ, by what they belong to. They are the whole list: what is not in it counts.
func Exemptions() map[string][]Exemption {
	return map[string][]Exemption{"container": containerTable(), "network": networkTable(), "volume": volumeTable()}
}

const (
	runtimeState = "the state of the moment, which the controls of life and health judge"
	engineChosen = "the engine chooses it when the container starts"
	enginePath   = "where the engine keeps its own files"
	composeOwn   = "a note of Compose to itself, which changes with its version and the directory that it was called in"
	notSetNow    = "a field of older engines that repeats the default bridge, which no rendered service joins"
)

func containerTable() []Exemption {
	return slices.Concat([]Exemption{
		{Path: "Id", Why: "each container has its own; the release records which"},
		{Path: "Created", Why: runtimeState},
		{Path: "State.**", Why: runtimeState},
		{Path: "RestartCount", Why: runtimeState},
		{Path: "ExecIDs", Why: runtimeState},
		{Path: "SizeRw", Why: runtimeState},
		{Path: "SizeRootFs", Why: runtimeState},
		{Path: "ResolvConfPath", Why: enginePath},
		{Path: "HostnamePath", Why: enginePath},
		{Path: "HostsPath", Why: enginePath},
		{Path: "LogPath", Why: enginePath},
		{Path: "ProcessLabel", Why: "SELinux gives each container its own categories", may: ownCategories},
		{Path: "MountLabel", Why: "SELinux gives each container its own categories", may: ownCategories},
		{Path: "GraphDriver.Name", Engines: "29 and later, with containerd's image store", Why: "Storage has it there", may: isGone},
		{Path: "GraphDriver.Data.**", Why: enginePath},
		{Path: "Storage.RootFS.**", Engines: "29 and later", Why: "which snapshotter holds the image's layers, which follows from Driver"},
		{Path: "ImageManifestDescriptor.**", Engines: "28 and later", Why: "it follows from Image, which is compared"},
		{Path: "Config.ArgsEscaped", Why: "Windows only"},
		{Path: "Config.Hostname", Why: "a container in the network of another has the name of that one", may: func(c change) bool { return c.facts.Borrows }},
		{Path: "Config.Labels[com.docker.compose.config-hash]", Why: composeOwn},
		{Path: "Config.Labels[com.docker.compose.version]", Why: composeOwn},
		{Path: "Config.Labels[com.docker.compose.image]", Why: "it follows from Image, which is compared"},
		{Path: "Config.Labels[com.docker.compose.replace]", Why: "Compose notes the container whose place this one took"},
		{Path: "Config.Labels[com.docker.compose.depends_on]", Why: "it is empty on a container that was started next to a running one, of which Compose sees one service only",
			may: func(c change) bool { return c.got == "" }},
		{Path: "Config.Labels[com.docker.compose.project.config_files]", Why: composeOwn},
		{Path: "Config.Labels[com.docker.compose.project.working_dir]", Why: composeOwn},
		{Path: "Config.Labels[com.docker.compose.project.environment_file]", Why: composeOwn},
		{Path: "HostConfig.SecurityOpt[label=disable]", Why: "the engine adds it to what is privileged or shares the machine's namespaces",
			may: func(c change) bool { return c.facts.Privileged || c.facts.HostSpaces }},
		{Path: "HostConfig.MaskedPaths[*]", Engines: "25 and later hide more of /proc and /sys", Why: "what is hidden beyond what was asked for weakens nothing", may: moreMasked},
		{Path: "HostConfig.ReadonlyPaths[*]", Why: "what is read-only beyond what was asked for weakens nothing", may: moreMasked},
		{Path: "HostConfig.MemorySwap", Why: "a kernel that cannot limit swap has no limit", may: func(c change) bool { return !c.facts.SwapLimit && plain(c.got) == "-1" }},
		{Path: "HostConfig.MemorySwappiness", Engines: "before 24", Why: "-1 is the engine's way to say that nothing was asked for", may: func(c change) bool { return c.want == nil && plain(c.got) == "-1" }},
		{Path: "HostConfig.CgroupnsMode", Why: "a privileged container has the machine's, or its own, by the daemon's default", may: func(c change) bool { return c.facts.Privileged }},
		{Path: "Mounts[*].Mode", Why: "SELinux relabels a volume (z); whether it can be written is RW", may: func(c change) bool {
			return strings.Trim(plain(c.got), "zZ,") == "" || plain(c.got) == "ro" || plain(c.got) == "rw"
		}},
		{Path: "Mounts[*].Name", Why: "a volume without a name gets a unique one", may: unnamed},
		{Path: "Mounts[*].Source", Why: "a volume without a name gets a unique one", may: unnamedSource},
		{Path: "Mounts[*].Propagation", Why: "the engine makes a bind of what holds its own files a slave of the machine's", may: func(c change) bool { return c.want == "rprivate" && c.got == "rslave" }},
		{Path: "NetworkSettings.SandboxID", Why: engineChosen},
		{Path: "NetworkSettings.SandboxKey", Why: engineChosen},
		{Path: "NetworkSettings.Ports", Why: "it follows from HostConfig.PortBindings, which is compared, and the ports that the engine chose"},
		{Path: "NetworkSettings.Ports[*]", Why: "it follows from HostConfig.PortBindings, which is compared, and the ports that the engine chose"},
	}, legacyNetwork(), endpointTable())
}

func legacyNetwork() []Exemption {
	var out []Exemption
	for _, name := range []string{"Bridge", "HairpinMode", "LinkLocalIPv6Address", "LinkLocalIPv6PrefixLen", "SecondaryIPAddresses", "SecondaryIPv6Addresses", "EndpointID",
		"Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPAddress", "IPPrefixLen", "IPv6Gateway", "MacAddress"} {
		out = append(out, Exemption{Path: "NetworkSettings." + name, Engines: "before 29", Why: notSetNow})
	}
	return out
}

func endpointTable() []Exemption {
	const at = "NetworkSettings.Networks[*]."
	out := []Exemption{
		{Path: at + "DNSNames[*]", Engines: "25 and later", Why: "it follows from the name, the id and Aliases, which are compared", may: func(c change) bool { return c.want == nil && c.facts.Names[c.key()] }},
		{Path: at + "MacAddress", Why: engineChosen, may: func(c change) bool { return !c.facts.MACs }},
		{Path: "Config.MacAddress", Engines: "before 25", Why: engineChosen, may: func(c change) bool { return !c.facts.MACs }},
	}
	out = append(out, Exemption{Path: at + "NetworkID", Why: "a container that was never started has joined nothing yet", may: isGone})
	for _, name := range []string{"EndpointID", "Gateway", "IPAddress", "IPPrefixLen", "IPv6Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen"} {
		out = append(out, Exemption{Path: at + name, Why: engineChosen + "; an address that was asked for is in IPAMConfig, which is compared"})
	}
	return out
}

func networkTable() []Exemption {
	return []Exemption{
		{Path: "Id", Why: "each network has its own"},
		{Path: "Created", Why: "when it was made says nothing about what it is"},
		{Path: "Scope", Why: "it follows from Driver"},
		{Path: "Containers[*]", Why: "who is on it is compared for each container"},
		{Path: "Containers[*].**", Why: "who is on it is compared for each container"},
		{Path: "Status.**", Engines: "29 and later", Why: "how many addresses are taken at the moment"},
		{Path: "Labels[com.docker.compose.config-hash]", Why: composeOwn},
		{Path: "Labels[com.docker.compose.version]", Why: composeOwn},
		{Path: "Options[com.docker.network.enable_ipv4]", Engines: "28 and later", Why: "it repeats EnableIPv4, which is compared"},
		{Path: "Options[com.docker.network.enable_ipv6]", Engines: "28 and later", Why: "it repeats EnableIPv6, which is compared"},
		{Path: "IPAM.Config[*]", Why: "the engine chooses a subnet where none was asked for", may: func(c change) bool { return !c.facts.Subnets }},
		{Path: "IPAM.Config[*].Gateway", Why: "the engine chooses a gateway where none was asked for", may: func(c change) bool { return c.want == nil }},
	}
}

func volumeTable() []Exemption {
	return []Exemption{
		{Path: "CreatedAt", Why: "when it was made says nothing about what it is"},
		{Path: "Mountpoint", Why: enginePath + "; that a container mounts just that is compared"},
		{Path: "Scope", Why: "it follows from Driver"},
		{Path: "Status[*]", Why: "what a driver says of the moment"},
		{Path: "Status[*].**", Why: "what a driver says of the moment"},
		{Path: "UsageData.**", Why: "how large it is at the moment"},
		{Path: "ClusterVolume.**", Why: "Swarm only"},
		{Path: "Labels[com.docker.compose.config-hash]", Why: composeOwn},
		{Path: "Labels[com.docker.compose.version]", Why: composeOwn},
		{Path: "Labels[dev.hsectl.role]", Why: "hsectl marks what it delivered"},
		{Path: "Labels[dev.hsectl.service]", Why: "hsectl marks what it delivered"},
		{Path: "Labels[dev.hsectl.stack]", Why: "hsectl marks what it delivered"},
		{Path: "Labels[dev.hsectl.version]", Why: "hsectl marks what it delivered"},
	}
}

// isGone lets a field be missing that was asked for, and lets nothing be there that was not.
func isGone(c change) bool { return c.got == nil }

// moreMasked lets the engine hide more than every engine does, where nothing was asked for.
func moreMasked(c change) bool { return c.want == nil && !c.facts.Masks && !c.facts.Privileged }

// ownCategories is a context of SELinux that the engine gives to containers: of its usual types, never that of an unconfined one.
func ownCategories(c change) bool {
	return c.want == nil && selinux.MatchString(plain(c.got))
}

var selinux = regexp.MustCompile(`^system_u:(system_r:container_t|object_r:container_file_t):s0:c[0-9]+,c[0-9]+$`)

// anonymous is the name that the engine gives to a volume without one.
var anonymous = regexp.MustCompile(`^[0-9a-f]{64}$`)

func unnamed(c change) bool {
	return c.facts.Anonymous[c.within()] && c.want == nil && (anonymous.MatchString(plain(c.got)) || c.got == nil)
}

func unnamedSource(c change) bool {
	parts := strings.Split(plain(c.got), "/")
	return c.facts.Anonymous[c.within()] && c.want == nil && len(parts) > 2 && parts[len(parts)-1] == "_data" && anonymous.MatchString(parts[len(parts)-2])
}

package policy

import "net/netip"

// Opening is a published port, and who may reach it.
type Opening struct {
	Port  Port
	World bool
	From  []netip.Prefix // when not World
}

// Machine describes an engine and the machine it runs on. What only that machine shows is unknown from elsewhere.
type Machine struct {
	Name       string
	Plain      Fact[[]string]          // addresses at which the engine's API answers without TLS
	Versions   Fact[map[string]string] // of engine, runc, containerd and kernel, as they call themselves
	Security   Fact[[]string]          // security options: seccomp, apparmor, userns, rootless and others
	Insecure   Fact[[]string]          // registries that are asked without TLS, but those of this machine
	Restores   Fact[bool]              // containers outlive the engine's own restart
	Open       Fact[bool]              // containers on the default bridge reach each other
	Trial      Fact[bool]              // experimental features are on
	LogDriver  Fact[string]
	LogBounded Fact[bool] // the engine's default for new containers has a size
	Swarm      Fact[bool]
	Files      Fact[[]EngineFile]
	Published  Fact[[]string]        // ports of any container that are open beyond the machine
	Forwarding Fact[[]string]        // rules of the chain that sees what is forwarded to published ports
	Filter     Fact[[]string]        // all rules of the firewall for IPv4, as iptables -S prints them
	Filter6    Fact[[]string]        // those for IPv6
	Nft        Fact[string]          // the rules of nftables as nft -j list ruleset prints them; empty where there is no nft
	Compat     bool                  // iptables keeps its rules in nftables
	Proxied    Fact[map[string]bool] // ports on IPv6 of running containers, as 443/tcp: whether a process of the engine answers, not the kernel
	Loopback   Fact[[]LoopbackPort]  // ports of any container that are published for the machine only, on IPv4
	Openings   []Opening             // what the profile says of them; nil when it says nothing
}

// LoopbackPort is a port that is published on a loopback address, and where its container is.
type LoopbackPort struct {
	Port      Port
	Container string // its name
	Inside    []Place
}

// Place is an address of a container, and the bridge by which it is reached.
type Place struct {
	Address netip.Addr
	Bridge  string
}

// EngineFile is a file or socket that belongs to the engine.
type EngineFile struct {
	Path  string
	Mode  int
	Owner int
	Group string
	Most  int // bits that may be set
}

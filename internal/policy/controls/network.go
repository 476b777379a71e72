package controls

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

func reach(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Reach.Known() {
		return policy.Unknown(f.Reach, "connecting to other services")
	}
	var wrong []string
	for _, r := range f.Reach.Value {
		switch friend := slices.Contains(in.Peers, r.Service); {
		case r.Open && !friend:
			wrong = append(wrong, fmt.Sprintf("%s answers on port %d, but shares no declared network", r.Service, r.Port))
		case !r.Open && friend:
			wrong = append(wrong, fmt.Sprintf("%s does not answer on port %d, although a network is shared", r.Service, r.Port))
		}
	}
	if len(wrong) > 0 {
		return policy.Fail(f.Reach.Tier, "%s", strings.Join(wrong, "; "))
	}
	if len(f.Reach.Value) == 0 {
		return policy.NotApplicable(f.Reach.Tier, "no other service of the stack says on which ports it listens")
	}
	return policy.Pass(f.Reach.Tier, "%d ports of other services tried, all as declared", len(f.Reach.Value))
}

// metadata are addresses of metadata services that are not link-local: of AWS, Google, Oracle and Scaleway by IPv6, of Azure, Alibaba
// Cloud and Oracle Cloud.
func metadata() []string {
	return []string{"fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42", "168.63.129.16", "100.100.100.200", "192.0.0.192"}
}

// leadsOut are the names of the host and of metadata services: a program that asks one of them sends what it says to the host, or to
// whoever has the address.
func leadsOut() []string {
	return []string{"host.docker.internal", "gateway.docker.internal", "host.containers.internal", "metadata.google.internal", "metadata.tencentyun.com", "metadata.packet.net", "metadata.platformequinix.com", "instance-data", "instance-data.ec2.internal"}
}

func extraHosts(f policy.Facts, _ policy.Intent) policy.Verdict {
	if !f.ExtraHosts.Known() {
		return policy.Unknown(f.ExtraHosts, "the extra hosts")
	}
	for _, h := range f.ExtraHosts.Value {
		name, address, _ := strings.Cut(strings.Replace(h, "=", ":", 1), ":")
		a, err := netip.ParseAddr(strings.Trim(address, "[]"))
		a = a.Unmap().WithZone("")
		if address == "host-gateway" || slices.Contains(leadsOut(), strings.ToLower(strings.TrimSuffix(name, "."))) || err == nil && (a.IsLinkLocalUnicast() || slices.Contains(metadata(), a.String())) {
			return policy.Fail(f.ExtraHosts.Tier, "%s leads to %s", name, address)
		}
	}
	return policy.Pass(f.ExtraHosts.Tier, "%d names set, none leads out", len(f.ExtraHosts.Value))
}

func remoteShell(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Processes.Known() {
		return policy.Unknown(f.Processes, "the processes")
	}
	for _, p := range f.Processes.Value {
		if slices.Contains([]string{"sshd", "telnetd", "dropbear", "in.telnetd", "Xvnc", "x11vnc", "xrdp"}, p.Name) {
			return policy.Fail(f.Processes.Tier, "process %s runs", p.Name)
		}
	}
	for _, port := range f.Listening.Value {
		if slices.Contains([]int{22, 23, 3389, 5900}, port) && !slices.Contains(in.Listen, port) {
			return policy.Fail(f.Listening.Tier, "port %d is open", port)
		}
	}
	return passAll(f, "none of the known ones")
}

func portAddresses(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Ports.Known() {
		return policy.Unknown(f.Ports, "the published ports")
	}
	for _, p := range f.Ports.Value {
		if p.Public() && !slices.Contains(in.Ports, p) {
			return policy.Fail(f.Ports.Tier, "%s is open to every network of the host", p)
		}
	}
	return policy.Pass(f.Ports.Tier, "%s", list(f.Ports.Value))
}

func list(ports []policy.Port) string {
	if len(ports) == 0 {
		return "nothing is published"
	}
	words := make([]string, len(ports))
	for i, p := range ports {
		words[i] = p.String()
	}
	return strings.Join(words, ", ")
}

func portsDeclared(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Ports.Known() {
		return policy.Unknown(f.Ports, "the published ports")
	}
	var wrong []string
	for _, p := range f.Ports.Value {
		if !slices.Contains(in.Ports, p) {
			wrong = append(wrong, p.String()+" is published but not declared")
		}
	}
	for _, p := range in.Ports {
		four := p
		four.Address = "0.0.0.0"
		if p.Address == "::" && slices.Contains(in.Ports, four) && slices.Contains(f.Ports.Value, four) {
			continue // published on every address, of an engine that may have no IPv6
		}
		if !slices.Contains(f.Ports.Value, p) {
			wrong = append(wrong, p.String()+" is declared but not published")
		}
	}
	if len(wrong) > 0 {
		return policy.Fail(f.Ports.Tier, "%s", strings.Join(wrong, "; "))
	}
	return policy.Pass(f.Ports.Tier, "%s", list(f.Ports.Value))
}

func ownNetworks(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Networks.Known() {
		return policy.Unknown(f.Networks, "the networks")
	}
	var names []string
	for _, n := range f.Networks.Value {
		if n.Default {
			return policy.Fail(f.Networks.Tier, "the service is on the engine's default bridge")
		}
		if !slices.Contains(in.Networks, n.Name) {
			return policy.Fail(f.Networks.Tier, "the service is on network %s, which its profile does not name", n.Name)
		}
		names = append(names, n.Name)
	}
	if len(names) < len(in.Networks) {
		return policy.Fail(f.Networks.Tier, "the service is on %v only, not on %v", names, in.Networks)
	}
	return policy.Pass(f.Networks.Tier, "on %s", strings.Join(names, ", "))
}

func egress(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Networks.Known() {
		return policy.Unknown(f.Networks, "the networks")
	}
	if in.Egress {
		return policy.Pass(f.Networks.Tier, "a way out is declared")
	}
	if f.WayOut.Known() && !f.WayOut.Value {
		return policy.Pass(f.WayOut.Tier, "no route out")
	}
	var elsewhere []string
	for _, n := range f.Networks.Value {
		switch {
		case n.External:
			elsewhere = append(elsewhere, n.Name)
		case !n.Internal:
			return policy.Fail(f.Networks.Tier, "network %s leads out", n.Name)
		}
	}
	if len(elsewhere) > 0 {
		return policy.Undetermined("the networks: network " + strings.Join(elsewhere, ", ") + " is created outside this stack")
	}
	return policy.Pass(f.Networks.Tier, "no network leads out")
}

func listening(f policy.Facts, in policy.Intent) policy.Verdict {
	if in.Listen == nil && in.ListenUDP == nil {
		return policy.NotApplicable(finding.Declared, "the profile does not say on which ports the service listens")
	}
	if !f.Listening.Known() {
		return policy.Unknown(f.Listening, "the listening sockets")
	}
	var wrong []string
	for _, p := range f.Listening.Value {
		if !slices.Contains(in.Listen, p) {
			wrong = append(wrong, fmt.Sprintf("port %d is open but not declared", p))
		}
	}
	for _, p := range in.Listen {
		if !slices.Contains(f.Listening.Value, p) {
			wrong = append(wrong, fmt.Sprintf("port %d is declared but not open", p))
		}
	}
	wrong = append(wrong, datagrams(f, in)...)
	if len(wrong) > 0 {
		return policy.Fail(f.Listening.Tier, "%s", strings.Join(wrong, "; "))
	}
	if !f.UDP.Known() && f.UDP.Why != "" {
		return policy.Unknown(f.UDP, "the UDP sockets")
	}
	return policy.Pass(f.Listening.Tier, "listens on %v", in.Listen)
}

// datagrams says what is wrong with the UDP ports. Those that a kernel gives to clients are not counted: a client that waits for
// an answer looks just like a server.
func datagrams(f policy.Facts, in policy.Intent) []string {
	declared := slices.Clone(in.ListenUDP)
	for _, p := range in.Ports {
		if p.Protocol == "udp" {
			declared = append(declared, p.Container)
		}
	}
	first := firstOfClients
	if slices.Contains(f.Sysctls.Value, "net.ipv4.ip_local_port_range") {
		first = firstAllowed
	}
	var wrong []string
	for _, p := range f.UDP.Value {
		if !slices.Contains(declared, p) && (p < first || p > lastOfClients && first == firstOfClients) {
			wrong = append(wrong, fmt.Sprintf("port %d/udp is open but not declared", p))
		}
	}
	for _, p := range in.ListenUDP {
		if f.UDP.Known() && !slices.Contains(f.UDP.Value, p) {
			wrong = append(wrong, fmt.Sprintf("port %d/udp is declared but not open", p))
		}
	}
	return wrong
}

// A kernel gives ports of this range to clients (ip(7), ip_local_port_range). A parameter can make it as large as a user without
// privileges may bind.
const firstOfClients, lastOfClients, firstAllowed = 32768, 60999, 1024

func network() []policy.Control {
	return []policy.Control{
		{ID: "HSE-NET-001", Title: "Published ports are bound to the declared address", Severity: finding.High, Key: "ports",
			Rationale:  "A port published without an address is open to the world, and bypasses ufw and firewalld.",
			References: []string{"CIS 5.14", "KICS 451d79dc", "PSS hostPorts", "OWASP Docker rule 5a"},
			Remedy:     `write "PORT:PORT" for 127.0.0.1, or a public address when the port is meant to be public`,
			Predicate:  portAddresses},
		{ID: "HSE-NET-002", Title: "Exactly the declared ports are published", Severity: finding.High, Key: "ports",
			Rationale:  "An undeclared port is an unmonitored entry point; a declared port that is missing is an outage.",
			References: []string{"CIS 5.9", "NIST SP 800-190 4.4.2"},
			Remedy:     "declare the port under ports:, and give the service a network that may publish",
			Predicate:  portsDeclared},
		{ID: "HSE-NET-003", Title: "Low ports of the host are used only as declared", Severity: finding.Low, Key: "ports",
			Rationale:  "Users trust ports below 1024; only an edge needs one.",
			References: []string{"CIS 5.8", "KICS bc2908f3"},
			Remedy:     "publish on a port above 1023, or declare the port of the edge",
			Predicate: func(f policy.Facts, in policy.Intent) policy.Verdict {
				if !f.Ports.Known() {
					return policy.Unknown(f.Ports, "the published ports")
				}
				for _, p := range f.Ports.Value {
					if p.Host < 1024 && !slices.Contains(in.Ports, p) {
						return policy.Fail(f.Ports.Tier, "%s is published below 1024", p)
					}
				}
				return policy.Pass(f.Ports.Tier, "none undeclared below 1024")
			}},
		{ID: "HSE-NET-004", Title: "The service is on its own networks, not on docker0", Severity: finding.Medium, Key: "networks",
			Rationale:  "On the default bridge every container reaches every other.",
			References: []string{"CIS 5.30", "CIS 2.2", "OWASP Docker rule 5"},
			Remedy:     "name its networks under networks:",
			Predicate:  ownNetworks},
		{ID: "HSE-NET-005", Title: "No way out unless declared", Severity: finding.Medium, Key: "networks",
			Rationale:  "An intruder who cannot connect out cannot fetch tools or send data.",
			References: []string{"NIST SP 800-190 4.4.2", "NSA network separation"},
			Remedy:     "use internal networks; set egress: true on the one network that needs it",
			Predicate:  egress},
		{ID: "HSE-NET-006", Title: "The service reaches the services it shares a network with, and no other", Severity: finding.Medium, Key: "networks", Runtime: true,
			Rationale:  "An intruder goes from service to service; each network that is not shared stops that.",
			References: []string{"NIST SP 800-190 4.3.3", "OWASP Docker rule 5"},
			Remedy:     "let two services share a network only when they need to reach each other",
			Predicate:  reach},
		{ID: "HSE-NET-007", Title: "The service listens on the declared ports only", Severity: finding.Medium, Key: "verify", Runtime: true,
			Rationale:  "This detects debuggers and admin ports that came with the image. UDP ports count as well, but for those that the kernel gives to clients (32768 to 60999).",
			References: []string{"CIS 5.9", "NIST SP 800-190 4.4.5"},
			Remedy:     "close the port, or add it to verify.listen, one for UDP to verify.listen_udp",
			Predicate:  listening},
		{ID: "HSE-NET-008", Title: "No host name resolves to the host or to a metadata service", Severity: finding.Low,
			Rationale:  "host-gateway and 169.254.169.254 lead out of the container's own networks.",
			References: []string{"NIST SP 800-190 4.4.2"},
			Remedy:     "a profile cannot ask for it; the container was not made by hsectl",
			Predicate:  extraHosts},
		{ID: "HSE-NET-009", Title: "No remote shell or desktop runs inside", Severity: finding.Medium, Runtime: true, Key: "command",
			Rationale:  "A second entry point with its own users is rarely patched or monitored.",
			References: []string{"CIS 5.7", "KICS 5907595b"},
			Remedy:     "take it out of the image",
			Predicate:  remoteShell},
	}
}

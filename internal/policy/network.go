package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
)

func network() []Control {
	return []Control{
		{ID: "HSE-NET-001", Title: "Published ports are bound to the declared address", Severity: finding.High, Key: "ports",
			Rationale:  "A port published without an address is open to the world, and goes round ufw and firewalld.",
			References: []string{"CIS 5.14", "KICS 451d79dc", "PSS hostPorts", "OWASP Docker rule 5a"},
			Remedy:     `write "PORT:PORT" for 127.0.0.1, or the address when the world is meant`,
			judge:      portAddresses},
		{ID: "HSE-NET-002", Title: "Exactly the declared ports are published", Severity: finding.High, Key: "ports",
			Rationale:  "A port nobody declared is a door nobody watches; a declared one that is missing is an outage.",
			References: []string{"CIS 5.9", "NIST SP 800-190 4.4.2"},
			Remedy:     "declare the port under ports:, and give the service a network that may publish",
			judge:      portsDeclared},
		{ID: "HSE-NET-004", Title: "The service is on its own networks, not on docker0", Severity: finding.Medium, Key: "networks",
			Rationale:  "On the default bridge every container reaches every other.",
			References: []string{"CIS 5.30", "CIS 2.2", "OWASP Docker rule 5"},
			Remedy:     "name its networks under networks:",
			judge:      ownNetworks},
		{ID: "HSE-NET-005", Title: "No way out unless declared", Severity: finding.Medium, Key: "networks",
			Rationale:  "An intruder who cannot connect out cannot fetch tools or send data.",
			References: []string{"NIST SP 800-190 4.4.2", "NSA network separation"},
			Remedy:     "use internal networks; set egress: true on the one network that needs it",
			judge:      egress},
		{ID: "HSE-NET-007", Title: "The service listens on the declared ports only", Severity: finding.Medium, Key: "verify", Runtime: true,
			Rationale:  "A debugger or an admin port that came with the image is found here.",
			References: []string{"CIS 5.9", "NIST SP 800-190 4.4.5"},
			Remedy:     "close the port, or add it to verify.listen",
			judge:      listening},
	}
}

// String returns address:host→container/protocol.
func (p Port) String() string {
	address := p.Address
	if a, err := netip.ParseAddr(address); err == nil && a.Is6() {
		address = "[" + address + "]"
	}
	return fmt.Sprintf("%s:%d→%d/%s", address, p.Host, p.Container, p.Protocol)
}

func public(address string) bool {
	a, err := netip.ParseAddr(address)
	return err != nil || a.IsUnspecified()
}

func portAddresses(f Facts, in Intent) Verdict {
	if !f.Ports.Known() {
		return unknown(f.Ports, "the published ports")
	}
	for _, p := range f.Ports.Value {
		if public(p.Address) && !slices.Contains(in.Ports, p) {
			return fail(f.Ports.Tier, "%s is open to every network of the host", p)
		}
	}
	return pass(f.Ports.Tier, "%s", list(f.Ports.Value))
}

func list(ports []Port) string {
	if len(ports) == 0 {
		return "nothing is published"
	}
	words := make([]string, len(ports))
	for i, p := range ports {
		words[i] = p.String()
	}
	return strings.Join(words, ", ")
}

func portsDeclared(f Facts, in Intent) Verdict {
	if !f.Ports.Known() {
		return unknown(f.Ports, "the published ports")
	}
	var wrong []string
	for _, p := range f.Ports.Value {
		if !slices.Contains(in.Ports, p) {
			wrong = append(wrong, p.String()+" is published but not declared")
		}
	}
	for _, p := range in.Ports {
		if !slices.Contains(f.Ports.Value, p) {
			wrong = append(wrong, p.String()+" is declared but not published")
		}
	}
	if len(wrong) > 0 {
		return fail(f.Ports.Tier, "%s", strings.Join(wrong, "; "))
	}
	return pass(f.Ports.Tier, "%s", list(f.Ports.Value))
}

func ownNetworks(f Facts, in Intent) Verdict {
	if !f.Networks.Known() {
		return unknown(f.Networks, "the networks")
	}
	var names []string
	for _, n := range f.Networks.Value {
		if n.Default {
			return fail(f.Networks.Tier, "the service is on the engine's default bridge")
		}
		if !slices.Contains(in.Networks, n.Name) {
			return fail(f.Networks.Tier, "the service is on network %s, which its profile does not name", n.Name)
		}
		names = append(names, n.Name)
	}
	if len(names) < len(in.Networks) {
		return fail(f.Networks.Tier, "the service is on %v only, not on %v", names, in.Networks)
	}
	return pass(f.Networks.Tier, "on %s", strings.Join(names, ", "))
}

func egress(f Facts, in Intent) Verdict {
	if !f.Networks.Known() {
		return unknown(f.Networks, "the networks")
	}
	if in.Egress {
		return pass(f.Networks.Tier, "a way out is declared")
	}
	if f.WayOut.Known() && !f.WayOut.Value {
		return pass(f.WayOut.Tier, "there is no route out")
	}
	var elsewhere []string
	for _, n := range f.Networks.Value {
		switch {
		case n.External:
			elsewhere = append(elsewhere, n.Name)
		case !n.Internal:
			return fail(f.Networks.Tier, "network %s leads out", n.Name)
		}
	}
	if len(elsewhere) > 0 {
		return Verdict{finding.Unknown, finding.None, "the networks: network " + strings.Join(elsewhere, ", ") + " is made elsewhere"}
	}
	return pass(f.Networks.Tier, "no network leads out")
}

func listening(f Facts, in Intent) Verdict {
	if in.Listen == nil {
		return notApplicable(finding.Declared, "the profile does not say on which ports the service listens")
	}
	if !f.Listening.Known() {
		return unknown(f.Listening, "the listening sockets")
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
	if len(wrong) > 0 {
		return fail(f.Listening.Tier, "%s", strings.Join(wrong, "; "))
	}
	return pass(f.Listening.Tier, "listens on %v", in.Listen)
}

package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
)

func contact() []Control {
	return []Control{
		{ID: "HSE-NET-003", Title: "Low ports of the host are used only as declared", Severity: finding.Low, Key: "ports",
			Rationale:  "A port below 1024 is one that users trust; only an edge has business there.",
			References: []string{"CIS 5.8", "KICS bc2908f3"},
			Remedy:     "publish on a port above 1023, or declare the port of the edge",
			judge: func(f Facts, in Intent) Verdict {
				if !f.Ports.Known() {
					return unknown(f.Ports, "the published ports")
				}
				for _, p := range f.Ports.Value {
					if p.Host < 1024 && !slices.Contains(in.Ports, p) {
						return fail(f.Ports.Tier, "%s is published below 1024", p)
					}
				}
				return pass(f.Ports.Tier, "none undeclared below 1024")
			}},
		{ID: "HSE-NET-006", Title: "The service reaches the services it shares a network with, and no other", Severity: finding.Medium, Key: "networks", Runtime: true,
			Rationale:  "An intruder goes from service to service; each network that is not shared stops that.",
			References: []string{"NIST SP 800-190 4.3.3", "OWASP Docker rule 5"},
			Remedy:     "give both services one network for what they say to each other, and nothing more",
			judge:      reach},
		{ID: "HSE-NET-008", Title: "No name leads to the host or to a metadata service", Severity: finding.Low,
			Rationale:  "host-gateway and 169.254.169.254 lead out of the container's own networks.",
			References: []string{"NIST SP 800-190 4.4.2"},
			Remedy:     "a profile cannot ask for it; the container was not made by hsectl",
			judge:      extraHosts},
		{ID: "HSE-NET-009", Title: "No remote shell or desktop runs inside", Severity: finding.Medium, Runtime: true, Key: "command",
			Rationale:  "A second door with its own users is never patched and never watched.",
			References: []string{"CIS 5.7", "KICS 5907595b"},
			Remedy:     "take it out of the image",
			judge:      remoteShell},
	}
}

func reach(f Facts, in Intent) Verdict {
	if !f.Reach.Known() {
		return unknown(f.Reach, "connecting to other services")
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
		return fail(f.Reach.Tier, "%s", strings.Join(wrong, "; "))
	}
	if len(f.Reach.Value) == 0 {
		return notApplicable(f.Reach.Tier, "no other service of the stack says on which ports it listens")
	}
	return pass(f.Reach.Tier, "%d ports of other services tried, all as declared", len(f.Reach.Value))
}

// metadata are addresses of metadata services that are not link-local: of AWS by IPv6, Azure, Alibaba Cloud and Oracle Cloud.
func metadata() []string {
	return []string{"fd00:ec2::254", "168.63.129.16", "100.100.100.200", "192.0.0.192"}
}

func extraHosts(f Facts, _ Intent) Verdict {
	if !f.ExtraHosts.Known() {
		return unknown(f.ExtraHosts, "the extra hosts")
	}
	for _, h := range f.ExtraHosts.Value {
		name, address, _ := strings.Cut(strings.Replace(h, "=", ":", 1), ":")
		a, err := netip.ParseAddr(strings.Trim(address, "[]"))
		if address == "host-gateway" || name == "host.docker.internal" || err == nil && (a.IsLinkLocalUnicast() || slices.Contains(metadata(), a.Unmap().String())) {
			return fail(f.ExtraHosts.Tier, "%s leads to %s", name, address)
		}
	}
	return pass(f.ExtraHosts.Tier, "%d names set, none leads out", len(f.ExtraHosts.Value))
}

func remoteShell(f Facts, in Intent) Verdict {
	if !f.Processes.Known() {
		return unknown(f.Processes, "the processes")
	}
	for _, p := range f.Processes.Value {
		if slices.Contains([]string{"sshd", "telnetd", "dropbear", "in.telnetd", "Xvnc", "x11vnc", "xrdp"}, p.Name) {
			return fail(f.Processes.Tier, "process %s runs", p.Name)
		}
	}
	for _, port := range f.Listening.Value {
		if slices.Contains([]int{22, 23, 3389, 5900}, port) && !slices.Contains(in.Listen, port) {
			return fail(f.Listening.Tier, "port %d is open", port)
		}
	}
	return passAll(f, "none of the known ones")
}

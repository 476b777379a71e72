// Package platform holds the controls of what a stack stands on: the engine and its machine, and the monitoring.
package platform

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/lifecycle"
	"github.com/hsectl/hsectl/internal/policy"
)

// CheckMachine applies the controls of the engine and its machine. What is known of the releases of engines counts as of today.
func CheckMachine(m policy.Machine, engine lifecycle.Engine, today time.Time) []finding.Finding {
	var out []finding.Finding
	for _, c := range machine(engine, today) {
		v := c.judge(m)
		if v.Status == finding.Fail && c.Severity == finding.Info {
			v.Status = finding.Advice
		}
		out = append(out, finding.Finding{Subject: m.Name, Control: c.ID, Title: c.Title, Severity: c.Severity, Status: v.Status, Tier: v.Tier, Detail: v.Detail, Remedy: c.Remedy})
	}
	return out
}

// machineControl is a control of the engine and its machine.
type machineControl struct {
	policy.Control
	judge func(policy.Machine) policy.Verdict
}

func machine(engine lifecycle.Engine, today time.Time) []machineControl {
	const by = "verify --engine"
	return []machineControl{
		{Control: policy.Control{ID: "HSE-OPS-002", Title: "The engine's API is not open to the network", Severity: finding.Critical, By: by,
			Rationale:  "Access to it is equivalent to root on the machine.",
			References: []string{"CIS 2.7", "OWASP Docker rule 1", "NIST SP 800-190 4.3.2"},
			Remedy:     "take tcp:// out of the engine's hosts, or set tlsverify with a certificate authority of your own"},
			judge: func(m policy.Machine) policy.Verdict {
				return none(m.Plain, "the engine's addresses", "no address without TLS", "answers without TLS at %s")
			}},
		{Control: policy.Control{ID: "HSE-OPS-004", Title: "A firewall filters published ports", Severity: finding.High, By: by,
			Rationale:  "Published ports are forwarded before ufw and firewalld see them; only the chain DOCKER-USER comes first.",
			References: []string{"CIS 2.4", "OWASP Docker rule 5"},
			Remedy:     "declare under firewall: which networks may reach each port, and load the rules that hsectl generate writes; or publish on 127.0.0.1"},
			judge: publishedGuarded},
		{Control: policy.Control{ID: "HSE-OPS-005", Title: "Engine, runtime and kernel have the fixes of known escapes", Severity: finding.High, By: by,
			Rationale:  "A container escape needs one old component.",
			References: []string{"CIS 1.2.2", "NIST SP 800-190 4.4.1", "NIST SP 800-190 4.5.3"},
			Remedy:     "update the engine, runc, containerd and the kernel to releases with the fixes, which the detail names"},
			judge: func(m policy.Machine) policy.Verdict { return versions(m, engine, today) }},
		{Control: policy.Control{ID: "HSE-OPS-006", Title: "Root in a container has no privileges on the host", Severity: finding.Info, By: by,
			Rationale:  "With mapped user ids, or a rootless engine, a process that escapes has no privileges on the host.",
			References: []string{"CIS 2.9", "OWASP Docker rule 11"},
			Remedy:     "run the engine rootless, or with userns-remap"},
			judge: func(m policy.Machine) policy.Verdict {
				if !m.Security.Known() {
					return policy.Unknown(m.Security, "the engine's security options")
				}
				if slices.ContainsFunc(m.Security.Value, func(o string) bool { return o == "userns" || o == "rootless" }) {
					return policy.Pass(m.Security.Tier, "%s", strings.Join(m.Security.Value, ", "))
				}
				return policy.Fail(m.Security.Tier, "user ids are the host's")
			}},
		{Control: policy.Control{ID: "HSE-OPS-007", Title: "The engine's defaults are hardened", Severity: finding.Medium, By: by,
			Rationale:  "What is not made by hsectl gets the engine's defaults.",
			References: []string{"CIS 2.2", "CIS 2.5", "CIS 2.14", "CIS 2.15", "CIS 2.17", "CIS 2.18"},
			Remedy:     `in daemon.json: "icc": false, "live-restore": true, "no-new-privileges": true, no insecure-registries, no experimental`},
			judge: engineDefaults},
		{Control: policy.Control{ID: "HSE-OPS-008", Title: "The engine's files belong to root", Severity: finding.Medium, By: by,
			Rationale:  "Write access to the engine's configuration or socket is equivalent to root.",
			References: []string{"CIS 3.1", "CIS 3.15", "CIS 3.17"},
			Remedy:     "chown root, and take write access from group and others; the socket may be the group docker's"},
			judge: engineFiles},
		{Control: policy.Control{ID: "HSE-OPS-011", Title: "Swarm is off", Severity: finding.Low, By: by,
			Rationale:  "It opens ports for a cluster that is not used.",
			References: []string{"CIS 5.1"},
			Remedy:     "docker swarm leave --force"},
			judge: func(m policy.Machine) policy.Verdict {
				switch {
				case !m.Swarm.Known():
					return policy.Unknown(m.Swarm, "the state of swarm")
				case m.Swarm.Value:
					return policy.Fail(m.Swarm.Tier, "the engine is part of a swarm")
				}
				return policy.Pass(m.Swarm.Tier, "off")
			}},
		{Control: policy.Control{ID: "HSE-OPS-018", Title: "Ports on loopback cannot be reached by neighbours", Severity: finding.High, By: by,
			Rationale:  "Before Docker 28, a machine on the same network reaches a port that is published on 127.0.0.1: the engine translates a packet to that address wherever it comes from, and forwards what is routed to the container itself.",
			References: []string{"CIS 5.14", "moby/moby#45610"},
			Remedy:     "update the engine to 28 or later, or write firewall: [{port: PORT, from: [127.0.0.0/8]}] and load the rules that hsectl generate writes"},
			judge: func(m policy.Machine) policy.Verdict { return loopbackClosed(m, engine, today) }},
		{Control: policy.Control{ID: "HSE-LOG-003", Title: "The engine's own log settings keep and bound logs", Severity: finding.Info, By: by,
			Rationale:  "Containers that hsectl did not make log as the engine says.",
			References: []string{"CIS 2.3", "CIS 2.13", "OWASP Docker rule 10"},
			Remedy:     `in daemon.json: "log-driver": "local", or json-file with "log-opts": {"max-size": "10m"}`},
			judge: func(m policy.Machine) policy.Verdict {
				switch {
				case !m.LogDriver.Known():
					return policy.Unknown(m.LogDriver, "the engine's log driver")
				case m.LogDriver.Value == "none":
					return policy.Fail(m.LogDriver.Tier, "the engine's log driver is none")
				case m.LogDriver.Value != "json-file":
					return policy.Pass(m.LogDriver.Tier, "driver %s", m.LogDriver.Value)
				case !m.LogBounded.Known():
					return policy.Unknown(m.LogBounded, "the bound of json-file")
				case !m.LogBounded.Value:
					return policy.Fail(m.LogBounded.Tier, "json-file without max-size")
				}
				return policy.Pass(m.LogBounded.Tier, "json-file with a bound")
			}},
	}
}

// none fails when a list has entries.
func none(f policy.Fact[[]string], what, good, bad string) policy.Verdict {
	switch {
	case !f.Known():
		return policy.Unknown(f, what)
	case len(f.Value) > 0:
		return policy.Fail(f.Tier, bad, strings.Join(f.Value, ", "))
	}
	return policy.Pass(f.Tier, "%s", good)
}

func publishedGuarded(m policy.Machine) policy.Verdict {
	switch {
	case !m.Published.Known():
		return policy.Unknown(m.Published, "the published ports")
	case len(m.Published.Value) == 0:
		return policy.NotApplicable(m.Published.Tier, "no container publishes a port beyond the machine")
	case m.Openings != nil:
		return judgeOpenings(m)
	case !m.Forwarding.Known():
		return policy.Unknown(m.Forwarding, "the chain DOCKER-USER")
	}
	rules := slices.DeleteFunc(slices.Clone(m.Forwarding.Value), func(r string) bool {
		return !strings.HasPrefix(r, "-A ") || !strings.HasSuffix(r, "-j DROP") && !strings.Contains(r, "-j REJECT")
	})
	if len(rules) == 0 {
		return policy.Fail(m.Forwarding.Tier, "nothing in DOCKER-USER refuses what comes to %s", strings.Join(m.Published.Value, ", "))
	}
	return policy.Pass(m.Forwarding.Tier, "%d rules refuse some of what comes to %s; whether they are the right ones is not judged", len(rules), strings.Join(m.Published.Value, ", "))
}

// versions compares with the first releases of each line that have the fixes. A distribution keeps the number and fixes the
// rest, so of its versions the number proves nothing. An old version stays old however old the data is; a new one may be old by now.
func versions(m policy.Machine, engine lifecycle.Engine, today time.Time) policy.Verdict {
	if !m.Versions.Known() {
		return policy.Unknown(m.Versions, "the versions")
	}
	var old, blind, fine []string
	for _, name := range []string{"engine", "runc", "containerd", "kernel"} {
		text := m.Versions.Value[name]
		v, rest, ok := lifecycle.VersionOf(text)
		switch {
		case !ok:
			blind = append(blind, fmt.Sprintf("the version of %s is not known", name))
			continue
		case len(engine.Floors[name]) == 0:
			blind = append(blind, fmt.Sprintf("which releases of %s have the fixes: %s", name, cmp.Or(engine.Data.Stale(today), "the data does not say")))
			continue
		}
		missing := engine.Missing(name, v)
		switch {
		case len(missing) == 0:
			fine = append(fine, name+" "+text)
		case strings.ContainsAny(rest, "+~") || name == "kernel" && rest != "":
			blind = append(blind, name+" "+text+": a distribution's own; ask its security tracker")
		default:
			var floors []string
			for _, f := range missing {
				floors = append(floors, f.String())
			}
			old = append(old, fmt.Sprintf("%s %s; the fixes are in %s", name, text, strings.Join(floors, ", ")))
		}
	}
	switch {
	case len(old) > 0:
		return policy.Fail(m.Versions.Tier, "%s", strings.Join(old, "; "))
	case len(blind) > 0:
		return policy.Undetermined(strings.Join(blind, "; "))
	}
	if stale := engine.Data.Stale(today); stale != "" {
		return policy.Undetermined(strings.Join(fine, ", ") + ": " + stale)
	}
	return policy.Pass(m.Versions.Tier, "%s", strings.Join(fine, ", "))
}

func engineDefaults(m policy.Machine) policy.Verdict {
	switch {
	case !m.Security.Known():
		return policy.Unknown(m.Security, "the engine's security options")
	case !m.Insecure.Known():
		return policy.Unknown(m.Insecure, "the engine's registries")
	case !m.Open.Known():
		return policy.Unknown(m.Open, "the default bridge")
	case !m.Restores.Known():
		return policy.Unknown(m.Restores, "live-restore")
	case !m.Trial.Known():
		return policy.Unknown(m.Trial, "experimental features")
	}
	var wrong []string
	if m.Open.Value {
		wrong = append(wrong, "containers on the default bridge reach each other")
	}
	if !m.Restores.Value && !m.Swarm.Value {
		wrong = append(wrong, "containers stop with the engine")
	}
	if !slices.Contains(m.Security.Value, "no-new-privileges") {
		wrong = append(wrong, "new privileges are allowed by default")
	}
	if !slices.Contains(m.Security.Value, "seccomp") {
		wrong = append(wrong, "seccomp is off")
	}
	if len(m.Insecure.Value) > 0 {
		wrong = append(wrong, "registries without TLS: "+strings.Join(m.Insecure.Value, ", "))
	}
	if m.Trial.Value {
		wrong = append(wrong, "experimental features are on")
	}
	if len(wrong) > 0 {
		return policy.Fail(m.Security.Tier, "%s", strings.Join(wrong, "; "))
	}
	return policy.Pass(m.Security.Tier, "as they should be")
}

func engineFiles(m policy.Machine) policy.Verdict {
	if !m.Files.Known() {
		return policy.Unknown(m.Files, "the engine's files")
	}
	var wrong []string
	for _, f := range m.Files.Value {
		switch {
		case f.Owner != 0:
			wrong = append(wrong, fmt.Sprintf("%s belongs to uid %d", f.Path, f.Owner))
		case f.Mode&^f.Most != 0:
			wrong = append(wrong, fmt.Sprintf("%s has mode %04o, more than %04o", f.Path, f.Mode, f.Most))
		case f.Mode&0o020 != 0 && f.Group != "docker" && f.Group != "root":
			wrong = append(wrong, fmt.Sprintf("group %s may write %s", f.Group, f.Path))
		}
	}
	if len(wrong) > 0 {
		return policy.Fail(m.Files.Tier, "%s", strings.Join(wrong, "; "))
	}
	return policy.Pass(m.Files.Tier, "%d files", len(m.Files.Value))
}

// Controls returns the controls of the engine, its machine and the monitoring, for the catalogue.
func Controls() []policy.Control {
	var out []policy.Control
	for _, c := range machine(lifecycle.Engine{}, time.Time{}) {
		out = append(out, c.Control)
	}
	for _, c := range monitoring() {
		out = append(out, c.Control)
	}
	return out
}

package composefile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// Check judges every service and job by the table of controls. A Compose file grants nothing beyond what the engine does
// by itself: what would need a reason in a profile is a finding here. What the file does not show is unknown.
func (p *Project) Check() []finding.Finding {
	var out []finding.Finding
	controls, said := policy.Controls(), remedies()
	for _, s := range p.ServiceConfigs() {
		out = append(out, p.check(s, controls, said)...)
	}
	return out
}

func (p *Project) check(s types.ServiceConfig, controls []policy.Control, said map[string]string) []finding.Finding {
	facts, intent := p.facts(s), p.intent(s)
	var out []finding.Finding
	for _, c := range controls {
		if c.Runtime || !c.Asked(facts) {
			continue
		}
		f, in := p.lens(c.ID, s, facts, intent)
		v := c.Judge(f, in)
		if s.Provider != nil {
			v = policy.Verdict{Status: finding.Unknown, Detail: "the service is made by the external program " + s.Provider.Type}
		}
		remedy := c.Remedy
		if r, ok := said[c.ID]; ok {
			remedy = r
		}
		out = append(out, finding.Finding{Subject: s.Name, Control: c.ID, Title: c.Title, Severity: c.Severity, Status: v.Status, Tier: v.Tier,
			Detail: v.Detail, Remedy: remedy, Where: p.place(s.Name, KeysOf(c)...)})
	}
	if keys := unjudged(s); len(keys) > 0 {
		first, _, _ := strings.Cut(keys[0], " ")
		out = append(out, finding.Finding{Subject: s.Name, Control: "HSE-OPS-010", Title: "Everything that is written is judged", Severity: finding.High,
			Status: finding.Unknown, Detail: "no control judges " + strings.Join(keys, ", "), Remedy: "do without, or look at it yourself and put it into the baseline",
			Where: p.place(s.Name, first)})
	}
	return out
}

// intent is what the file itself decides: amounts and names, which only have to be there.
func (p *Project) intent(s types.ServiceConfig) policy.Intent {
	uids, gids := IDs(s.User)
	in := policy.Intent{UID: uids[0], GID: gids[0], Capabilities: Bounding(s), Ports: Ports(s), Memory: Memory(s), Image: s.Image}
	for _, m := range p.Mounts(s) {
		if m.Writable && (m.Kind == "volume" || m.Kind == "tmpfs") {
			in.Writable = append(in.Writable, policy.Mount{Path: m.Path, Kind: m.Kind, Source: m.Source, Writable: true, Size: m.Size})
		}
	}
	listed := p.keys(s.Name)["networks"]
	for _, name := range slices.Sorted(maps.Keys(s.Networks)) {
		if name != "default" || listed {
			in.Networks = append(in.Networks, name)
		}
	}
	if f := stop(s); f.Known() {
		in.Stop = f.Value
	}
	for _, use := range s.Secrets {
		in.Secrets = append(in.Secrets, use.Source)
	}
	return in
}

// lens shows a control what a Compose file can tell it: some facts are known to one control only, and some grants need
// a reason that the file has no place for.
func (p *Project) lens(control string, s types.ServiceConfig, f policy.Facts, in policy.Intent) (policy.Facts, policy.Intent) {
	switch control {
	case "HSE-USR-001", "HSE-USR-002", "HSE-USR-004":
		if why := p.userUnknown(s, control); why != "" {
			f.Processes = policy.Unseen[[]policy.Process](why)
		}
	case "HSE-CAP-001":
		in.Capabilities = 0
	case "HSE-CAP-002": // what the engine leaves by itself is HSE-CAP-001's
		if added := CapabilityNames(s.CapAdd); !s.Privileged && !slices.Contains(added, "ALL") && f.Processes.Known() {
			f.Processes.Value = slices.Clone(f.Processes.Value)
			f.Processes.Value[0].Bounding &= policy.CapabilityMask(added...)
		}
	case "HSE-NET-001":
		in.Ports = nil
	case "HSE-NET-005":
		if names := p.external(s); len(names) > 0 && !p.leadsOut(s) {
			f.Networks = policy.Unseen[[]policy.Network]("network " + strings.Join(names, ", ") + " is made elsewhere")
		}
	case "HSE-LIF-002":
	default:
		if strings.HasPrefix(control, "HSE-PRE-") && !f.Stop.Known() {
			f.Stop = declared(policy.Stop{Signal: s.StopSignal, Grace: EngineGrace, Init: s.Init != nil && *s.Init})
		}
	}
	return f, in
}

// userUnknown says why the ids of the service's processes are not in the text; it is empty when they are.
func (p *Project) userUnknown(s types.ServiceConfig, control string) string {
	root := slices.ContainsFunc(hooks(s), func(h hook) bool {
		return h.user != "" && UserKnown(h.user) && strings.HasPrefix(h.user, "0") || h.user == "root"
	})
	_, group, _ := strings.Cut(s.User, ":")
	switch {
	case root && control != "HSE-USR-002":
		return "" // one that is known to be root is enough
	case s.User == "":
		return "user: is not set, so the image decides; most run as root"
	case !UserKnown(s.User):
		return fmt.Sprintf("user %q is a name that only the image knows", s.User)
	case control == "HSE-USR-002" && group != "" && !UserKnown(group):
		return fmt.Sprintf("group %q is a name that only the image knows", group)
	}
	return ""
}

// leadsOut reports whether a network that the file defines leads out.
func (p *Project) leadsOut(s types.ServiceConfig) bool {
	for name := range s.Networks {
		if !bool(p.types.Networks[name].External) && !p.Closed(name) {
			return true
		}
	}
	return false
}

// unjudged lists what may weaken a service and no control looks at.
func unjudged(s types.ServiceConfig) []string {
	var out []string
	note := func(present bool, what string) {
		if present {
			out = append(out, what)
		}
	}
	borrowed := func(mode string) bool {
		return strings.HasPrefix(mode, "service:") || strings.HasPrefix(mode, "container:")
	}
	note(s.Provider != nil, "provider")
	note(s.Cgroup == "host", "cgroup host")
	note(s.CgroupParent != "", "cgroup_parent")
	note(len(s.Sysctls) > 0, "sysctls")
	note(borrowed(s.Pid), "pid "+s.Pid)
	note(borrowed(s.Ipc) || s.Ipc == "shareable", "ipc "+s.Ipc)
	note(borrowed(s.NetworkMode), "network_mode "+s.NetworkMode)
	note(s.Runtime != "", "runtime "+s.Runtime)
	note(s.Isolation != "", "isolation "+s.Isolation)
	note(s.CredentialSpec != nil, "credential_spec")
	note(len(s.VolumesFrom) > 0, "volumes_from")
	note(len(s.ExternalLinks) > 0, "external_links")
	note(s.Develop != nil, "develop")
	note(len(s.Models) > 0, "models")
	note(s.OomKillDisable, "oom_kill_disable")
	note(s.OomScoreAdj < 0, "oom_score_adj below 0")
	note(len(s.PreStart) > 0, "pre_start, beyond its user, privileges and capabilities")
	for _, host := range slices.Sorted(maps.Keys(s.ExtraHosts)) {
		note(slices.Contains(s.ExtraHosts[host], "host-gateway") || slices.Contains(s.ExtraHosts[host], "169.254.169.254"), "extra_hosts "+host)
	}
	for _, o := range s.SecurityOpt {
		name, value, _ := strings.Cut(strings.Replace(o, "=", ":", 1), ":")
		judged := name == "no-new-privileges" || name == "systempaths" || name == "seccomp" && (value == "unconfined" || value == "builtin")
		note(!judged, "security_opt "+name)
	}
	if v := s.Environment["DOCKER_HOST"]; v != nil {
		note(*v != "", "environment DOCKER_HOST")
	}
	for _, v := range s.Volumes {
		note(!slices.Contains([]string{"bind", "volume", "tmpfs"}, v.Type), "volumes of type "+v.Type)
	}
	if b := s.Build; b != nil {
		note(b.Privileged || len(b.Entitlements) > 0, "build with privileges")
		note(b.Network == "host", "build on the host's network")
	}
	return out
}

package composefile

import (
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/hsectl/hsectl/internal/composefile/resources"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
)

// Check judges every service and job by the table of controls. A Compose file grants nothing beyond what the engine does
// by itself: what would need a reason in a profile is a finding here. What the file does not show is unknown.
func (p *Project) Check() []finding.Finding {
	var out []finding.Finding
	table, said := controls.All(), remedies()
	for _, s := range p.ServiceConfigs() {
		out = append(out, p.check(s, table, said)...)
	}
	return out
}

func (p *Project) check(s types.ServiceConfig, controls []policy.Control, said map[string]string) []finding.Finding {
	facts, intent := p.facts(s), p.intent(s)
	var out []finding.Finding
	for _, c := range controls {
		v, answered := c.Declared(p.lens(c.ID, s, facts, intent))
		if !answered {
			continue
		}
		if s.Provider != nil && c.ID != EverythingJudged {
			v = policy.Verdict{Status: finding.Unknown, Detail: "the service is made by the external program " + s.Provider.Type}
		}
		remedy := c.Remedy
		if r, ok := said[c.ID]; ok {
			remedy = r
		}
		if r := standing(c.ID, s); r != "" {
			remedy = r
		}
		out = append(out, finding.Finding{Subject: s.Name, Control: c.ID, Title: c.Title, Severity: c.Severity, Status: v.Status, Tier: v.Tier,
			Detail: v.Detail, Remedy: remedy, Where: p.place(s.Name, decisive(c, facts)...)})
	}
	return out
}

// standing says what to do where what a remedy says is written already.
func standing(control string, s types.ServiceConfig) string {
	switch {
	case control == "HSE-CAP-001" && slices.Contains(CapabilityNames(s.CapDrop), "ALL") && len(s.CapAdd) > 0:
		return "take " + strings.Join(CapabilityNames(s.CapAdd), ", ") + " out of cap_add, or keep it in a profile with a reason: hsectl init --from"
	case control == "HSE-CAP-001" && s.Privileged:
		return "remove privileged: true, then write cap_drop: [ALL]"
	case control == "HSE-LIF-002" && s.StopGracePeriod != nil && s.StopSignal == "":
		return "write stop_signal: with the signal on which the program ends"
	case control == "HSE-USR-002" && strings.Contains(s.User, ":"):
		return "use a group that is not 0, and give it the files that the program reads"
	}
	return ""
}

// EverythingJudged is the control that names what no other one judges.
const EverythingJudged = "HSE-OPS-010"

// decisive are the keys that decide a control, the most likely first.
func decisive(c policy.Control, f policy.Facts) []string {
	if c.ID != EverythingJudged {
		return KeysOf(c)
	}
	first, _, _ := strings.Cut(f.Unjudged.Value[0], " ")
	first, _, _ = strings.Cut(first, ".")
	return []string{first}
}

// intent is what the file itself decides: amounts and names, which only have to be there.
func (p *Project) intent(s types.ServiceConfig) policy.Intent {
	uids, gids := IDs(s.User)
	in := policy.Intent{UID: uids[0], GID: gids[0], Capabilities: Bounding(s), Ports: Ports(s), Memory: resources.Memory(s), Image: s.Image, Images: p.Images, Today: p.Today}
	for _, m := range p.Mounts(s) {
		if m.Writable && (m.Kind == "volume" || m.Kind == "tmpfs") {
			in.Writable = append(in.Writable, policy.Mount{Path: m.Path, Kind: m.Kind, Source: m.Source, Writable: true, Size: m.Size})
		}
	}
	in.Networks = slices.Sorted(maps.Keys(s.Networks))
	if f := stop(s); f.Known() {
		in.Stop = f.Value
	}
	for _, use := range s.Secrets {
		in.Secrets = append(in.Secrets, use.Source)
	}
	return in
}

// lens shows a control what a file of others is granted: what needs a reason in a profile is not, as the file has no place
// for one. What the engine leaves a container by itself is told once.
func (p *Project) lens(control string, s types.ServiceConfig, f policy.Facts, in policy.Intent) (policy.Facts, policy.Intent) {
	switch control {
	case "HSE-CAP-001":
		in.Capabilities = 0
	case "HSE-CAP-002": // what the engine leaves by itself is HSE-CAP-001's
		if added := CapabilityNames(s.CapAdd); !s.Privileged && !slices.Contains(added, "ALL") && f.Processes.Known() {
			f.Processes.Value = slices.Clone(f.Processes.Value)
			f.Processes.Value[0].Bounding &= policy.CapabilityMask(added...)
		}
	case "HSE-NET-001":
		in.Ports = nil
	case "HSE-LIF-002":
	default:
		if strings.HasPrefix(control, "HSE-PRE-") && !f.Stop.Known() {
			f.Stop = declared(policy.Stop{Signal: s.StopSignal, Grace: EngineGrace, Init: s.Init != nil && *s.Init})
		}
	}
	return f, in
}

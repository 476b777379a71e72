// Package checklist answers the questions that are asked before production from the evidence at hand.
package checklist

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
)

// Known is everything that a checklist is answered from.
type Known struct {
	Stack    stack.Stack
	Findings []finding.Finding        // of verify and of the engine, now
	Images   map[string]string        // ids of the images that the services run, by service; empty where the engine has none
	Stored   map[string]Stored        // latest results of drills and scans, by kind
	Asked    map[string]verify.Answer // what was asked now: dashboards, alerts, tls, backup
	Now      time.Time
	Fresh    time.Duration // how old a stored result may be
}

// Stored is a result of another run.
type Stored struct {
	Made     time.Time
	Findings []finding.Finding
}

// Answers answers the fourteen questions that are asked before production. What no evidence answers is unknown, with
// what to run.
func Answers(k Known) []finding.Finding {
	return []finding.Finding{
		k.held(1, "Environment variables and secrets are configured", "HSE-SEC-001", "HSE-SEC-002", "HSE-SEC-004"),
		k.held(2, "Resource limits are set", "HSE-RES-001", "HSE-RES-002", "HSE-RES-003", "HSE-RES-004"),
		k.held(3, "The root file system is read-only", "HSE-FS-001"),
		k.held(4, "No process is root", "HSE-USR-001", "HSE-USR-002", "HSE-USR-004"),
		k.held(5, "Writable directories are volumes or sized", "HSE-FS-002", "HSE-FS-010"),
		k.held(6, "Health checks are configured and pass", "HSE-HLT-001", "HSE-HLT-002", "HSE-HLT-004"),
		k.drilled(7, "Graceful shutdown is tested", "drill-shutdown", "hsectl drill shutdown"),
		k.asked(8, "Monitoring dashboards are accessible", "dashboards", "hsectl checklist --dashboards http://127.0.0.1:3000/api/health"),
		k.alerted(9, "Alerts are configured"),
		k.backedUp(10, "A backup is in place"),
		k.held(11, "Log rotation is configured", "HSE-LOG-001"),
		k.asked(12, "TLS certificates are installed", "tls", "hsectl checklist --tls tls://your.name"),
		k.firewall(13, "The firewall has rules for what is published"),
		k.scanned(14, "Security scanning is done", "scan", "hsectl scan"),
	}
}

func item(n int, title string) finding.Finding {
	return finding.Finding{Subject: "checklist", Control: fmt.Sprintf("ITEM-%02d", n), Title: title, Severity: finding.High}
}

// held joins the answers of several controls for all services: the worst counts, on the weakest evidence.
func (k Known) held(n int, title string, controls ...string) finding.Finding {
	out := item(n, title)
	out.Remedy = "see: hsectl verify"
	var wrong, blind, waived []string
	judged := 0
	for _, f := range k.Findings {
		if !slices.Contains(controls, f.Control) {
			continue
		}
		judged++
		name := f.Subject + " " + f.Control
		switch {
		case f.Status == finding.Waived:
			waived = append(waived, name)
		case f.Status == finding.Unknown:
			blind = append(blind, name)
		case !f.Proven():
			wrong = append(wrong, name)
		}
		if f.Status == finding.Pass && (out.Tier == finding.None || f.Tier < out.Tier) {
			out.Tier = f.Tier
		}
	}
	switch {
	case len(wrong) > 0:
		out.Status, out.Detail = finding.Fail, "does not hold: "+strings.Join(wrong, ", ")
	case len(blind) > 0 || judged == 0:
		out.Status, out.Tier, out.Detail = finding.Unknown, finding.None, "not known: "+strings.Join(blind, ", ")
	default:
		out.Status, out.Detail = finding.Pass, fmt.Sprintf("%d answers for %d services", judged, len(k.Stack.Services))
	}
	if len(waived) > 0 {
		out.Detail += "; excepted: " + strings.Join(waived, ", ")
	}
	return out
}

// latest is a stored result, unless it is missing or too old.
func (k Known) latest(out *finding.Finding, kind, run string) (Stored, bool) {
	stored, ok := k.Stored[kind]
	age := k.Now.Sub(stored.Made)
	switch {
	case !ok:
		out.Detail = "no result is known"
	case age > k.Fresh:
		out.Detail = fmt.Sprintf("the last result is %d days old", int(age.Hours()/24))
	default:
		return stored, true
	}
	out.Remedy = "run: " + run
	return Stored{}, false
}

func (k Known) stored(n int, title, kind, run string) finding.Finding {
	out := item(n, title)
	stored, ok := k.latest(&out, kind, run)
	if !ok {
		return out
	}
	out.Status, out.Tier = finding.Pass, finding.Behaved
	if !finding.Proven(stored.Findings) {
		out.Status = finding.Fail
	}
	out.Detail = fmt.Sprintf("%d answers, %s", len(stored.Findings), ago(k.Now.Sub(stored.Made)))
	return out
}

// drilled wants every service in the stored result.
func (k Known) drilled(n int, title, kind, run string) finding.Finding {
	out := k.stored(n, title, kind, run)
	if out.Status != finding.Pass {
		return out
	}
	var missing []string
	for _, s := range k.Stack.Services {
		if !slices.ContainsFunc(k.Stored[kind].Findings, func(f finding.Finding) bool { return f.Subject == s.Name }) {
			missing = append(missing, s.Name)
		}
	}
	if len(missing) > 0 {
		out.Status, out.Tier, out.Remedy = finding.Unknown, finding.None, "run: "+run
		out.Detail += "; not tried: " + strings.Join(missing, ", ")
	}
	return out
}

// ScanResult is what is kept of a scan, for each service: the image's id, and whether it passed the profile's rules.
func ScanResult(service, image, id string, passed bool) finding.Finding {
	f := finding.Finding{Subject: service, Control: "SCAN", Title: "The image passes the profile's rules", Severity: finding.High,
		Status: finding.Fail, Tier: finding.Declared, Detail: id, Remedy: "see: hsectl scan " + image}
	if passed {
		f.Status, f.Remedy = finding.Pass, ""
	}
	return f
}

// scanned wants a stored result of the very image that each service runs now.
func (k Known) scanned(n int, title, kind, run string) finding.Finding {
	out := item(n, title)
	stored, ok := k.latest(&out, kind, run)
	if !ok {
		return out
	}
	var refused, missing []string
	for _, s := range k.Stack.Services {
		i := slices.IndexFunc(stored.Findings, func(f finding.Finding) bool { return f.Subject == s.Name })
		switch id := k.Images[s.Name]; {
		case i < 0:
			missing = append(missing, s.Name+" was not scanned")
		case id == "":
			missing = append(missing, "the engine does not have the image of "+s.Name)
		case stored.Findings[i].Detail != id:
			missing = append(missing, s.Name+" has another image since")
		case !stored.Findings[i].Proven():
			refused = append(refused, s.Name)
		}
	}
	out.Detail = fmt.Sprintf("%d images, %s", len(stored.Findings), ago(k.Now.Sub(stored.Made)))
	out.Remedy = "run: " + run
	switch {
	case len(refused) > 0:
		out.Status, out.Tier, out.Remedy = finding.Fail, finding.Declared, "see: "+run
		out.Detail += "; refused: " + strings.Join(refused, ", ")
	case len(missing) > 0 || len(k.Stack.Services) == 0:
		out.Detail += "; " + strings.Join(missing, ", ")
	default:
		out.Status, out.Tier, out.Remedy = finding.Pass, finding.Declared, ""
	}
	return out
}

func (k Known) asked(n int, title, what, run string) finding.Finding {
	out := item(n, title)
	answer, ok := k.Asked[what]
	switch {
	case !ok:
		out.Detail, out.Remedy = "the check was not run", "run: "+run
	case answer.OK:
		out.Status, out.Tier, out.Detail = finding.Pass, finding.Behaved, answer.Text
	default:
		out.Status, out.Tier, out.Detail, out.Remedy = finding.Fail, finding.Behaved, answer.Text, "see what answers there: "+run
	}
	return out
}

// alerted asks those who watch the stack: its own monitoring, where it is deployed, or the address that was shown.
func (k Known) alerted(n int, title string) finding.Finding {
	_, shown := k.Asked["alerts"]
	watched := slices.ContainsFunc(k.Findings, func(f finding.Finding) bool { return f.Control == "HSE-MON-002" && f.Status != finding.Advice })
	if shown || !watched {
		return k.asked(n, title, "alerts", "hsectl deploy --monitoring; of another system: hsectl checklist --alerts http://127.0.0.1:9090/api/v1/rules")
	}
	return k.held(n, title, "HSE-MON-001", "HSE-MON-002")
}

// backedUp asks what is declared and seen of the backups. Where the profile says nothing, a backup must be shown.
func (k Known) backedUp(n int, title string) finding.Finding {
	said := slices.ContainsFunc(k.Findings, func(f finding.Finding) bool { return f.Control == "HSE-OPS-001" })
	silent := slices.ContainsFunc(k.Findings, func(f finding.Finding) bool { return f.Control == "HSE-OPS-001" && f.Status == finding.Advice })
	if !said || silent {
		return k.asked(n, title, "backup", "hsectl checklist --backup FILE or DIRECTORY; better: declare it, volumes: {NAME: {backup: {to: DIRECTORY}}}")
	}
	out := k.held(n, title, "HSE-OPS-001")
	if out.Status != finding.Pass {
		out.Remedy = "make and try it: hsectl backup, hsectl drill restore; see what is missing with: hsectl verify"
	}
	return out
}

// firewall asks the engine's machine about what is published beyond it.
func (k Known) firewall(n int, title string) finding.Finding {
	out := k.held(n, title, "HSE-NET-001", "HSE-NET-002")
	if out.Status != finding.Pass {
		return out
	}
	var open []string
	for _, s := range k.Stack.Services {
		for _, p := range s.Ports {
			if !strings.HasPrefix(p.Address, "127.") && p.Address != "::1" {
				open = append(open, policy.Port(p).String())
			}
		}
	}
	if len(open) == 0 {
		out.Detail = "nothing is published beyond this machine"
		return out
	}
	out.Status, out.Tier = finding.Unknown, finding.None
	out.Detail, out.Remedy = "published to others: "+strings.Join(open, ", "), "check on the engine's machine, as root: hsectl verify --engine"
	i := slices.IndexFunc(k.Findings, func(f finding.Finding) bool { return f.Control == "HSE-OPS-004" })
	if i < 0 {
		return out
	}
	seen := k.Findings[i]
	out.Detail += "; " + seen.Detail
	if seen.Status == finding.Pass || seen.Status == finding.Fail {
		out.Status, out.Tier, out.Remedy = seen.Status, seen.Tier, seen.Remedy
	}
	return out
}

func ago(d time.Duration) string {
	switch {
	case d < time.Hour:
		return fmt.Sprintf("%d minutes ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}

package checklist

import (
	"slices"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
)

func TestChecklist(t *testing.T) {
	now := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
	app := stack.Service{Name: "app", Ports: []stack.Port{{Address: "127.0.0.1", Host: 80, Container: 80}}}
	var all []finding.Finding
	for _, id := range []string{"HSE-SEC-001", "HSE-RES-001", "HSE-FS-001", "HSE-USR-001", "HSE-FS-002", "HSE-HLT-002", "HSE-LOG-001", "HSE-NET-001"} {
		all = append(all, finding.Finding{Subject: "app", Control: id, Status: finding.Pass, Tier: finding.Effective})
	}
	scanOf := func(id string, passed bool) Stored {
		return Stored{Made: now.Add(-time.Hour), Findings: []finding.Finding{ScanResult("app", "app:1", id, passed)}}
	}
	tried := Stored{Made: now.Add(-time.Hour), Findings: []finding.Finding{{Subject: "app", Status: finding.Pass}}}
	ready := Known{Stack: stack.Stack{Services: []stack.Service{app}}, Findings: all, Now: now, Fresh: 30 * 24 * time.Hour,
		Images: map[string]string{"app": "sha256:1"},
		Stored: map[string]Stored{"drill-shutdown": tried, "scan": scanOf("sha256:1", true)},
		Asked:  map[string]verify.Answer{"dashboards": {OK: true}, "alerts": {OK: true}, "tls": {OK: true}, "backup": {OK: true}}}

	answers := Answers(ready)
	if len(answers) != 14 || !finding.Proven(answers) {
		t.Errorf("everything is known and good, but: %+v", answers)
	}
	for i, f := range Answers(Known{Stack: ready.Stack, Now: now}) {
		if f.Status != finding.Unknown || f.Remedy == "" {
			t.Errorf("item %d is %s without evidence: %s", i+1, f.Status, f.Detail)
		}
	}

	old, failed, public := ready, ready, ready
	old.Stored = map[string]Stored{"drill-shutdown": {Made: now.AddDate(0, -2, 0), Findings: tried.Findings}}
	failed.Findings = []finding.Finding{{Subject: "app", Control: "HSE-FS-001", Status: finding.Drift}}
	open := app
	open.Ports = []stack.Port{{Address: "0.0.0.0", Host: 53, Container: 53, Protocol: "udp"}}
	public.Stack = stack.Stack{Services: []stack.Service{open, {Name: "db"}}}
	walled := func(status finding.Status) Known {
		out := public
		out.Findings = append(slices.Clone(all), finding.Finding{Subject: "engine", Control: "HSE-OPS-004", Status: status, Tier: finding.Effective, Detail: "the chain"})
		return out
	}
	watched := func(services, alerts finding.Status) Known {
		out := ready
		out.Asked = nil
		out.Findings = append(slices.Clone(all), finding.Finding{Subject: "app", Control: "HSE-MON-001", Status: services, Tier: finding.Behaved},
			finding.Finding{Subject: "shop-monitoring", Control: "HSE-MON-002", Status: alerts, Tier: finding.Effective})
		return out
	}
	elsewhere := watched(finding.Advice, finding.Advice)
	elsewhere.Asked = map[string]verify.Answer{"alerts": {OK: true}}
	scan := func(s Stored, images map[string]string) Known {
		out := ready
		out.Stored, out.Images = map[string]Stored{"scan": s}, images
		return out
	}
	running := ready.Images
	stale := scanOf("sha256:1", true)
	stale.Made = now.AddDate(0, -2, 0)
	for name, c := range map[string]struct {
		known Known
		item  int
		want  finding.Status
	}{
		"an old drill":                  {old, 7, finding.Unknown},
		"a control that drifted":        {failed, 3, finding.Fail},
		"a port open to others":         {public, 13, finding.Unknown},
		"a service without a drill":     {public, 7, finding.Unknown},
		"what no control was asked for": {failed, 4, finding.Unknown},
		"no rules before an open port":  {walled(finding.Fail), 13, finding.Fail},
		"rules before an open port":     {walled(finding.Pass), 13, finding.Pass},
		"rules that were not seen":      {walled(finding.Unknown), 13, finding.Unknown},
		"alerts with a receiver":        {watched(finding.Pass, finding.Pass), 9, finding.Pass},
		"alerts without a receiver":     {watched(finding.Pass, finding.Fail), 9, finding.Fail},
		"a service without metrics":     {watched(finding.Fail, finding.Pass), 9, finding.Fail},
		"monitoring that says nothing":  {watched(finding.Unknown, finding.Unknown), 9, finding.Unknown},
		"monitoring that is not there":  {watched(finding.Advice, finding.Advice), 9, finding.Unknown},
		"monitoring of another system":  {elsewhere, 9, finding.Pass},
		"a scan that refused":           {scan(scanOf("sha256:1", false), running), 14, finding.Fail},
		"a scan of another image":       {scan(scanOf("sha256:2", true), running), 14, finding.Unknown},
		"a scan of nothing":             {scan(Stored{Made: now}, running), 14, finding.Unknown},
		"a scan too old":                {scan(stale, running), 14, finding.Unknown},
		"a scanned image that is gone":  {scan(scanOf("", true), nil), 14, finding.Unknown},
	} {
		if got := Answers(c.known)[c.item-1]; got.Status != c.want {
			t.Errorf("%s: item %d is %s: %s", name, c.item, got.Status, got.Detail)
		}
	}
}

package main

import (
	"slices"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/report"
	"github.com/hsectl/hsectl/internal/verify"
)

// bending are the flags by which a scan judges milder, or something else, than the profile says.
func bending() []string {
	return []string{"fail-on", "only-fixed", "new-since", "max-db-age", "vex", "platform"}
}

// keepScan keeps the verdicts on the images of a profile for the checklist, as drills keep theirs.
func keepScan(s app.Streams, p supplyChain, reports map[string]audit.Report, changed func(string) bool) {
	if i := slices.IndexFunc(bending(), changed); i >= 0 {
		s.Say("the result is not kept for the checklist: --%s judges by other rules than the profile", bending()[i])
		return
	}
	var kept []finding.Finding
	for _, service := range p.services {
		r := reports[service.Image]
		kept = append(kept, verify.ScanResult(service.Name, service.Image, r.Digest, passes(r)))
	}
	doc := report.Document{Kind: "Scan", Subject: p.stack, Findings: kept, Made: time.Now(), Tool: app.Version()}
	if err := app.Keep(doc, "scan"); err != nil {
		s.Say("the result is not kept for the checklist: %v", err)
	}
}

package supply

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/image/cache"
	"github.com/hsectl/hsectl/internal/image/scanners"
	"github.com/hsectl/hsectl/internal/report"
	"github.com/hsectl/hsectl/internal/verify/checklist"
)

// runFrom judges what another scanner found.
func runFrom(g *app.Settings, s app.Streams, changed func(string) bool, o ScanOptions) error {
	if len(o.Images) > 0 {
		return &app.UsageError{Err: errors.New("--from cannot be combined with an image"), Hint: "give one of them"}
	}
	p, err := RulesOf(g, changed("file"))
	if err != nil {
		return err
	}
	policy, err := p.Policy(o, changed)
	if err != nil {
		return err
	}
	found, err := readReport(o.From)
	if err != nil {
		return err
	}
	r := found.Report
	if age := r.Databases[0].Age(policy.Today); o.MaxDBAge > 0 && age > o.MaxDBAge {
		if r.Databases[0].Checked.IsZero() {
			return &app.UsageError{Err: fmt.Errorf("%s does not state the age of the scanner's database", o.From), Hint: "update the scanner, or accept any age with --max-db-age 0"}
		}
		return fmt.Errorf("%s: %w", o.From, &cache.StaleError{Ecosystem: r.Databases[0].Ecosystem, Age: age, Max: o.MaxDBAge})
	}
	var base []audit.Vulnerability
	if o.NewSince != "" {
		old, err := readReport(o.NewSince)
		if err != nil {
			return err
		}
		base = old.Report.Vulnerabilities
	}
	r.Weigh(policy, base)
	r.Findings = audit.JudgeReported(r, audit.Reported{Looked: found.Looked, Secrets: found.Secrets, EndOfLife: found.EndOfLife}, policy)
	if err := writeScan(s, r, policy, o); err != nil {
		return err
	}
	if !passes(r) && o.Format != "cyclonedx" && o.Format != "spdx" {
		return app.ErrFindings
	}
	return nil
}

func readReport(path string) (scanners.Found, error) {
	data, err := host.ReadFile(path, scanners.MaxBytes)
	if err != nil {
		return scanners.Found{}, &app.UsageError{Err: fmt.Errorf("reading the scanner's report: %w", err)}
	}
	found, err := scanners.Parse(data)
	if err != nil {
		return scanners.Found{}, &app.UsageError{Err: fmt.Errorf("%s: %w", path, err), Hint: "write it with: trivy image --format json, or grype -o json"}
	}
	return found, nil
}

// bending are the flags by which a scan judges milder, or something else, than the profile says.
func bending() []string {
	return []string{"fail-on", "only-fixed", "new-since", "max-db-age", "vex", "platform"}
}

// keepScan keeps the verdicts on the images of a profile for the checklist, as drills keep theirs.
func keepScan(s app.Streams, p Rules, reports map[string]audit.Report, changed func(string) bool) {
	if i := slices.IndexFunc(bending(), changed); i >= 0 {
		s.Say("the result is not kept for the checklist: --%s judges by other rules than the profile", bending()[i])
		return
	}
	var kept []finding.Finding
	for _, service := range p.services {
		r := reports[service.Image]
		kept = append(kept, checklist.ScanResult(service.Name, service.Image, r.Digest, passes(r)))
	}
	doc := report.Document{Kind: "Scan", Subject: p.stack, Findings: kept, Made: time.Now(), Tool: app.Version()}
	if err := app.Keep(doc, "scan"); err != nil {
		s.Say("could not save the result for the checklist: %v", err)
	}
}

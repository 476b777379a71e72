package supply

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/report"
)

// writeSARIF writes what scans found for code scanning, all images in one run: the controls that do not hold, and each
// vulnerability that counts as a result of its own. A result is on the line of the profile that names the image, or on the image.
func writeSARIF(s app.Streams, rules Rules, reports []audit.Report, p audit.Policy) error {
	doc := report.Document{Kind: "Scan", Subject: cmp.Or(rules.stack, "images"), Profile: rules.path}
	for _, r := range reports {
		where := rules.places[r.Image]
		if where == "" {
			where = artifact(r.Image) + ":1"
		}
		for _, f := range slices.Concat(r.Findings, vulnerabilities(r, p)) {
			if f.Control == "HSE-IMG-010" && f.Status == finding.Fail {
				continue // each of its vulnerabilities is a result
			}
			f.Subject, f.Where = r.Image, where
			doc.Findings = append(doc.Findings, f)
		}
	}
	err := (&app.ReportOptions{Format: "sarif"}).Write(s, doc)
	if errors.Is(err, app.ErrFindings) { // which of them end a scan is decided by their severity
		return nil
	}
	return err
}

// artifact is the path under which code scanning shows an image: its repository, or the file that it was read from.
func artifact(reference string) string {
	if _, err := os.Stat(reference); err == nil {
		return reference
	}
	reference = strings.TrimPrefix(strings.TrimPrefix(reference, "docker:"), "registry:")
	if repository, err := image.Repository(reference); err == nil {
		return strings.ReplaceAll(repository, ":", "_") // of a port
	}
	return "image"
}

// vulnerabilities are those that count or are excepted, each once with all packages that have it.
func vulnerabilities(r audit.Report, p audit.Policy) []finding.Finding {
	counting := map[string]bool{}
	for _, v := range r.Counting(p) {
		counting[v.ID] = true
	}
	var out []finding.Finding
	for _, v := range r.Vulnerabilities {
		if !counting[v.ID] && v.Status != audit.Ignored || v.Status != audit.Affected && v.Status != audit.Ignored {
			continue
		}
		text := v.Package + " " + v.Version
		switch {
		case v.Undecided != "":
			text += " (undecided: " + v.Undecided + ")"
		case v.Fixed != "":
			text += " (fixed in " + v.Fixed + ")"
		default:
			text += " (no fix)"
		}
		i := slices.IndexFunc(out, func(f finding.Finding) bool {
			return f.Control == v.ID && (f.Status == finding.Waived) == (v.Status == audit.Ignored)
		})
		if i >= 0 {
			out[i].Detail += ", " + text
			continue
		}
		f := finding.Finding{Control: v.ID, Title: cmp.Or(v.Summary, "Vulnerability "+v.ID), Severity: v.Severity.Level, Status: finding.Fail, Tier: finding.Declared,
			Detail: text, Remedy: "update what has a fix, then rebuild"}
		if !v.Severity.Known {
			f.Severity = finding.High
		}
		if v.Exploited != "" {
			f.Severity, f.Detail = finding.Critical, "exploited since "+v.Exploited+": "+text
		}
		if v.Status == audit.Ignored {
			f.Status, f.Waiver, f.Remedy = finding.Waived, ignored(v.Reason), ""
		}
		out = append(out, f)
	}
	return out
}

// ignored reads the reason of an ignored vulnerability: until DAY: why.
func ignored(reason string) *finding.Waiver {
	day, why, ok := strings.Cut(strings.TrimPrefix(reason, "until "), ": ")
	if !ok {
		return &finding.Waiver{Reason: reason}
	}
	return &finding.Waiver{Expires: day, Reason: why}
}

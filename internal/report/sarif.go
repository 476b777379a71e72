package report

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/hsectl/hsectl/internal/finding"
)

// Sources is where the reported files are: the root of their repository, and the directory to which relative paths belong. Both are
// absolute.
type Sources struct{ Root, Dir string }

// path returns a path relative to the root, with slashes: code scanning shows nothing on any other one, and where the files are on a
// machine is not its business. A file outside of the root keeps only its name.
func (s Sources) path(file string) string {
	whole := file
	if !filepath.IsAbs(whole) {
		whole = filepath.Join(s.Dir, whole)
	}
	if s.Root != "" && filepath.IsAbs(whole) {
		if relative, err := filepath.Rel(s.Root, whole); err == nil && filepath.IsLocal(relative) {
			return filepath.ToSlash(relative)
		}
		return filepath.Base(file)
	}
	if !filepath.IsLocal(file) {
		return filepath.Base(file)
	}
	return filepath.ToSlash(filepath.Clean(file))
}

// home is where the tool is described.
const home = "https://github.com/hsectl/hsectl"

// SARIF writes version 2.1.0 (OASIS), as code scanning of GitHub and others read it. What holds is left out: such
// readers show every result as an alert. What an exception allows is a suppressed result.
func SARIF(w io.Writer, d Document) error {
	return writeSARIF(w, sarifRun(d))
}

func writeSARIF(w io.Writer, run *sarif.Run) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(sarif.NewReport().AddRun(run)); err != nil {
		return fmt.Errorf("writing SARIF: %w", err)
	}
	return nil
}

// newSARIFRun is a run without results. The version of the tool may be empty.
func newSARIFRun(version string) *sarif.Run {
	run := sarif.NewRunWithInformationURI("hsectl", home)
	if version != "" {
		run.Tool.Driver.Version = &version
	}
	return run.WithColumnKind("unicodeCodePoints")
}

func sarifRun(d Document) *sarif.Run {
	run := newSARIFRun(d.Tool)
	for _, f := range d.Findings {
		sarifRule(run.AddRule(f.Control), d.rule(f))
	}
	for _, f := range d.Findings {
		if f.Status != finding.Pass && f.Status != finding.NotApplicable {
			run.AddResult(sarifResult(d, run.GetRuleIndex(f.Control), f))
		}
	}
	return run
}

func sarifRule(into *sarif.ReportingDescriptor, r Rule) {
	help := r.Rationale + "\n\nTo fix it: " + r.Remedy + "."
	markdown := r.Rationale + "\n\n**To fix it:** " + r.Remedy + "."
	if len(r.References) > 0 {
		help += "\n\nSee: " + strings.Join(r.References, ", ") + "."
		markdown += "\n\n**See:** " + strings.Join(r.References, ", ") + "."
	}
	into.WithShortDescription(sarif.NewMultiformatMessageString().WithText(r.Title)).
		WithFullDescription(sarif.NewMultiformatMessageString().WithText(r.Rationale)).
		WithHelp(sarif.NewMultiformatMessageString().WithText(help).WithMarkdown(markdown)).
		WithDefaultConfiguration(sarif.NewReportingConfiguration().WithLevel(level(r.Severity))).
		WithProperties(properties(map[string]any{
			"security-severity": score(r.Severity), "precision": "very-high", "tags": append([]string{"security", "docker"}, r.References...),
		}))
}

func properties(values map[string]any) *sarif.PropertyBag {
	bag := sarif.NewPropertyBag()
	for k, v := range values {
		bag.Add(k, v)
	}
	return bag
}

// level and score follow SARIF's three levels and GitHub's numbers from 0 to 10.
func level(s finding.Severity) string {
	switch s {
	case finding.Critical, finding.High:
		return "error"
	case finding.Medium:
		return "warning"
	}
	return "note"
}

func score(s finding.Severity) string {
	return [...]string{"0.5", "3.0", "5.5", "8.0", "9.5"}[s]
}

func sarifResult(d Document, rule int, f finding.Finding) *sarif.Result {
	about := map[string]any{"status": f.Status.String(), "evidence": f.Tier.String(), "service": f.Subject}
	if f.Owner != "" {
		about["owner"] = f.Owner
	}
	out := sarif.NewRuleResult(f.Control).WithRuleIndex(rule).WithKind("fail").WithLevel(level(f.Severity)).
		WithMessage(sarif.NewTextMessage(sarifPlain(sarifText(f)))).WithProperties(properties(about))
	// The same control of the same service is the same alert, wherever its line moves.
	out.WithPartialFingerprints(fingerprint("hsectlControl/v1", d.Subject, f.Subject, f.Control))
	out.AddLocation(sarifLocation(d, f))
	if f.Status == finding.Waived && f.Waiver != nil {
		out.AddSuppression(sarif.NewSuppression().WithKind("external").WithStatus("accepted").
			WithJustification(fmt.Sprintf("until %s: %s", f.Waiver.Expires, f.Waiver.Why())))
	}
	return out
}

// sarifPlain keeps brackets in a message from making a link: SARIF 2.1.0, section 3.11.6.
func sarifPlain(text string) string {
	return strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`).Replace(text)
}

func sarifText(f finding.Finding) string {
	text := f.Subject + ": " + f.Title + ": "
	switch f.Status {
	case finding.Unknown:
		text += "not known: "
	case finding.Drift:
		text += "declared correctly, but the running container differs: "
	case finding.Waived:
		text += "excepted: "
	case finding.Advice:
		text += "advice: "
	}
	text += f.Detail
	if f.Remedy != "" && (!f.Proven() || f.Status == finding.Advice) {
		text += ". To fix it: " + f.Remedy
	}
	if f.Owner != "" && !f.Proven() { // code scanning shows no properties
		text += ". Owner: " + f.Owner
	}
	return text
}

// sarifLocation points into the profile. A path is relative to the root of the sources, with slashes.
func sarifLocation(d Document, f finding.Finding) *sarif.Location {
	file, line, column := place(f.Where)
	if line == 0 {
		file, line, column = d.Profile, 1, 1
	}
	logical := sarif.NewLogicalLocation().WithName(f.Subject).WithFullyQualifiedName(d.Subject + "." + f.Subject).WithKind("module")
	return sarif.NewLocation().WithPhysicalLocation(physicalLocation(d.Sources.path(file), line, column)).AddLogicalLocation(logical)
}

// fingerprint names an alert by what it is about, also under the name by which GitHub knows it.
func fingerprint(name string, parts ...string) map[string]string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	digest := hex.EncodeToString(sum[:16])
	return map[string]string{name: digest, "primaryLocationLineHash": digest[:16] + ":1"}
}

// physicalLocation is a place in a file, whose path is relative to the root of the sources; line and column are 0 where they are not known.
func physicalLocation(file string, line, column int) *sarif.PhysicalLocation {
	artifact := sarif.NewArtifactLocation().WithURI((&url.URL{Path: file}).String()).WithURIBaseID("%SRCROOT%")
	physical := sarif.NewPhysicalLocation().WithArtifactLocation(artifact)
	if line == 0 {
		return physical
	}
	region := sarif.NewRegion().WithStartLine(line)
	if column > 0 {
		region.WithStartColumn(column)
	}
	return physical.WithRegion(region)
}

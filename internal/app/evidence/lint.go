package evidence

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/supply"
	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/report"
)

// LintOptions are the flags of lint.
type LintOptions struct {
	app.ReportOptions
	Fix           bool
	Baseline      string
	WriteBaseline string
	Inputs        app.Inputs
}

// Lint judges a profile, or any Compose file, without an engine.
func Lint(ctx context.Context, g *app.Settings, s app.Streams, o LintOptions, args []string) error {
	from := g.File
	if len(args) > 0 {
		from.Files = args
	}
	subject, findings, err := subject(ctx, s, o, from)
	if err != nil {
		return err
	}
	if o.WriteBaseline != "" {
		return writeBaseline(s, o.WriteBaseline, findings)
	}
	if o.Baseline != "" {
		if findings, err = beyondBaseline(s, o.Baseline, findings); err != nil {
			return err
		}
		if len(findings) == 0 {
			s.Say("%s: nothing new", subject)
			return nil
		}
	}
	return o.Write(s, report.Document{Kind: "Lint", Subject: subject, Profile: from.Files[0], Findings: fold(findings)})
}

// subject returns the findings of a profile or of a Compose file.
func subject(ctx context.Context, s app.Streams, o LintOptions, from app.Selection) (subject string, findings []finding.Finding, err error) {
	tree, err := o.Inputs.Tree(from.Files...)
	if err != nil {
		return "", nil, err
	}
	data, err := app.ReadProfile(tree.ReadFile, from.Files[0])
	if err != nil {
		return "", nil, err
	}
	if !composefile.IsCompose(data) {
		if o.Fix {
			return "", nil, &app.UsageError{Err: fmt.Errorf("%s is a profile; --fix applies to Compose files only", from.Files[0]), Hint: "a profile is hardened by default; sort its keys with hsectl fmt"}
		}
		if from, err = o.Inputs.With(from); err != nil {
			return "", nil, err
		}
		l, err := app.LoadFrom(from, tree.ReadFile, time.Now())
		if err != nil {
			return "", nil, err
		}
		SayUnset(s, l.Unset(), "")
		if err := l.Refused(); err != nil {
			return "", nil, err
		}
		if findings, err = LintProfile(l); err != nil {
			return "", nil, err
		}
		findings = slices.Concat(findings, judgeSources(ctx, l, tree), supply.LintBuilds(ctx, tree.ReadFile, l))
		if monitor, ok, err := l.MonitoringStack(); err != nil {
			return "", nil, err
		} else if ok {
			more, err := LintProfile(monitor)
			if err != nil {
				return "", nil, err
			}
			findings = append(findings, more...)
		}
		watching, err := lintMonitoring(l)
		if err != nil {
			return "", nil, err
		}
		findings = append(findings, watching...)
		return l.Stack.Name, findings, nil
	}
	p, skipped, err := loadCompose(ctx, from.Files, o.Inputs)
	if err != nil {
		return "", nil, err
	}
	if o.Fix {
		if p, err = fixed(ctx, s, o, p, from.Files); err != nil {
			return "", nil, err
		}
	}
	SayUnseen(s, p, skipped)
	return p.Name, p.Check(), nil
}

// LintProfile judges the rendered file of the stack of a profile.
func LintProfile(l app.Loaded) ([]finding.Finding, error) {
	declared, err := l.Declared()
	if err != nil {
		return nil, err
	}
	return app.Located(l, append(declared.Check(), opened(l)...)), nil
}

// opened judges whether the profile restricts which networks may reach the published ports of each service: HSE-OPS-004, as
// declared.
func opened(l app.Loaded) []finding.Finding {
	var out []finding.Finding
	for _, s := range l.Stack.Services {
		var beyond []string
		for _, p := range s.Ports {
			if p.Beyond() {
				beyond = append(beyond, policy.Port(p).String())
			}
		}
		if len(beyond) == 0 {
			continue
		}
		f := finding.Finding{Subject: s.Name, Control: "HSE-OPS-004", Title: "A firewall filters published ports", Severity: finding.High, Where: "ports", Status: finding.Pass, Tier: finding.Declared,
			Detail: "firewall: restricts which networks may reach " + strings.Join(beyond, ", ") + "; hsectl verify --engine checks that the machine enforces it"}
		if l.Stack.Firewall == nil {
			f.Status, f.Detail = finding.Advice, "no firewall rule is declared for "+strings.Join(beyond, ", ")
			f.Remedy = "declare it under firewall: - {port: PORT, from: [NETWORK]}, or from: [world]; hsectl generate writes the rules"
		}
		out = append(out, f)
	}
	return out
}

// loadCompose reads Compose files as the inputs allow. Skipped is a .env that does not count, or empty.
func loadCompose(ctx context.Context, files []string, in app.Inputs) (p *composefile.Project, skipped string, err error) {
	source, skipped, err := in.Compose(ctx, files)
	if err != nil {
		return nil, "", err
	}
	p, err = app.LoadCompose(ctx, source)
	if err != nil {
		return nil, "", &app.UsageError{Err: err, Hint: app.ComposeHint(err, files[0])}
	}
	return p, skipped, nil
}

// SayUnset names the variables without a value. Skipped is a .env that does not count, or empty.
func SayUnset(s app.Streams, names []string, skipped string) {
	if len(names) == 0 {
		return
	}
	how := "name them with --env-from or --env-file"
	if skipped != "" {
		how = "git does not track " + skipped + ", so it is not read; name it with --env-file"
	}
	s.Say("not set, kept as written or treated as empty: %s (%s)", strings.Join(names, ", "), how)
}

// SayUnseen reports what could not be read, so that a missing finding is not taken for a pass.
func SayUnseen(s app.Streams, p *composefile.Project, skipped string) {
	SayUnset(s, p.Unset, skipped)
	for _, place := range p.Undoubled() {
		s.Say("%s: Compose takes parts of this hash for variables: write $$ for each dollar sign", place)
	}
	if p.Blind != "" {
		s.Say("read without its env files: %s", p.Blind)
	}
}

// fixed writes the safe fixes, and loads the result.
func fixed(ctx context.Context, s app.Streams, o LintOptions, p *composefile.Project, files []string) (*composefile.Project, error) {
	changes := p.Fix()
	for _, f := range changes {
		if err := host.Rewrite(f.Path, f.Data); err != nil {
			return nil, err
		}
		for _, note := range f.Notes {
			s.Say("added  %s", note)
		}
	}
	if len(changes) == 0 {
		s.Say("no fix is safe to apply automatically")
		return p, nil
	}
	p, _, err := loadCompose(ctx, files, o.Inputs)
	return p, err
}

func writeBaseline(s app.Streams, path string, findings []finding.Finding) error {
	b := finding.NewBaseline(findings)
	data, err := b.Text()
	if err != nil {
		return err
	}
	if err := host.Rewrite(path, data); err != nil {
		return err
	}
	s.Say("%s in %s", display.Count(len(b.Findings), "finding"), path)
	return nil
}

func beyondBaseline(s app.Streams, path string, findings []finding.Finding) ([]finding.Finding, error) {
	data, err := host.ReadFile(path, app.MaxProfileBytes)
	if err != nil {
		return nil, &app.UsageError{Err: fmt.Errorf("reading the baseline: %w", err), Hint: "make one with: hsectl lint --write-baseline " + path}
	}
	b, err := finding.ParseBaseline(data)
	if err != nil {
		return nil, &app.UsageError{Err: err, Hint: "make one with: hsectl lint --write-baseline " + path}
	}
	fresh, known, stale := b.Apart(findings)
	if known > 0 {
		s.Say("%s ignored by the baseline", display.Count(known, "finding"))
	}
	if stale > 0 {
		verb := map[bool]string{true: "entry no longer applies", false: "entries no longer apply"}[stale == 1]
		s.Say("%d baseline %s; update it with --write-baseline", stale, verb)
	}
	return fresh, nil
}

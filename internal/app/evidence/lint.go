package evidence

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/supply"
	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/report"
	"github.com/hsectl/hsectl/internal/witness"
)

// LintOptions are the flags of lint.
type LintOptions struct {
	app.ReportOptions
	Fix           bool
	Baseline      string
	WriteBaseline string
	EnvFiles      []string
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
	return o.Write(s, report.Document{Kind: "Lint", Subject: subject, Profile: from.Files[0], Findings: findings})
}

// subject returns the findings of a profile or of a Compose file.
func subject(ctx context.Context, s app.Streams, o LintOptions, from app.Selection) (subject string, findings []finding.Finding, err error) {
	data, err := app.ReadProfile(host.ReadFile, from.Files[0])
	if err != nil {
		return "", nil, err
	}
	if !composefile.IsCompose(data) {
		if o.Fix {
			return "", nil, &app.UsageError{Err: fmt.Errorf("%s is a profile; there is nothing to mend in it", from.Files[0]), Hint: "a profile is hardened without being told; hsectl fmt puts it in order"}
		}
		l, err := app.Load(from)
		if err != nil {
			return "", nil, err
		}
		if err := l.Profile.Expired(l.Today, "", "monitoring."); err != nil {
			return "", nil, err
		}
		if findings, err = LintProfile(ctx, l); err != nil {
			return "", nil, err
		}
		findings = slices.Concat(findings, judgeSources(ctx, l), supply.LintBuilds(ctx, l))
		if beside, ok, err := l.Watching(); err != nil {
			return "", nil, err
		} else if ok {
			more, err := LintProfile(ctx, beside)
			if err != nil {
				return "", nil, err
			}
			findings = append(findings, more...)
		}
		watching, err := lintWatching(l)
		if err != nil {
			return "", nil, err
		}
		findings = append(findings, watching...)
		return l.Stack.Name, findings, nil
	}
	p, err := loadCompose(ctx, from.Files, o.EnvFiles)
	if err != nil {
		return "", nil, err
	}
	if o.Fix {
		if p, err = fixed(ctx, s, o, p, from.Files); err != nil {
			return "", nil, err
		}
	}
	SayUnseen(s, p)
	return p.Name, p.Check(), nil
}

// LintProfile judges the rendered file of the stack that is meant.
func LintProfile(ctx context.Context, l app.Loaded) ([]finding.Finding, error) {
	findings, err := witness.Check(ctx, l.Stack)
	return app.Located(l, append(findings, opened(l)...)), err
}

// opened says of each service that others can reach whether the profile says who may: HSE-OPS-004, as declared.
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
		f := finding.Finding{Subject: s.Name, Control: "HSE-OPS-004", Title: "A firewall sees what is published", Severity: finding.High, Where: "ports", Status: finding.Pass, Tier: finding.Declared,
			Detail: "firewall: says who may reach " + strings.Join(beyond, ", ") + "; that the machine does so is judged by hsectl verify --engine"}
		if l.Stack.Firewall == nil {
			f.Status, f.Detail = finding.Advice, "nobody says who may reach "+strings.Join(beyond, ", ")
			f.Remedy = "say it under firewall: - {port: PORT, from: [NETWORK]}, or from: [world]; hsectl generate writes the rules"
		}
		out = append(out, f)
	}
	return out
}

func loadCompose(ctx context.Context, files, envFiles []string) (*composefile.Project, error) {
	p, err := app.LoadCompose(ctx, composefile.Source{Files: files, EnvFiles: envFiles, Environment: os.Environ(), Read: host.ReadFile})
	if err != nil {
		return nil, &app.UsageError{Err: err, Hint: "see what Compose says: docker compose -f " + files[0] + " config"}
	}
	return p, nil
}

// SayUnseen tells what could not be read, so that nobody takes silence for a pass.
func SayUnseen(s app.Streams, p *composefile.Project) {
	if len(p.Unset) > 0 {
		s.Say("not set, and taken as empty: %s", strings.Join(p.Unset, ", "))
	}
	if p.Blind != "" {
		s.Say("read without its files of variables: %s", p.Blind)
	}
}

// fixed writes what is safe to mend, and loads the result.
func fixed(ctx context.Context, s app.Streams, o LintOptions, p *composefile.Project, files []string) (*composefile.Project, error) {
	changes := p.Fix()
	for _, f := range changes {
		if err := host.WriteTree(filepath.Dir(f.Path), []generate.File{{Path: filepath.Base(f.Path), Data: f.Data}}); err != nil {
			return nil, err
		}
		for _, note := range f.Notes {
			s.Say("added  %s", note)
		}
	}
	if len(changes) == 0 {
		s.Say("nothing is safe to mend without you")
		return p, nil
	}
	return loadCompose(ctx, files, o.EnvFiles)
}

func writeBaseline(s app.Streams, path string, findings []finding.Finding) error {
	b := finding.NewBaseline(findings)
	data, err := b.Text()
	if err != nil {
		return err
	}
	if err := host.WriteTree(filepath.Dir(path), []generate.File{{Path: filepath.Base(path), Data: data}}); err != nil {
		return err
	}
	s.Say("%s in %s", app.Count(len(b.Findings), "finding"), path)
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
		s.Say("%s known to the baseline", app.Count(known, "finding"))
	}
	if stale > 0 {
		s.Say("%s of the baseline hold again; write it anew with --write-baseline", app.Count(stale, "finding"))
	}
	return fresh, nil
}

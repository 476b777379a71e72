package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/supply"
	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/report"
)

// lintOptions are the flags of lint.
type lintOptions struct {
	app.ReportOptions
	fix           bool
	baseline      string
	writeBaseline string
	envFiles      []string
}

func newLint(g *app.Settings, s app.Streams) *cobra.Command {
	o := lintOptions{}
	cmd := &cobra.Command{
		Use:   "lint [FILE...]",
		Short: "Judge a profile, or any Compose file, by the controls, without an engine",
		Long: `Lint judges what is written. FILE is a profile or a Compose file; which one is found out. Of several files the first is the
Compose file and the others are laid over it, as docker compose -f does.

A Compose file is resolved first: include, extends, anchors, profiles, variables and env_file; nothing is fetched. What a
profile would need a reason for is a finding in a Compose file, and what the file does not show is unknown, which is no pass.

--fix adds what cannot break a service: no-new-privileges, rotation of logs, a grace period, no swap beyond the memory
limit. All other bytes stay, comments included. --baseline FILE lets the findings in it stand; --write-baseline writes it.
Exit 3 when anything fails or is unknown.`,
		Example: `  hsectl lint -f profiles/hse-digital.yaml
  hsectl lint --format sarif > hsectl.sarif    # for code scanning
  hsectl lint docker-compose.yml docker-compose.prod.yml
  hsectl lint docker-compose.yml --fix
  hsectl lint docker-compose.yml --write-baseline hsectl-baseline.json
  hsectl lint docker-compose.yml --baseline hsectl-baseline.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			return runLint(cmd.Context(), g, s, o, args)
		},
	}
	reportFlags(&o.ReportOptions, cmd)
	cmd.Flags().BoolVar(&o.fix, "fix", false, "mend what is safe to mend in a Compose file, in place")
	cmd.Flags().StringVar(&o.baseline, "baseline", "", "findings in this file stand; only new ones count")
	cmd.Flags().StringVar(&o.writeBaseline, "write-baseline", "", "write the findings to this file, and exit 0")
	cmd.Flags().StringArrayVar(&o.envFiles, "env-file", nil, "variables of a Compose file; .env beside it when not given")
	return cmd
}

func runLint(ctx context.Context, g *app.Settings, s app.Streams, o lintOptions, args []string) error {
	from := g.File
	if len(args) > 0 {
		from.Files = args
	}
	subject, findings, err := judge(ctx, s, o, from)
	if err != nil {
		return err
	}
	if o.writeBaseline != "" {
		return writeBaseline(s, o.writeBaseline, findings)
	}
	if o.baseline != "" {
		if findings, err = beyondBaseline(s, o.baseline, findings); err != nil {
			return err
		}
		if len(findings) == 0 {
			s.Say("%s: nothing new", subject)
			return nil
		}
	}
	return o.Write(s, report.Document{Kind: "Lint", Subject: subject, Profile: from.Files[0], Findings: findings})
}

// judge returns the findings of a profile or of a Compose file.
func judge(ctx context.Context, s app.Streams, o lintOptions, from app.Selection) (subject string, findings []finding.Finding, err error) {
	data, err := app.ReadProfile(host.ReadFile, from.Files[0])
	if err != nil {
		return "", nil, err
	}
	if !composefile.IsCompose(data) {
		if o.fix {
			return "", nil, &app.UsageError{Err: fmt.Errorf("%s is a profile; there is nothing to mend in it", from.Files[0]), Hint: "a profile is hardened without being told; hsectl fmt puts it in order"}
		}
		l, err := app.Load(from)
		if err != nil {
			return "", nil, err
		}
		if err := l.Profile.Expired(l.Today, "", "monitoring."); err != nil {
			return "", nil, err
		}
		findings = slices.Concat(lintProfile(l), judgeSources(ctx, l), supply.LintBuilds(ctx, l))
		if beside, ok, err := l.Watching(); err != nil {
			return "", nil, err
		} else if ok {
			findings = append(findings, lintProfile(beside)...)
		}
		watching, err := lintWatching(l)
		if err != nil {
			return "", nil, err
		}
		findings = append(findings, watching...)
		return l.Stack.Name, findings, nil
	}
	p, err := loadCompose(ctx, from.Files, o.envFiles)
	if err != nil {
		return "", nil, err
	}
	if o.fix {
		if p, err = fixed(ctx, s, o, p, from.Files); err != nil {
			return "", nil, err
		}
	}
	sayUnseen(s, p)
	return p.Name, p.Check(), nil
}

// lintProfile judges the stack that is meant, and reports what is passed through.
func lintProfile(l app.Loaded) []finding.Finding {
	findings := l.Stack.Check()
	for _, s := range l.Stack.Services {
		if len(s.Extra) > 0 {
			findings = append(findings, passed(s.Name, s.Extra))
		}
	}
	return app.Located(l, append(findings, opened(l)...))
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

// passed is the finding about what a service passes through: unknown when no control judges a part of it.
func passed(service string, extra profile.Passthrough) finding.Finding {
	f := finding.Finding{Subject: service, Control: "HSE-OPS-010", Title: "Everything that is written is judged", Severity: finding.High, Where: "passthrough",
		Status: finding.Pass, Tier: finding.Declared, Detail: "passed through: " + strings.Join(sortedKeys(extra), ", "), Remedy: "do without, or look at it yourself and put it into the baseline"}
	if open := extra.Unjudged(); len(open) > 0 {
		f.Status, f.Tier, f.Detail = finding.Unknown, finding.None, "passed through, and no control judges "+strings.Join(open, ", ")
	}
	return f
}

func loadCompose(ctx context.Context, files, envFiles []string) (*composefile.Project, error) {
	p, err := composefile.Load(ctx, composefile.Source{Files: files, EnvFiles: envFiles, Environment: os.Environ(), Read: host.ReadFile})
	if err != nil {
		return nil, &app.UsageError{Err: err, Hint: "see what Compose says: docker compose -f " + files[0] + " config"}
	}
	return p, nil
}

// sayUnseen tells what could not be read, so that nobody takes silence for a pass.
func sayUnseen(s app.Streams, p *composefile.Project) {
	if len(p.Unset) > 0 {
		s.Say("not set, and taken as empty: %s", strings.Join(p.Unset, ", "))
	}
	if p.Blind != "" {
		s.Say("read without its files of variables: %s", p.Blind)
	}
}

// fixed writes what is safe to mend, and loads the result.
func fixed(ctx context.Context, s app.Streams, o lintOptions, p *composefile.Project, files []string) (*composefile.Project, error) {
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
	return loadCompose(ctx, files, o.envFiles)
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

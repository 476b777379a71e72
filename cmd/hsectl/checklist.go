package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/report"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
)

// checklistOptions are the addresses to ask, and how old a result may be.
type checklistOptions struct {
	app.ReportOptions
	dashboards string
	alerts     string
	tls        string
	backup     string
	backupAge  time.Duration
	days       int
}

func newChecklist(g *app.Settings, s app.Streams) *cobra.Command {
	var o checklistOptions
	cmd := &cobra.Command{
		Use:   "checklist",
		Short: "Answer the production checklist from evidence",
		Long: `Checklist answers fourteen questions that are asked before production: from the running containers, from the latest
results of drills and scans on this machine, from the engine's machine, from Prometheus and Alertmanager of the profile's
own monitoring, from the backups that the profile declares or one that it is shown, and from addresses that it asks now. What nothing answers is unknown, with what to run. Exit 3 unless all is answered well.`,
		Example: `  hsectl checklist
  hsectl checklist --dashboards http://127.0.0.1:3000/api/health --tls tls://shop.example
  hsectl checklist --backup /var/backups/shop`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			return runChecklist(cmd.Context(), g, s, o)
		},
	}
	reportFlags(&o.ReportOptions, cmd)
	f := cmd.Flags()
	f.StringVar(&o.dashboards, "dashboards", "", "address of the dashboards, to be asked")
	f.StringVar(&o.alerts, "alerts", "", "address of Prometheus' rules, which must hold an alert; for monitoring that is not the profile's own")
	f.StringVar(&o.tls, "tls", "", "address whose certificate is looked at, as tls://name")
	f.StringVar(&o.backup, "backup", "", "file of the last backup, or the directory of all; its age and size are looked at")
	f.DurationVar(&o.backupAge, "backup-age", 26*time.Hour, "age after which a backup does not count")
	f.IntVar(&o.days, "days", 30, "age in days after which a stored result does not count")
	return cmd
}

func runChecklist(ctx context.Context, g *app.Settings, s app.Streams, o checklistOptions) error {
	l, err := app.LoadPinned(g.File)
	if err != nil {
		return err
	}
	engine, err := g.Connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	evidence, err := verify.Verify(ctx, l.Stack, byContent{engine, l}, verify.Options{})
	if err != nil {
		return err
	}
	machine, err := judgeMachine(ctx, l, engine)
	if err != nil {
		return err
	}
	watching, err := verifyWatching(ctx, l, engine)
	if err != nil {
		return err
	}
	images, err := runningImages(ctx, engine, l.Stack)
	if err != nil {
		return err
	}
	known := verify.Known{Stack: l.Stack, Findings: slices.Concat(evidence.Findings, judgeBackups(ctx, l, engine), machine, watching), Images: images, Stored: storedResults(l.Stack.Name), Now: time.Now(),
		Fresh: time.Duration(o.days) * 24 * time.Hour, Asked: map[string]verify.Answer{}}
	for name, check := range map[string]verify.Check{
		"dashboards": {URL: o.dashboards}, "alerts": {URL: o.alerts, Body: `"alerting"`}, "tls": {URL: o.tls, Days: 14},
	} {
		if check.URL != "" {
			check.Timeout = 10 * time.Second
			known.Asked[name] = host.Ask(ctx, check)
		}
	}
	if o.backup != "" {
		known.Asked["backup"] = host.LastBackup(o.backup, time.Now(), o.backupAge)
	}
	findings := verify.Checklist(known)
	for i := range findings {
		findings[i].Where = l.Profile.Written("").String()
	}
	o.All = true
	return o.Write(s, report.Document{Kind: "Checklist", Subject: l.Stack.Name, Profile: l.Path, Findings: findings, Engine: engine.Version(), Made: time.Now()})
}

// runningImages are the ids of the images of a stack's services. An image that the engine does not have has none.
func runningImages(ctx context.Context, engine *docker.Engine, s stack.Stack) (map[string]string, error) {
	out := map[string]string{}
	for _, service := range s.Services {
		facts, err := engine.ImageFacts(ctx, service.Image)
		if err != nil && !errors.Is(err, docker.ErrNoImage) {
			return nil, err
		}
		out[service.Name] = facts.ID
	}
	return out, nil
}

// storedResults reads what earlier runs kept. What cannot be read is not known.
func storedResults(stack string) map[string]verify.Stored {
	out := map[string]verify.Stored{}
	dir, err := host.StateDir()
	if err != nil {
		return out
	}
	for _, kind := range []string{"drill-shutdown", "scan"} {
		data, err := host.ReadFile(filepath.Join(dir, stack, kind+".json"), app.MaxReportBytes)
		if err != nil {
			continue
		}
		if d, err := report.Read(data); err == nil && d.Subject == stack {
			out[kind] = verify.Stored{Made: d.Made, Findings: d.Findings}
		}
	}
	return out
}

package evidence

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/supply"
	"github.com/hsectl/hsectl/internal/ask"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/engine/images"
	"github.com/hsectl/hsectl/internal/report"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
	"github.com/hsectl/hsectl/internal/verify/checklist"
)

// ChecklistOptions are the addresses to ask, and how old a result may be.
type ChecklistOptions struct {
	app.ReportOptions
	Dashboards string
	Alerts     string
	TLS        string
	Backup     string
	BackupAge  time.Duration
	Days       int
}

// Checklist answers what is asked before production, from evidence.
func Checklist(ctx context.Context, g *app.Settings, s app.Streams, o ChecklistOptions) error {
	l, err := app.LoadPinned(g.File)
	if err != nil {
		return err
	}
	engine, err := g.Connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	signing, err := supply.RecordSigning(l, false)
	if err != nil {
		return err
	}
	engine.SignReleases(signing)
	rendered, _, err := renderedOf(ctx, engine, l)
	if err != nil {
		return err
	}
	evidence, err := verify.Verify(ctx, l.Stack, byContent{engine, l}, verify.Options{Rendered: rendered})
	if err != nil {
		return err
	}
	machine, err := judgeMachine(ctx, l, engine)
	if err != nil {
		return err
	}
	watching, err := judgeMonitoring(ctx, l, engine)
	if err != nil {
		return err
	}
	images, err := runningImages(ctx, engine, l.Stack)
	if err != nil {
		return err
	}
	known := checklist.Known{Stack: l.Stack, Findings: slices.Concat(evidence.Findings, judgeBackups(ctx, l, engine), machine, watching), Images: images, Stored: app.Kept(l.Stack.Name), Now: time.Now(),
		Fresh: time.Duration(o.Days) * 24 * time.Hour, Asked: map[string]verify.Answer{}}
	for name, check := range map[string]verify.Check{
		"dashboards": {URL: o.Dashboards}, "alerts": {URL: o.Alerts, Body: `"alerting"`}, "tls": {URL: o.TLS, Days: 14},
	} {
		if check.URL != "" {
			check.Timeout = 10 * time.Second
			known.Asked[name] = ask.Check(ctx, check)
		}
	}
	if o.Backup != "" {
		known.Asked["backup"] = ask.LastBackup(o.Backup, time.Now(), o.BackupAge)
	}
	findings := checklist.Answers(known)
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
		if err != nil && !errors.Is(err, images.ErrNoImage) {
			return nil, err
		}
		out[service.Name] = facts.ID
	}
	return out, nil
}

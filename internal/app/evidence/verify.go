// Package evidence proves what is written and what runs: lint, review, verify, probe, doctor and the production checklist.
package evidence

import (
	"context"
	"slices"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/supply"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/report"
	"github.com/hsectl/hsectl/internal/verify"
)

// verifyTries bounds the retries of verify: a service may really be unhealthy.
const verifyTries = 3

// manyProbes is the number of probes from which verify suggests --one-probe.
const manyProbes = 10

// VerifyOptions say how closely is looked, and from where.
type VerifyOptions struct {
	app.ReportOptions
	Deep     bool
	Sidecars bool
	Survey   bool
	Engine   bool
}

// Verify judges the running containers, with what this machine and the engine show of the rest.
func Verify(ctx context.Context, g *app.Settings, s app.Streams, o VerifyOptions) error {
	l, err := app.LoadPinned(g.File)
	if err != nil {
		return err
	}
	engine, err := g.Connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	if o.Sidecars {
		engine.LookLocally(nil)
	}
	if o.Survey {
		engine.OneProbe()
	}
	signing, err := supply.RecordSigning(l, false)
	if err != nil {
		return err
	}
	engine.SignReleases(signing)
	rendered, outdated, err := renderedOf(ctx, engine, l)
	if err != nil {
		return err
	}
	evidence, err := app.Verify(ctx, byContent{engine, l}, l.Stack, verify.Options{Deep: o.Deep, Rendered: rendered}, verifyTries)
	if err != nil {
		return err
	}
	evidence.Findings = append(evidence.Findings, outdated...)
	if n := engine.Probed(); n >= manyProbes && !o.Sidecars && !o.Survey {
		s.Say("started a probe for each of %d containers; --one-probe inspects all containers with a single probe and is much faster", n)
	}
	evidence.Findings = app.Located(l, evidence.Findings)
	monitor, err := verifyMonitoring(ctx, l, s, engine)
	if err != nil {
		return err
	}
	watching, err := judgeMonitoring(ctx, l, engine)
	if err != nil {
		return err
	}
	evidence.Findings = slices.Concat(evidence.Findings, monitor, watching, judgeSources(ctx, l, app.Everything()), judgeBackups(ctx, l, engine), judgeSites(ctx, l, engine))
	if o.Engine {
		machine, err := judgeMachine(ctx, l, engine)
		if err != nil {
			return err
		}
		evidence.Findings = append(evidence.Findings, machine...)
	}
	doc := report.Document{Kind: "Evidence", Subject: l.Stack.Name, Profile: l.Path, Findings: evidence.Findings, Engine: engine.Version(), Made: time.Now(), Tool: app.Version()}
	if err := app.Keep(doc, kindVerify); err != nil {
		s.Say("could not save the result; its age will be unknown: %v", err)
	}
	return o.Write(s, doc)
}

// verifyMonitoring judges the monitoring stack when it is deployed. A profile may have one that is not wanted here.
func verifyMonitoring(ctx context.Context, l app.Loaded, s app.Streams, engine *docker.Engine) ([]finding.Finding, error) {
	monitor, ok, err := l.MonitoringStack()
	if err != nil || !ok {
		return nil, err
	}
	ids, err := engine.Identities(ctx, monitor.Stack.Name)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		s.Say("skipping %s: it is not deployed; deploy it with: hsectl deploy --monitoring", monitor.Stack.Name)
		return nil, nil
	}
	rendered, outdated, err := renderedOf(ctx, engine, monitor)
	if err != nil {
		return nil, err
	}
	evidence, err := app.Verify(ctx, byContent{engine, monitor}, monitor.Stack, verify.Options{Rendered: rendered}, verifyTries)
	if err != nil {
		return nil, err
	}
	return app.Located(monitor, append(evidence.Findings, outdated...)), nil
}

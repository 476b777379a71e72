package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/report"
	"github.com/hsectl/hsectl/internal/verify"
)

func newVerify(g *app.Settings, s app.Streams) *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove on the running containers that every control holds",
		Long: `Verify asks the engine and the kernel about every container of the stack and judges the answers by the same
controls as the rendered stack. It also tries: a write to / must fail with EROFS, a write to every declared path
by the service's own user must succeed. Images without a shell are no obstacle. As root on the engine's own machine
it looks at the containers directly; from anywhere else a short-lived probe container does, beside each of them.
Where nothing but the health of the moment is missing, it is asked again after the next test, twice at most.

Exit 3 when anything fails or is unknown.`,
		Example: `  hsectl verify
  hsectl verify --all                 # every control, also those that hold
  hsectl verify --engine              # the engine and its machine, too
  hsectl verify --format json | jq '.findings[] | select(.status != "pass")'
  hsectl verify --format html > evidence.html
  hsectl verify --format json > release-2.json && hsectl verify --since release-1.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			return runVerify(cmd.Context(), g, s, o)
		},
	}
	reportFlags(&o.ReportOptions, cmd)
	cmd.Flags().BoolVar(&o.engine, "engine", false, "also judge the engine itself and the machine it runs on")
	cmd.Flags().BoolVar(&o.sidecars, "sidecars", false, "look by probe containers only, also where this machine could look by itself")
	cmd.Flags().BoolVar(&o.survey, "one-probe", false, "look by one probe on the engine's machine at all containers: faster from afar, and it has the rights of root there")
	cmd.MarkFlagsMutuallyExclusive("sidecars", "one-probe")
	cmd.Flags().BoolVar(&o.deep, "deep", false, "also try on a throw-away copy of each container what its settings allow")
	return cmd
}

// verifyTries is how often verify asks: who waits for its answer may have a service that is sick.
const verifyTries = 3

// manyProbes is from which number on looking from afar takes so long that there is a word about it.
const manyProbes = 10

type verifyOptions struct {
	app.ReportOptions
	deep     bool
	sidecars bool
	survey   bool
	engine   bool
}

func runVerify(ctx context.Context, g *app.Settings, s app.Streams, o verifyOptions) error {
	l, err := app.LoadPinned(g.File)
	if err != nil {
		return err
	}
	engine, err := g.Connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	if o.sidecars {
		engine.Beside(nil)
	}
	if o.survey {
		engine.Survey()
	}
	evidence, err := app.Verify(ctx, byContent{engine, l}, l.Stack, verify.Options{Deep: o.deep}, verifyTries)
	if err != nil {
		return err
	}
	if n := engine.Probed(); n >= manyProbes && !o.sidecars && !o.survey {
		s.Say("a probe was started beside each of %d containers; --one-probe looks at all of them by one, and takes a fraction of the time", n)
	}
	evidence.Findings = app.Located(l, evidence.Findings)
	beside, err := verifyMonitoring(ctx, l, s, engine)
	if err != nil {
		return err
	}
	watching, err := verifyWatching(ctx, l, engine)
	if err != nil {
		return err
	}
	evidence.Findings = slices.Concat(evidence.Findings, beside, watching, judgeSources(ctx, l), judgeBackups(ctx, l, engine), judgeSites(ctx, l, engine))
	if o.engine {
		machine, err := judgeMachine(ctx, l, engine)
		if err != nil {
			return err
		}
		evidence.Findings = append(evidence.Findings, machine...)
	}
	doc := report.Document{Kind: "Evidence", Subject: l.Stack.Name, Profile: l.Path, Findings: evidence.Findings, Engine: engine.Version(), Made: time.Now(), Tool: app.Version()}
	if err := app.Keep(doc, kindVerify); err != nil {
		s.Say("the result is not kept, so nobody will know how old it is: %v", err)
	}
	return o.Write(s, doc)
}

// verifyMonitoring judges the monitoring stack when it is deployed. A profile may have one that is not wanted here.
func verifyMonitoring(ctx context.Context, l app.Loaded, s app.Streams, engine *docker.Engine) ([]finding.Finding, error) {
	beside, ok, err := l.Watching()
	if err != nil || !ok {
		return nil, err
	}
	ids, err := engine.Identities(ctx, beside.Stack.Name)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		s.Say("%s is not deployed, so it is not judged; deploy it with: hsectl deploy --monitoring", beside.Stack.Name)
		return nil, nil
	}
	evidence, err := app.Verify(ctx, byContent{engine, beside}, beside.Stack, verify.Options{}, verifyTries)
	if err != nil {
		return nil, err
	}
	return app.Located(beside, evidence.Findings), nil
}

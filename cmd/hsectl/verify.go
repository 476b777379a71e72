package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/report"
	"github.com/hsectl/hsectl/internal/verify"
)

func newVerify(g *globals, s streams) *cobra.Command {
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
			if err := o.check(); err != nil {
				return err
			}
			return runVerify(cmd.Context(), g, s, o)
		},
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&o.engine, "engine", false, "also judge the engine itself and the machine it runs on")
	cmd.Flags().BoolVar(&o.sidecars, "sidecars", false, "look by probe containers only, also where this machine could look by itself")
	cmd.Flags().BoolVar(&o.survey, "one-probe", false, "look by one probe on the engine's machine at all containers: faster from afar, and it has the rights of root there")
	cmd.MarkFlagsMutuallyExclusive("sidecars", "one-probe")
	cmd.Flags().BoolVar(&o.deep, "deep", false, "also try on a throw-away copy of each container what its settings allow")
	return cmd
}

// manyProbes is from which number on looking from afar takes so long that there is a word about it.
const manyProbes = 10

type verifyOptions struct {
	reportOptions
	deep     bool
	sidecars bool
	survey   bool
	engine   bool
}

func runVerify(ctx context.Context, g *globals, s streams, o verifyOptions) error {
	l, err := loadPinned(g.file)
	if err != nil {
		return err
	}
	engine, err := g.connect(ctx)
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
	evidence, err := seen(ctx, byContent{engine, l}, l.stack, verify.Options{Deep: o.deep}, verifyTries)
	if err != nil {
		return err
	}
	if n := engine.Probed(); n >= manyProbes && !o.sidecars && !o.survey {
		s.say("a probe was started beside each of %d containers; --one-probe looks at all of them by one, and takes a fraction of the time", n)
	}
	evidence.Findings = located(l, evidence.Findings)
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
	doc := report.Document{Kind: "Evidence", Subject: l.stack.Name, Profile: l.path, Findings: evidence.Findings, Engine: engine.Version(), Made: time.Now(), Tool: version()}
	if err := keep(doc, kindVerify); err != nil {
		s.say("the result is not kept, so nobody will know how old it is: %v", err)
	}
	return o.write(s, doc)
}

// verifyMonitoring judges the monitoring stack when it is deployed. A profile may have one that is not wanted here.
func verifyMonitoring(ctx context.Context, l loaded, s streams, engine *docker.Engine) ([]finding.Finding, error) {
	beside, ok, err := l.watching()
	if err != nil || !ok {
		return nil, err
	}
	ids, err := engine.Identities(ctx, beside.stack.Name)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		s.say("%s is not deployed, so it is not judged; deploy it with: hsectl deploy --monitoring", beside.stack.Name)
		return nil, nil
	}
	evidence, err := seen(ctx, byContent{engine, beside}, beside.stack, verify.Options{}, verifyTries)
	if err != nil {
		return nil, err
	}
	return located(beside, evidence.Findings), nil
}

// located puts the place in the profile where the control named only a key of the service.
func located(l loaded, findings []finding.Finding) []finding.Finding {
	for i, f := range findings {
		path := l.root + "services." + f.Subject
		if f.Where != "" {
			path += "." + f.Where
		}
		findings[i].Where = l.profile.Written(path).String()
		if service, ok := l.stack.Service(f.Subject); ok {
			findings[i].Owner = service.Owner
		}
	}
	return findings
}

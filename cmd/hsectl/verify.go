package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/report"
	"github.com/hsectl/hsectl/internal/verify"
)

// formats are the outputs that a verb can write.
func formatFlag(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", "text", "text or json")
}

func checkFormat(format string) error {
	if format != "text" && format != "json" {
		return &usageError{fmt.Errorf("there is no format %q", format), "write --format text or --format json"}
	}
	return nil
}

func newVerify(g *globals, s streams) *cobra.Command {
	var format string
	var all bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove on the running containers that every control holds",
		Long: `Verify asks the engine and the kernel about every container of the stack and judges the answers by the same
controls as the rendered stack. It also tries: a write to / must fail with EROFS, a write to every declared path
by the service's own user must succeed. Images without a shell are no obstacle.
Exit 3 when anything fails or is unknown.`,
		Example: `  hsectl verify
  hsectl verify --all                 # every control, also those that hold
  hsectl verify --format json | jq '.findings[] | select(.status != "pass")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			return runVerify(cmd.Context(), g, s, format, all)
		},
	}
	formatFlag(cmd, &format)
	cmd.Flags().BoolVarP(&all, "all", "a", false, "list every control, also those that hold")
	return cmd
}

func runVerify(ctx context.Context, g *globals, s streams, format string, all bool) error {
	l, err := load(g.file)
	if err != nil {
		return err
	}
	engine, err := g.connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	evidence, err := verify.Verify(ctx, l.stack, engine)
	if err != nil {
		return err
	}
	evidence.Findings = located(l, evidence.Findings)
	beside, err := verifyMonitoring(ctx, l, s, engine)
	if err != nil {
		return err
	}
	evidence.Findings = append(evidence.Findings, beside...)
	if err := write(s, format, all, report.Document{Kind: "Evidence", Subject: l.stack.Name, Findings: evidence.Findings}); err != nil {
		return err
	}
	if !finding.Proven(evidence.Findings) {
		return errFindings
	}
	return nil
}

// verifyMonitoring judges the monitoring stack when it is deployed. A profile may have one that is not wanted here.
func verifyMonitoring(ctx context.Context, l loaded, s streams, engine *docker.Engine) ([]finding.Finding, error) {
	beside, ok, err := l.watching(nil)
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
	evidence, err := verify.Verify(ctx, beside.stack, engine)
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
	}
	return findings
}

func write(s streams, format string, all bool, d report.Document) error {
	if format == "json" {
		return report.JSON(s.Out, d)
	}
	return report.Text(s.Out, d, report.TextOptions{All: all, Colour: colour(s.Out)})
}

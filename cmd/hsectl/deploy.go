package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/finding"
)

func newDeploy(g *globals, s streams) *cobra.Command {
	var timeout time.Duration
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "deploy",
		Short: "Bring the engine to what the profile says, and wait until it is healthy",
		Long: `Deploy checks every variable and secret before anything changes, prepares volumes for the users who
write them, delivers secrets as files, applies the stack and waits until every service is healthy.
When one does not become healthy, deploy shows its last log lines, its health output and the likely reason.`,
		Example: `  export JWT_SECRET=… REFRESH_SECRET=…
  hsectl deploy -f profiles/hse-digital.yaml
  hsectl deploy --dry-run                # print the steps and their causes
  hsectl deploy --host ssh://deploy@web1 # on another machine`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDeploy(cmd.Context(), g, s, timeout, dryRun)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "time for the whole stack to become healthy")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print the steps and change nothing")
	return cmd
}

func runDeploy(ctx context.Context, g *globals, s streams, timeout time.Duration, dryRun bool) error {
	l, err := load(g.file)
	if err != nil {
		return err
	}
	if err := refuse(s.Err, l); err != nil {
		return err
	}
	environment, secrets, err := gather(l)
	if err != nil {
		return err
	}
	engine, err := g.connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	started := time.Now()
	s.say("deploying %s to engine %s", l.stack.Name, engine.Version())
	desired := deploy.Desired{Stack: l.stack, Environment: environment, Secrets: secrets, Timeout: timeout}
	observed, err := engine.Observe(ctx, desired)
	if err != nil {
		return fmt.Errorf("observing the engine: %w", err)
	}
	plan, err := deploy.NewPlan(desired, observed)
	if err != nil {
		return err
	}
	if dryRun {
		for _, step := range plan.Steps {
			fmt.Fprintf(s.Out, "%-16s %-24s %s\n", step.Kind, step.Subject, step.Cause)
		}
		return nil
	}
	if err := deploy.Execute(ctx, plan, engine, progress(s.Err, started)); err != nil {
		return redact(err, secrets)
	}
	s.say("%s is up: %s healthy after %s", l.stack.Name, count(len(l.stack.Services), "service"), time.Since(started).Round(100*time.Millisecond))
	return nil
}

// refuse stops a deploy whose rendered stack already fails a control of high severity.
func refuse(w io.Writer, l loaded) error {
	refused := false
	for _, f := range l.stack.Check() {
		if f.Status == finding.Fail && f.Severity >= finding.High {
			refused = true
			fmt.Fprintf(w, "%s: %s %s: %s\n  hint: %s\n", l.profile.Written("services."+f.Subject+"."+f.Where), f.Control, f.Subject, f.Detail, f.Remedy)
		}
	}
	if refused {
		fmt.Fprintln(w, "refused: mend the profile, or add an exception with a reason and a date; nothing was changed")
		return errFindings
	}
	return nil
}

// progress prints each event on a line of its own, with the time since the start.
func progress(w io.Writer, started time.Time) func(deploy.Event) {
	last := map[string]string{}
	return func(e deploy.Event) {
		if last[e.Subject] == e.Text {
			return
		}
		last[e.Subject] = e.Text
		fmt.Fprintf(w, "%6.1fs  %-28s %s\n", time.Since(started).Seconds(), e.Subject, e.Text)
	}
}

// redact takes the values of secrets out of what a failed container printed.
func redact(err error, secrets map[string]deploy.Secret) error {
	unhealthy, ok := asUnhealthy(err)
	if !ok {
		return err
	}
	for i, line := range unhealthy.Logs {
		unhealthy.Logs[i] = hide(line, secrets)
	}
	unhealthy.Health = hide(unhealthy.Health, secrets)
	return unhealthy
}

// hide takes every line of every secret out of a text.
func hide(text string, secrets map[string]deploy.Secret) string {
	for _, secret := range secrets {
		for line := range strings.Lines(string(secret.Reveal())) {
			if line = strings.TrimSpace(line); len(line) > 3 {
				text = strings.ReplaceAll(text, line, "[secret]")
			}
		}
	}
	return text
}

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
)

type deployOptions struct {
	timeout    time.Duration
	dryRun     bool
	monitoring bool
}

func newDeploy(g *globals, s streams) *cobra.Command {
	var o deployOptions
	cmd := &cobra.Command{
		Use:   "deploy",
		Short: "Bring the engine to what the profile says, and wait until it is healthy",
		Long: `Deploy checks every variable and secret before anything changes, prepares volumes for the users who
write them, delivers secrets as files, applies the stack and waits until every service is healthy.
When one does not become healthy, deploy shows its last log lines, its health output and the likely reason.`,
		Example: `  export JWT_SECRET=… REFRESH_SECRET=…
  hsectl deploy -f profiles/hse-digital.yaml
  hsectl deploy --dry-run                # print the steps and their causes
  hsectl deploy --monitoring             # and what watches the stack
  hsectl deploy --host ssh://deploy@web1 # on another machine`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDeploy(cmd.Context(), g, s, o)
		},
	}
	cmd.Flags().DurationVar(&o.timeout, "timeout", 5*time.Minute, "time for the whole stack to become healthy")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "print the steps and change nothing")
	cmd.Flags().BoolVar(&o.monitoring, "monitoring", false, "deploy the monitoring stack of the profile too")
	return cmd
}

func runDeploy(ctx context.Context, g *globals, s streams, o deployOptions) error {
	l, err := loadPinned(g.file)
	if err != nil {
		return err
	}
	stacks := []loaded{l}
	if o.monitoring {
		beside, ok, err := l.watching(nil)
		if err != nil {
			return err
		}
		if !ok {
			return &usageError{fmt.Errorf("%s has no monitoring section", l.path), "add monitoring: {} to the profile; see docs/monitoring.md"}
		}
		stacks = append(stacks, beside)
	}
	desired := make([]deploy.Desired, len(stacks))
	for i, one := range stacks {
		if err := refuse(s.Err, one); err != nil {
			return err
		}
		environment, secrets, err := gather(one)
		if err != nil {
			return err
		}
		desired[i] = deploy.Desired{Stack: one.stack, Environment: environment, Secrets: secrets, Timeout: o.timeout}
	}
	engine, err := g.connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	if _, err := gate(ctx, g, s, l, engine); err != nil {
		return err
	}
	if err := deployStack(ctx, s, engine, desired[0], o.dryRun); err != nil || !o.monitoring {
		return err
	}
	ids, err := engine.Identities(ctx, l.stack.Name) // of the containers as they are now
	if err != nil {
		return err
	}
	beside, _, err := l.watching(ids)
	if err != nil {
		return err
	}
	desired[1].Stack = beside.stack
	if err := deployStack(ctx, s, engine, desired[1], o.dryRun); err != nil || o.dryRun {
		return err
	}
	return showAddresses(s, beside)
}

// deployStack brings one stack to what it should be, or prints how it would.
func deployStack(ctx context.Context, s streams, engine *docker.Engine, desired deploy.Desired, dryRun bool) error {
	started := time.Now()
	s.say("deploying %s to engine %s", desired.Stack.Name, engine.Version())
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
		return redact(err, desired.Secrets)
	}
	s.say("%s is up: %s healthy after %s", desired.Stack.Name, count(len(desired.Stack.Services), "service"), time.Since(started).Round(100*time.Millisecond))
	return nil
}

// refuse stops a deploy whose rendered stack already fails a control of high severity.
func refuse(w io.Writer, l loaded) error {
	refused := false
	for _, f := range l.stack.Check() {
		if f.Status == finding.Fail && f.Severity >= finding.High {
			refused = true
			fmt.Fprintf(w, "%s: %s %s: %s\n  hint: %s\n", l.profile.Written(l.root+"services."+f.Subject+"."+f.Where), f.Control, f.Subject, f.Detail, f.Remedy)
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

package release

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/deploy/planfile"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/sanitize"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
)

const maxPlanBytes = 4 << 20

// PlanOptions say what is planned, and how it is shown.
type PlanOptions struct {
	Format   string
	Out      string
	Only     []string
	Detailed bool

	Monitoring bool
}

// planned are the stacks that a plan is about, with everything they need: that of the profile, and the one that watches it
// when that is asked for.
func planned(ctx context.Context, g *app.Settings, s app.Streams, monitoring bool) ([]deploy.Desired, error) {
	l, err := app.LoadPinned(g.File)
	if err != nil {
		return nil, err
	}
	if err := l.Weakened(); err != nil {
		return nil, err
	}
	l.WarnExpired(s)
	stacks := []app.Loaded{l}
	if monitoring {
		monitor, err := l.RequireMonitoring()
		if err != nil {
			return nil, err
		}
		stacks = append(stacks, monitor)
	}
	return g.GatherAll(ctx, stacks)
}

// planAll plans one stack after the other, and reports findings when one of them has something to do.
func planAll(ctx context.Context, engine *docker.Engine, s app.Streams, stacks []deploy.Desired, o PlanOptions) error {
	var differs error
	for i, d := range stacks {
		if o.Format != "json" && i > 0 {
			fmt.Fprintf(s.Out, "\n%s\n", d.Stack.Name)
		}
		err := planOne(ctx, engine, s, d, o)
		switch {
		case errors.Is(err, app.ErrFindings):
			differs = err
		case err != nil:
			return err
		}
	}
	return differs
}

func planOne(ctx context.Context, engine *docker.Engine, s app.Streams, d deploy.Desired, o PlanOptions) error {
	seen, err := look(ctx, engine, d)
	if err != nil {
		return err
	}
	if d.Last, err = current(seen.records.History, d.Stack.Name); err != nil {
		return err
	}
	d.Interrupted = seen.records.Journal.Open()
	d, observed, plan, err := prepare(ctx, engine, d, o.Only, &seen.observed, nil)
	if err != nil {
		return err
	}
	saved, err := planfile.New(d, observed, plan)
	if err != nil {
		return err
	}
	if o.Out != "" {
		if err := writePlan(o.Out, saved); err != nil {
			return err
		}
	}
	if o.Format == "json" {
		err = writeJSON(s.Out, saved)
	} else if err = printPlan(s, saved); err == nil {
		err = printStrangers(ctx, engine, s, d.Stack)
	}
	if err == nil && o.Detailed && len(saved.Steps) > 0 {
		return app.ErrFindings
	}
	return err
}

func writePlan(path string, saved planfile.Plan) error {
	data, err := json.MarshalIndent(saved, "", "  ")
	if err != nil {
		return fmt.Errorf("saving the plan: %w", err)
	}
	return host.Rewrite(path, append(data, '\n'))
}

func printPlan(s app.Streams, p planfile.Plan) error {
	if p.Uncompared != "" {
		s.Say("%s: whether containers were changed since release %d is unknown: %s", p.Stack, p.Release, p.Uncompared)
	}
	for _, c := range p.Changed {
		for _, f := range c.Fields {
			s.Say("%s: %s was changed outside hsectl, and no deploy puts that right: %s", c.Resource, sanitize.Line(f.Field), sanitize.Line("it is "+shown(f.Running)+", and was rendered as "+shown(f.Release)))
		}
	}
	if len(p.Steps) == 0 && len(p.Intent) > 0 {
		s.Say("%s matches release %d; no running container changes, and deploy records the new intent:", p.Stack, p.Release)
		for _, change := range p.Intent {
			fmt.Fprintf(s.Out, "  · %s\n", change)
		}
		return nil
	}
	if len(p.Steps) == 0 {
		s.Say("%s matches release %d and the profile: nothing to do", p.Stack, p.Release)
		return nil
	}
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	for i, step := range p.Steps {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", i+1, step.Kind, step.Subject, step.Cause)
	}
	fmt.Fprintln(w)
	for _, r := range p.Resources {
		fmt.Fprintf(w, "%s\trecreate\t%s\n", r.Kind+" "+r.Name, "takes down "+strings.Join(r.Services, ", "))
		for _, cause := range r.Causes {
			fmt.Fprintf(w, "\t\t· %s\n", sanitize.Line(cause))
		}
	}
	for _, c := range p.Services {
		fmt.Fprintf(w, "%s\t%s\t%s\n", c.Service, c.Action, c.How)
		for _, cause := range c.Causes {
			fmt.Fprintf(w, "\t\t· %s\n", sanitize.Line(cause))
		}
	}
	if len(p.Hooks) > 0 {
		fmt.Fprintln(w, "\non this machine")
	}
	for _, h := range p.Hooks {
		given := ""
		if len(h.Secrets) > 0 {
			given = "gets the secrets " + strings.Join(h.Secrets, ", ")
		}
		fmt.Fprintf(w, "%s\thook %s\t%s\t%s\n", h.When, h.Name, strings.Join(h.Command, " "), given)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return printDrift(s, p)
}

// printStrangers names the containers of others that share something with the stack: verification fails for them, and no deploy changes them.
func printStrangers(ctx context.Context, engine *docker.Engine, s app.Streams, in stack.Stack) error {
	all, err := engine.Residents(ctx, in.Name)
	if err != nil {
		return err
	}
	for _, line := range verify.Strangers(in, all) {
		s.Say("%s, and is not declared (HSE-OPS-017)", sanitize.Line(line))
	}
	return nil
}

// printDrift shows the fields that differ from what the last release had rendered.
func printDrift(s app.Streams, p planfile.Plan) error {
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	titled := false
	for _, c := range p.Services {
		for _, f := range c.Fields {
			if !titled {
				fmt.Fprintln(w, "\nSERVICE\tFIELD\tRUNNING\tRELEASE")
				titled = true
			}
			fmt.Fprintln(w, strings.Join([]string{c.Service, sanitize.Line(f.Field), sanitize.Line(shown(f.Running)), sanitize.Line(shown(f.Release))}, "	"))
		}
	}
	return w.Flush()
}

func shown(value string) string {
	if value == "" {
		return "-"
	}
	return value
}

// readPlan reads a saved plan of a stack.
func readPlan(path, stack string) (planfile.Plan, error) {
	hint := "make one with: hsectl plan --out " + path
	data, err := host.ReadFile(path, maxPlanBytes)
	if err != nil {
		return planfile.Plan{}, &app.UsageError{Err: fmt.Errorf("reading the plan: %w", err), Hint: hint}
	}
	saved, err := planfile.Decode(data)
	if err == nil && saved.Stack != stack {
		err = fmt.Errorf("reading the plan: it is for stack %s, not %s", saved.Stack, stack)
	}
	if err != nil {
		return saved, &app.UsageError{Err: err, Hint: hint}
	}
	return saved, nil
}

// sameAsSaved refuses a saved plan when the one made now is another.
func sameAsSaved(path string, d deploy.Desired, o deploy.Observed, p deploy.Plan) error {
	saved, err := readPlan(path, p.Stack)
	if err != nil {
		return err
	}
	now, err := planfile.New(d, o, p)
	if err != nil {
		return err
	}
	return saved.Fits(now)
}

// Plan shows what a deploy would do, of the stack of the profile and of the one that watches it when that is asked for.
func Plan(ctx context.Context, g *app.Settings, s app.Streams, o PlanOptions) error {
	if err := app.CheckFormat(o.Format); err != nil {
		return err
	}
	if o.Monitoring && (o.Out != "" || len(o.Only) > 0) {
		return &app.UsageError{Err: errors.New("`--monitoring` cannot be combined with `--out` or `--only`"), Hint: "plan them one after the other"}
	}
	stacks, err := planned(ctx, g, s, o.Monitoring)
	if err != nil {
		return err
	}
	engine, err := g.Connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	return planAll(ctx, engine, s, stacks, o)
}

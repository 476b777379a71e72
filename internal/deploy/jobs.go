package deploy

import (
	"fmt"
	"slices"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/stack"
)

// jobSteps returns the jobs of the services that change: those that run before the services are replaced, each after what
// it needs is there, and those that run after. The way back runs no job: what a migration did, only another can undo.
func jobSteps(d Desired, p Plan) (before, after []Step, err error) {
	for _, j := range d.Stack.Jobs {
		i := slices.IndexFunc(p.Services, func(c ServiceChange) bool { return c.Service == j.Service })
		if i < 0 || p.Services[i].Action != Create && p.Services[i].Action != Replace {
			continue
		}
		step, err := jobStep(d, p, j)
		if err != nil {
			return nil, nil, err
		}
		if j.After {
			after = append(after, step)
			continue
		}
		if needs := d.Stack.Needs(j.Service); len(needs) > 0 {
			compose := &ComposeStep{Stack: p.Stack, File: p.File, Environment: d.Environment, Timeout: d.Timeout, Services: needs, Partial: true}
			before = append(before, Step{Kind: Converge, Subject: p.Stack, Cause: "job " + j.Name + " needs its services", Compose: compose})
		}
		before = append(before, step)
	}
	return before, after, nil
}

func jobStep(d Desired, p Plan, j stack.Job) (Step, error) {
	delivery := generate.Delivery{Secrets: map[string]string{}, Configs: map[string]string{}}
	if volume, ok := p.Delivery.Secrets[j.Service]; ok {
		delivery.Secrets[j.Name] = volume
	}
	if volume, ok := p.Delivery.Configs[j.Service]; ok {
		delivery.Configs[j.Name] = volume
	}
	file, err := generate.Delivered(d.Stack.Running(j), delivery)
	if err != nil {
		return Step{}, fmt.Errorf("planning job %q: %w", j.Name, err)
	}
	return Step{Kind: RunJob, Subject: j.Name, Cause: j.Service + " changes", Compose: &ComposeStep{
		Stack: p.Stack, File: file, Environment: d.Environment, Timeout: j.Timeout, Services: []string{j.Name}, Partial: true, Once: true,
	}}, nil
}

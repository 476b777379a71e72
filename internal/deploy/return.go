package deploy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/record"
)

// GoneError is something that a release needs and the engine does not have any more.
type GoneError struct {
	Number int
	What   []string
}

// Error implements error.
func (e *GoneError) Error() string {
	return fmt.Sprintf("release %d cannot be restored: the engine no longer has %s", e.Number, strings.Join(e.What, ", "))
}

// NewReturn plans the way back to a release: references mean its images again, volumes belong to its users, and the
// containers follow its Compose file, which names its secrets and its configuration. What is observed was compared with that release. Timeout is for the stack to become healthy.
func NewReturn(r record.Release, o Observed, timeout time.Duration) (Plan, error) {
	plan, model := Plan{Stack: r.Stack}, r.Model()
	gone := &GoneError{Number: r.Number}
	for _, reference := range slices.Sorted(maps.Keys(r.Images)) {
		image := r.Images[reference]
		switch {
		case o.Images[reference] == image.ID:
		case o.Kept[image.ID]:
			plan.Steps = append(plan.Steps, Step{Kind: TagImage, Subject: reference, Cause: "it refers to a different image now",
				Tag: &TagStep{Reference: reference, ID: image.ID, Was: o.Images[reference]}})
		case image.Digest != "":
			plan.Steps = append(plan.Steps, Step{Kind: PullImage, Subject: image.Digest, Cause: "the engine no longer has it"},
				Step{Kind: TagImage, Subject: reference, Cause: "it refers to a different image now",
					Tag: &TagStep{Reference: reference, ID: image.ID, Was: o.Images[reference]}})
		default:
			gone.What = append(gone.What, "image "+reference+" ("+display.ID(image.ID)+")")
		}
	}
	for _, delivered := range []map[string]string{r.Secrets, r.Configs} {
		for _, volume := range slices.Sorted(maps.Values(delivered)) {
			if _, exists := o.Delivered[volume]; !exists {
				gone.What = append(gone.What, "volume "+volume)
			}
		}
	}
	if len(gone.What) > 0 {
		return Plan{}, gone
	}
	var names []string
	prepared := map[string]bool{}
	for _, s := range model.Services {
		for _, step := range volumeSteps(model, s, o) {
			if !prepared[step.Volume.Name] {
				prepared[step.Volume.Name] = true
				plan.Steps = append(plan.Steps, step)
			}
		}
		names = append(names, s.Name)
	}
	whole := ComposeStep{Stack: r.Stack, File: r.Compose, Environment: r.Environment, Timeout: timeout, Services: names, Excused: ill(o.Before)}
	plan.Steps = append(plan.Steps, returning(r, model, whole, o)...)
	for _, s := range model.Services {
		if len(changed(o.Running[s.Name])) > 0 {
			whole.Force = append(whole.Force, s.Name) // it was changed outside hsectl, which Compose does not see
		}
	}
	t := transition{whole: whole, rolled: map[string]Step{}, cause: fmt.Sprintf("containers return to release %d", r.Number)}
	g, ok := GateOf(r)
	if ok {
		t.whole.Gate = &g
		edge, _ := model.Service(model.Edge.Service)
		t.load = restoring(r, edge, o)
		// Where nothing could be compared the edge is taken for one that does not stay: the way back must not depend on it.
		t.late = o.Uncompared == "" && stays(o.Running[edge.Name], r.Images[edge.Image].ID)
	}
	for _, s := range model.Services {
		dead := len(o.Before[s.Name]) > 0 && !slices.ContainsFunc(o.Before[s.Name], func(c Running) bool { return c.Well })
		if startsFirst(model, s, o.Running[s.Name]) && !dead { // where none answered, there is no traffic to keep
			step := newRoll(model, s, g, o.Running[s.Name], t.cause)
			step.Roll.Open = min(step.Roll.Open, timeout/4) // what is open may not use up the time of the way back
			t.rolled[s.Name] = step
		}
	}
	plan.Steps = append(plan.Steps, t.steps()...)
	return plan, nil
}

// ill are the services of which a container did not work, sorted.
func ill(before map[string][]Running) []string {
	var out []string
	for _, service := range slices.Sorted(maps.Keys(before)) {
		if unwell(before[service]) != "" {
			out = append(out, service)
		}
	}
	return out
}

// moved returns what the references meant that a plan lets mean something else.
func (p Plan) moved() map[string]string {
	out := map[string]string{}
	for _, s := range p.Steps {
		if s.Kind == TagImage && s.Tag.Was != "" {
			out[s.Tag.Reference] = s.Tag.Was
		}
	}
	return out
}

func tagSteps(tags map[string]string) []Step {
	var out []Step
	for _, reference := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, Step{Kind: TagImage, Subject: reference, Cause: "its previous image is restored",
			Tag: &TagStep{Reference: reference, ID: tags[reference]}})
	}
	return out
}

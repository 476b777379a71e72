package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/verify"
)

// Ask puts a question from the network namespace of each running container of a service, as the service itself would:
// its addresses, its names, its networks. The first answer that is not good counts, otherwise the slowest.
func (ps *Probes) Ask(ctx context.Context, project, service string, check verify.Check) (verify.Answer, error) {
	running, err := ps.runningContainers(ctx, project, service)
	if err != nil {
		return verify.Answer{}, err
	}
	var out verify.Answer
	for _, c := range running {
		answer, err := ps.askOne(ctx, project, c, check)
		if err != nil {
			return answer, err
		}
		if !answer.OK && len(running) > 1 {
			answer.Text = strings.TrimPrefix(c.Name, "/") + ": " + answer.Text
		}
		if !answer.OK || !out.OK || answer.Took > out.Took {
			out = answer
		}
		if !answer.OK {
			break
		}
	}
	return out, nil
}

func (ps *Probes) askOne(ctx context.Context, project string, c engine.Container, check verify.Check) (verify.Answer, error) {
	ref, err := ps.image(ctx)
	if err != nil {
		return verify.Answer{}, err
	}
	request, err := json.Marshal(verify.Request{Ask: &check})
	if err != nil {
		return verify.Answer{}, fmt.Errorf("asking the probe: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, engine.ProbeTimeout+check.Timeout)
	defer cancel()
	out, err := ps.throwAway(ctx, probe{image: ref, stack: project, user: "65532:65532"}.config(string(request)), asking(c.ID, false), nil)
	if err != nil {
		return verify.Answer{}, err
	}
	var dump verify.Dump
	if err := json.Unmarshal([]byte(out), &dump); err != nil || dump.Answer == nil {
		return verify.Answer{}, fmt.Errorf("reading what the probe saw: %w", err)
	}
	return *dump.Answer, nil
}

// runningContainers returns at least one.
func (ps *Probes) runningContainers(ctx context.Context, project, service string) ([]engine.Container, error) {
	list, err := ps.engine.Service(ctx, project, service)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(c engine.Container) bool { return !c.State.Running })
	if len(list) == 0 {
		return nil, fmt.Errorf("service %s of stack %s does not run", service, project)
	}
	return list, nil
}

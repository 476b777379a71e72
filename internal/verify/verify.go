// Package verify judges a running stack by the same table of controls as the rendered one. It asks an Observer for
// what the engine and the kernel say, turns that into facts, and compares them with what the profile grants.
//
// It never imports deploy: evidence must not rest on the word of what made the change.
package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify/kernel"
	"github.com/hsectl/hsectl/internal/witness"
)

// Observer sees the containers of a stack. A container that vanishes while it is looked at is returned with what was
// seen and an Error, never left out.
type Observer interface {
	Containers(ctx context.Context, stack string, ask func(service string) Request, rendered *Rendered) ([]Container, error)
	// AskOutside puts questions from the machine of the engine, as its users do.
	AskOutside(ctx context.Context, stack string, checks []Check) ([]Answer, error)
	// Residents lists the containers of the engine that may share something with a stack, and its own.
	Residents(ctx context.Context, stack string) ([]Resident, error)
}

// Rendered is what the containers of a stack were made from. All that differs from it is drift.
type Rendered struct {
	File        []byte
	Environment map[string]string
	Images      map[string]string // ids by reference; what is not known is compared by its name only
	Plain       bool              // the file is for docker compose itself, which reads files next to it
	Why         string            // why there is no file, and so nothing can be compared
}

// Container is one container as the engine and the kernel describe it.
type Container struct {
	Name    string
	Service string
	Engine  policy.Facts // what the engine says it applied
	Dump    *Dump        // what a probe saw; nil when none could run
	Error   string       // why there is no dump
	Deep    bool         // a copy was to be tried

	Wiring   *kernel.Wiring // what the engine says that it has connected it to; nil when it does not say
	Prepared bool           // deploy has given its volumes their owners and modes
}

// Evidence is the answer of Verify.
type Evidence struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Stack      string            `json:"stack"`
	Findings   []finding.Finding `json:"findings"`
	Containers int               `json:"containers"`
}

// Options say how much is tried.
type Options struct {
	Deep     bool      // also try, on a copy of each container, what its settings allow
	Rendered *Rendered // compare with this; nil compares nothing
}

// Verify judges every container of the stack. Services that have no container fail. What several containers of a service
// have in common is one finding.
func Verify(ctx context.Context, s stack.Stack, o Observer, options Options) (Evidence, error) {
	declared, err := declaredStatus(ctx, s)
	if err != nil {
		return Evidence{}, err
	}
	calls := newCalls(s)
	containers, err := o.Containers(ctx, s.Name, func(name string) Request {
		service, _ := s.Service(name)
		r := request(service)
		r.Deep, r.Connect, r.Loaded = options.Deep, targets(s, name), s.Loaded(service)
		r.Asks = calls.from(name)
		return r
	}, options.Rendered)
	if err != nil {
		return Evidence{}, fmt.Errorf("observing stack %q: %w", s.Name, err)
	}
	out := Evidence{APIVersion: "hsectl/v1", Kind: "Evidence", Stack: s.Name, Containers: len(containers)}
	called := calls.answers(ctx, o, containers)
	residents, err := o.Residents(ctx, s.Name)
	shared := neighbourFacts(s, residents, err)
	users, names := usersOf(containers), map[string][]string{}
	for _, c := range containers {
		names[c.Service] = append(names[c.Service], display.Name(c.Name))
	}
	seen := map[string][]found{}
	for _, c := range containers {
		service, ok := s.Service(c.Service)
		if !ok {
			out.Findings = append(out.Findings, orphan(c))
			continue
		}
		if c.Engine.State.Known() {
			c.Engine.Containers = policy.Seen(names[c.Service], finding.Applied)
		}
		c.Engine.Calls, c.Engine.Neighbours = called[c.Service], shared(c.Service)
		c.Engine.Strangers = strangers(c, residents, err)
		c.Prepared = options.Rendered != nil && options.Rendered.Why == "" && !options.Rendered.Plain
		seen[c.Service] = append(seen[c.Service], found{display.Name(c.Name), judge(s, service, c, users, declared[c.Service])})
	}
	for _, service := range s.Services {
		if len(seen[service.Name]) == 0 {
			out.Findings = append(out.Findings, absent(service.Name))
			continue
		}
		out.Findings = append(out.Findings, together(seen[service.Name])...)
	}
	slices.SortStableFunc(out.Findings, func(a, b finding.Finding) int { return strings.Compare(a.Subject, b.Subject) })
	return out, nil
}

// declaredStatus is what the controls say of the rendered file, by service and control.
func declaredStatus(ctx context.Context, s stack.Stack) (map[string]map[string]finding.Status, error) {
	d, err := witness.Declare(ctx, s)
	if err != nil {
		return nil, err
	}
	out := map[string]map[string]finding.Status{}
	for _, service := range s.Services {
		out[service.Name] = map[string]finding.Status{}
		for _, f := range controls.Check(d.Facts(service), s.Intent(service), false) {
			out[service.Name][f.Control] = f.Status
		}
	}
	return out, nil
}

// request asks for a write to the root, to every declared path and to every denied one.
func request(s stack.Service) Request {
	r := Request{Write: []string{"/"}}
	for _, w := range s.Writable {
		r.Write = append(r.Write, w.Path)
		if w.Volume != "" {
			r.Volumes = append(r.Volumes, w.Path)
		}
	}
	r.Write = append(r.Write, s.Denied...)
	if len(s.Secrets) > 0 {
		r.Secrets = stack.SecretDir
	}
	return r
}

// targets are the ports of all other services that say where they listen.
func targets(s stack.Stack, from string) []Target {
	var out []Target
	for _, other := range s.Services {
		if other.Name == from {
			continue
		}
		for _, port := range other.Listen {
			out = append(out, Target{Service: other.Name, Port: port})
		}
	}
	return out
}

// judge marks as drift what the rendered stack satisfies and the running container does not.
func judge(s stack.Stack, service stack.Service, c Container, users map[string][]int, declared map[string]finding.Status) []finding.Finding {
	in := s.Intent(service)
	f := facts(c)
	f.SameUser = sameUser(c.Service, users)
	done := c.Engine.State.Known() && c.Engine.State.Value.Done && c.Dump == nil
	if done {
		f.SameUser = policy.Unseen[[]string](c.Error)
	}
	out := controls.Check(f, in, true)
	for i, f := range out { // what ended with 0 has no process that could be seen, and nothing to show any more
		if done && f.Status == finding.Unknown && c.Error != "" && strings.HasSuffix(f.Detail, c.Error) {
			out[i].Status, out[i].Detail = finding.NotApplicable, "it ended with 0 and is done"
		}
	}
	for i, f := range out {
		if f.Status == finding.Fail && (declared[f.Control] == finding.Pass || policy.AsRendered(f.Control)) {
			out[i].Status = finding.Drift
			out[i].Severity = max(f.Severity, finding.High)
			out[i].Remedy = "the profile is right and the container is not: hsectl deploy"
		}
	}
	return service.Accept(out)
}

// usersOf returns the uids that the processes of each service were seen with.
func usersOf(containers []Container) map[string][]int {
	out := map[string][]int{}
	for _, c := range containers {
		if c.Dump == nil {
			continue
		}
		for _, p := range processes(c.Dump).Value {
			if !slices.Contains(out[c.Service], p.UIDs[1]) {
				out[c.Service] = append(out[c.Service], p.UIDs[1])
			}
		}
	}
	return out
}

// sameUser names the other services that have a uid of this one.
func sameUser(service string, users map[string][]int) policy.Fact[[]string] {
	if len(users[service]) == 0 {
		return policy.Unseen[[]string]("no process was seen")
	}
	var out []string
	for _, other := range slices.Sorted(maps.Keys(users)) {
		if other != service && slices.ContainsFunc(users[other], func(uid int) bool { return slices.Contains(users[service], uid) }) {
			out = append(out, other)
		}
	}
	return policy.Seen(out, finding.Effective)
}

func absent(service string) finding.Finding {
	return finding.Finding{Subject: service, Control: "HSE-LIF-005", Title: "The service runs and does not restart",
		Severity: finding.High, Status: finding.Fail, Tier: finding.Applied,
		Detail: "the service has no container", Remedy: "deploy the stack: hsectl deploy"}
}

func orphan(c Container) finding.Finding {
	return finding.Finding{Subject: c.Service, Control: "HSE-OPS-009", Title: "No container runs that the profile does not declare",
		Severity: finding.High, Status: finding.Fail, Tier: finding.Applied,
		Detail: "container " + display.Name(c.Name) + " belongs to the stack but not to its profile", Remedy: "declare it, or remove it"}
}

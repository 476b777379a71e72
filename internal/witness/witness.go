// Package witness says what a stack declares: it renders the Compose file, reads it back with the one reader of Compose files,
// and judges what it finds by the table of controls. A profile, a file that others wrote and both sides of a review are so seen
// by the same eyes, and nothing of a profile is described by hand.
//
// The package is pure: nothing is read but what is rendered.
package witness

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
	"github.com/hsectl/hsectl/internal/stack"
)

// Declared is a stack with its rendered file, read back.
type Declared struct {
	stack  stack.Stack
	file   *composefile.Project
	values map[string]string // of variables, where they are known
}

// UnreadableError is a stack whose rendered file Compose refuses. Only what is passed through can be the cause.
type UnreadableError struct{ Err error }

// Error implements error.
func (e *UnreadableError) Error() string {
	return "reading back the rendered Compose file: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *UnreadableError) Unwrap() error { return e.Err }

// Declare renders a stack and reads the file back. Variables that the deploying environment must set are taken as set.
func Declare(ctx context.Context, s stack.Stack) (Declared, error) {
	return DeclareWith(ctx, s, nil)
}

// DeclareWith is Declare with the values that the deploying environment gives variables, which are judged, too.
func DeclareWith(ctx context.Context, s stack.Stack, values map[string]string) (Declared, error) {
	data, err := generate.Compose(s, generate.Source{BuildRoot: "."})
	if err != nil {
		return Declared{}, err
	}
	variables := map[string]string{}
	for _, name := range s.Required() {
		variables[name] = "required" // its value is the deploying environment's; the name is judged
	}
	maps.Copy(variables, values)
	file, err := composefile.Read(ctx, generate.ComposeFile, data, composefile.Environment{Variables: variables})
	if err != nil {
		return Declared{}, &UnreadableError{err}
	}
	return Declared{s, file, values}, nil
}

// Check judges every service of a stack, as declared. What an exception allows is waived.
func Check(ctx context.Context, s stack.Stack) ([]finding.Finding, error) {
	d, err := Declare(ctx, s)
	if err != nil {
		return nil, err
	}
	return d.Check(), nil
}

// Facts returns what the rendered file declares of a service. What deploy does to the file before it applies it is added here,
// and only here: secrets are delivered as files of mode 0400 that belong to the service's user, and volumes are handed to whoever
// writes them. So is what the profile says beyond Compose: how data is backed up, which sites an edge serves, and which
// configuration it loads.
func (d Declared) Facts(service stack.Service) policy.Facts {
	f := d.file.Facts(service.Name)
	if !written(service.Extra, "secrets") { // those that are passed through stay what they are: files of the host
		var files []policy.Secret
		for _, use := range service.Secrets {
			files = append(files, policy.Secret{Name: use.Name, Readable: true})
		}
		f.Secrets = declared(files)
	}
	if !f.Environment.Known() && written(service.Extra, "env_file") && d.values != nil { // deploy has read the files
		environment := d.file.Variables(service.Name)
		for _, name := range service.Taken {
			environment = append(environment, policy.Variable{Name: name, Value: d.values[stack.TakenAs(service.Name, name)]})
		}
		f.Environment = declared(environment)
	}
	f.Declaration.Value.Prepared = true
	if service.Untested != "" && !f.Health.Known() && !written(service.Extra, "healthcheck") {
		f.Health = declared(policy.Health{}) // the profile says that the image brings no test either
	}
	for i, network := range f.Networks.Value {
		if n := d.network(network.Name); n.External && !n.Egress { // the stack that is watched made it, as internal
			f.Networks.Value[i].External, f.Networks.Value[i].Internal = false, true
		}
	}
	f.Keeping = declared(d.stack.Keeping(service))
	if sites := d.stack.Sites(service); len(sites) > 0 {
		f.Sites = declared(sites)
	}
	if loaded := d.stack.Loaded(service); loaded != "" {
		f.Loaded = declared(loaded)
	}
	return f
}

func (d Declared) network(name string) stack.Network {
	i := slices.IndexFunc(d.stack.Networks, func(n stack.Network) bool { return n.Name == name })
	if i < 0 {
		return stack.Network{}
	}
	return d.stack.Networks[i]
}

func declared[T any](v T) policy.Fact[T] { return policy.Seen(v, finding.Declared) }

func written(extra map[string]any, key string) bool {
	_, ok := extra[key]
	return ok
}

// Check judges every service. What fails or cannot be known is waived where an exception of the service allows the control to
// fail; an exception that has expired is none.
func (d Declared) Check() []finding.Finding {
	var out []finding.Finding
	for _, s := range d.stack.Services {
		out = append(out, d.Service(s)...)
	}
	return out
}

// OnlyText reports whether only the text of a stack can answer a control, so that verification does not ask it.
func OnlyText(control string) bool {
	return slices.ContainsFunc(controls.All(), func(c policy.Control) bool { return c.ID == control && c.Static })
}

// Service judges one service.
func (d Declared) Service(s stack.Service) []finding.Finding {
	facts, intent := d.Facts(s), d.stack.Intent(s)
	out := controls.Check(facts, intent, false)
	// Ports and secrets that are passed through are no grant, but they are meant to be there.
	intent.Ports, intent.Secrets = d.file.Intent(s.Name).Ports, d.file.Intent(s.Name).Secrets
	for key, control := range map[string]string{"ports": "HSE-NET-002", "secrets": "HSE-SEC-002"} {
		i := slices.IndexFunc(out, func(f finding.Finding) bool { return f.Control == control })
		if written(s.Extra, key) && i >= 0 {
			out[i] = controls.CheckOne(control, facts, intent)
		}
	}
	for i, f := range out {
		if f.Status == finding.Pass || f.Status == finding.NotApplicable {
			continue
		}
		if key := d.passed(s, f.Control); key != "" {
			out[i].Where = "passthrough." + key
		}
	}
	return s.Accept(out)
}

// passed returns the key that the service passes through and that decides a control, or nothing.
func (d Declared) passed(s stack.Service, control string) string {
	if len(s.Extra) == 0 {
		return ""
	}
	for _, c := range controls.All() {
		if c.ID != control {
			continue
		}
		for _, key := range d.file.Decisive(c, s.Name) {
			if written(s.Extra, key) {
				return key
			}
		}
	}
	return ""
}

// Open returns the keys that no control judges, by service; "" stands for the keys next to the services.
func (d Declared) Open() map[string][]string {
	out := map[string][]string{}
	for _, s := range d.stack.Services {
		for _, what := range d.file.Facts(s.Name).Unjudged.Value {
			key, _, _ := strings.Cut(what, " ")
			out[s.Name] = append(out[s.Name], key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(d.stack.Extra)) {
		// Volumes, networks, configs and secrets are judged in the services that use them.
		if !strings.HasPrefix(key, "x-") && !slices.Contains([]string{"volumes", "networks", "configs", "secrets"}, key) {
			out[""] = append(out[""], key)
		}
	}
	return out
}

// As is the same file, judged as that of a stack with other exceptions or another day, which the file does not show.
func (d Declared) As(s stack.Stack) Declared {
	d.stack = s
	return d
}

// Breaks returns what fails of the services of a stack because of what is passed through, and what cannot be known because of
// it: the same stack without it is judged as well, and what fails there too has another cause. What is waived is left out.
func (d Declared) Breaks(ctx context.Context) ([]finding.Finding, error) {
	plain, passes := Plain(d.stack)
	if !passes {
		return nil, nil
	}
	broken := slices.DeleteFunc(d.Check(), func(f finding.Finding) bool { return f.Status != finding.Fail && f.Status != finding.Unknown })
	if len(broken) == 0 {
		return nil, nil
	}
	without, err := Check(ctx, plain)
	if err != nil {
		return nil, err
	}
	before := map[string]finding.Status{}
	for _, f := range without {
		before[f.Subject+" "+f.Control] = f.Status
	}
	return slices.DeleteFunc(broken, func(f finding.Finding) bool {
		was, judged := before[f.Subject+" "+f.Control]
		return judged && f.Status == was
	}), nil
}

// Plain returns a stack without what it passes through, and whether it passes anything through.
func Plain(s stack.Stack) (stack.Stack, bool) {
	passes := len(s.Extra) > 0
	s.Extra = nil
	s.Services = slices.Clone(s.Services)
	for i := range s.Services {
		passes = passes || len(s.Services[i].Extra) > 0
		s.Services[i].Extra = nil
	}
	return s, passes
}

// Weakness is what the keys that a service passes through do to it.
type Weakness struct {
	Breaks map[string]string // reason by control
	Open   string            // which keys no control judges; empty when all are judged
}

// Passthrough judges keys of Compose services, by the names of the services, each on a service that is hardened in every other way.
// Extra are the keys next to the services.
func Passthrough(ctx context.Context, services map[string]map[string]any, extra map[string]any) (map[string]Weakness, error) {
	s := stack.Stack{Name: "passthrough", Extra: extra, Networks: []stack.Network{{Name: "default", Egress: true}}}
	networks, volumes := map[string]bool{}, map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(services)) {
		s.Services = append(s.Services, hardened(name, services[name]))
		for _, volume := range named(services[name]["volumes"]) {
			volumes[volume] = true
		}
		joined, _ := services[name]["networks"].(map[string]any)
		for network := range joined {
			networks[network] = network != "default"
		}
	}
	for _, name := range slices.Sorted(maps.Keys(volumes)) {
		s.Volumes = append(s.Volumes, stack.Volume{Name: name})
	}
	for _, name := range slices.Sorted(maps.Keys(networks)) {
		if networks[name] {
			s.Networks = append(s.Networks, stack.Network{Name: name, Egress: true})
		}
	}
	declared, err := Declare(ctx, s)
	if err != nil {
		return nil, err
	}
	found, err := declared.Breaks(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]Weakness{}
	for _, f := range found {
		w := out[f.Subject]
		switch {
		case f.Control == composefile.EverythingJudged:
			w.Open = f.Detail
		case f.Status == finding.Fail:
			if w.Breaks == nil {
				w.Breaks = map[string]string{}
			}
			w.Breaks[f.Control] = f.Detail
		}
		out[f.Subject] = w
	}
	return out, nil
}

// hardened is a service that fails no control by itself.
func hardened(name string, extra map[string]any) stack.Service {
	const mb = 1 << 20
	var needs []stack.Dependency // the options of a dependency are passed through, its condition is not
	on, _ := extra["depends_on"].(map[string]any)
	for _, other := range slices.Sorted(maps.Keys(on)) {
		needs = append(needs, stack.Dependency{Service: other, Condition: "started"})
	}
	return stack.Service{
		DependsOn: needs, Name: name, Image: "example/service:1", User: stack.User{UID: 1000, GID: 1000}, Networks: []string{"default"}, Restart: "unless-stopped", OpenFiles: 1024,
		Limits:   stack.Resources{CPUs: "1", Nano: 1e9, Memory: stack.Size{Bytes: 64 * mb, Text: "64m"}, PIDs: 64},
		Shutdown: stack.Shutdown{Signal: "SIGTERM", Grace: 10 * time.Second}, Log: stack.Log{Driver: "json-file", MaxSize: stack.Size{Bytes: 10 * mb, Text: "10m"}, MaxFiles: 3},
		Health: &stack.Health{Test: []string{"CMD", "test"}, Interval: 10 * time.Second, Timeout: 5 * time.Second, Retries: 3}, Extra: extra,
	}
}

// named are the volumes of a list of mounts that have a name.
func named(mounts any) []string {
	list, _ := mounts.([]any)
	var out []string
	for _, item := range list {
		m, _ := item.(map[string]any)
		source := fmt.Sprint(m["source"])
		if m["type"] == "volume" && m["source"] != nil && !strings.HasPrefix(source, "/") && !slices.Contains(out, source) {
			out = append(out, source)
		}
	}
	slices.Sort(out)
	return out
}

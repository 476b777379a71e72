package deploy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
)

// RotateStep makes a running program accept the value of a secret that its image reads only when it initialises its data. The
// program is asked first: where it accepts To already, and none of From, nothing happens. Values are read from the volumes of
// delivered secrets when the step happens; the step has none.
type RotateStep struct {
	Stack   string
	Service string
	Volume  string // on the engine, with the data
	Secret  stack.FirstStart
	To      DeliveredFile
	From    []DeliveredFile // what it may accept now, the most likely first; empty when no value was ever delivered
	Return  bool            // on the way back: a program that accepts none of them is left as it is
}

// DeliveredFile is a file in a volume of delivered secrets.
type DeliveredFile struct{ Volume, Name string }

// FirstStartError is a secret whose value changes although its program keeps the one of its first start, and that no command
// changes there.
type FirstStartError struct {
	Stack, Service, Secret string
	Volume                 string // on the engine, with the data
}

// Error implements error.
func (e *FirstStartError) Error() string {
	return fmt.Sprintf("the data in volume %s is older than secret %s: service %s read it at its first start, ignores a new value, and its preset has no command that changes it",
		e.Volume, e.Secret, e.Service)
}

// RotationError is a rotation that a program did not follow.
type RotationError struct {
	Stack, Service, Secret string
	Volume                 string // on the engine, with the data
	Reason                 string
	Unknown                bool // the program accepts no value that is known
	Undo                   error
}

// Error implements error.
func (e *RotationError) Error() string {
	text := fmt.Sprintf("rotating secret %s in service %s: %s", e.Secret, e.Service, e.Reason)
	if e.Undo != nil {
		text += fmt.Sprintf("; the former value could not be restored: %v", e.Undo)
	}
	return text
}

// maxFormer bounds the values that a program is asked for: programs count failed logins.
const maxFormer = 4

// rotations returns the steps that change first-start secrets in programs whose data exists, each service started first where
// it does not run, or a FirstStartError.
func rotations(d Desired, o Observed, p Plan) ([]Step, error) {
	kept := keptSecrets(d, o)
	var out []Step
	for _, s := range d.Stack.Services {
		if d.untouched(s.Name) {
			continue
		}
		digests := secretDigests(d, s, kept)
		var steps []Step
		for _, f := range s.FirstStarts {
			step, err := rotation(d, o, s, f, digests[f.Secret])
			if err != nil {
				return nil, err
			}
			if step != nil {
				step.Rotate.To = DeliveredFile{p.Delivery.Secrets[s.Name], f.Secret}
				steps = append(steps, *step)
			}
		}
		if len(steps) > 0 {
			start := ComposeStep{Stack: p.Stack, File: p.File, Environment: d.Environment, Timeout: d.Timeout}
			if d.Last != nil && slices.ContainsFunc(d.Last.Release.Intent.Services, func(had record.Service) bool { return had.Name == s.Name }) {
				start.File, start.Environment = d.Last.Release.Compose, d.Last.Release.Environment
				out = append(out, starting(d.Last.Release.Model(), s.Name, start, o)...)
			} else {
				out = append(out, starting(d.Stack, s.Name, start, o)...)
			}
			out = append(out, steps...)
		}
	}
	return out, nil
}

// rotation returns the step for one secret of a service without what it leads to, or nil when its program has that value or
// will read it at its first start.
func rotation(d Desired, o Observed, s stack.Service, f stack.FirstStart, digest string) (*Step, error) {
	volume := VolumeName(d.Stack, f.Volume)
	if !o.Volumes[volume].Filled {
		return nil, nil
	}
	have, name := o.Secrets[s.Name], formerName(d, s.Name, f)
	was, recorded := have.Digests[name]
	unsure := d.Interrupted || d.Last == nil // what was delivered last may never have reached the program
	var from []DeliveredFile
	if recorded && was != digest {
		from = append(from, DeliveredFile{have.Volume, name})
	}
	if unsure {
		from = formerFiles(d.Stack.Name, s.Name, name, digest, o)
	}
	step := Step{Kind: RotateSecret, Subject: s.Name, Rotate: &RotateStep{Stack: d.Stack.Name, Service: s.Name, Volume: volume, Secret: f, From: from}}
	switch {
	case recorded && was == digest && len(from) == 0:
		return nil, nil
	case f.Change == "" && recorded && was != digest:
		return nil, &FirstStartError{Stack: d.Stack.Name, Service: s.Name, Secret: f.Secret, Volume: volume}
	case f.Login == "":
		return nil, nil // nothing can be asked
	case len(from) == 0:
		step.Cause = fmt.Sprintf("volume %s has data, and no delivered value of %s is recorded: a login must prove it before other services start", volume, f.Secret)
	case d.Interrupted:
		step.Cause = fmt.Sprintf("the interrupted deploy may have changed %s in the program", f.Secret)
	default:
		step.Cause = fmt.Sprintf("the data in volume %s is older than the value of %s, which is read at the first start only", volume, f.Secret)
	}
	return &step, nil
}

// formerName is the name under which the last release delivered a secret: profiles rename them.
func formerName(d Desired, service string, f stack.FirstStart) string {
	if d.Last == nil {
		return f.Secret
	}
	had, _ := d.Last.Release.Model().Service(service)
	named := func(use stack.SecretFile) bool { return use.Name == f.Secret }
	i := slices.IndexFunc(had.FirstStarts, func(was stack.FirstStart) bool { return was.Volume == f.Volume && was.Login == f.Login })
	if i < 0 || slices.ContainsFunc(had.Secrets, named) {
		return f.Secret
	}
	return had.FirstStarts[i].Secret
}

// formerFiles are the values of a secret that were ever delivered to a service and that the engine still has, the newest first,
// without the one that is wanted.
func formerFiles(stackName, service, name, wanted string, o Observed) []DeliveredFile {
	prefix := fmt.Sprintf("%s_%s_secrets_", stackName, service)
	versions := map[int]string{}
	for volume := range o.Delivered {
		rest, ok := strings.CutPrefix(volume, prefix)
		if n, err := strconv.Atoi(rest); ok && err == nil {
			versions[n] = volume
		}
	}
	seen := map[string]bool{wanted: true}
	var out []DeliveredFile
	for _, n := range slices.Backward(slices.Sorted(maps.Keys(versions))) {
		digest, ok := o.Delivered[versions[n]].Digests[name]
		if ok && !seen[digest] && len(out) < maxFormer {
			seen[digest] = true
			out = append(out, DeliveredFile{versions[n], name})
		}
	}
	return out
}

// starting brings up a service alone, with what it needs, unless it runs.
func starting(in stack.Stack, service string, compose ComposeStep, o Observed) []Step {
	if slices.ContainsFunc(o.Running[service], func(r Running) bool { return r.Well }) {
		return nil
	}
	compose.Services, compose.Partial = append(in.Needs(service), service), true
	return []Step{{Kind: Converge, Subject: compose.Stack, Cause: "secrets are changed in " + service + " while it runs", Compose: &compose}}
}

// returning are the steps by which programs accept again what a release delivered to them.
func returning(r record.Release, model stack.Stack, whole ComposeStep, o Observed) []Step {
	var out []Step
	for _, s := range model.Services {
		volume := r.Secrets[s.Name]
		var steps []Step
		for _, f := range s.FirstStarts {
			data := VolumeName(model, f.Volume)
			from := formerFiles(r.Stack, s.Name, f.Secret, o.Delivered[volume].Digests[f.Secret], o)
			if f.Change == "" || f.Login == "" || len(from) == 0 || !o.Volumes[data].Filled {
				continue
			}
			steps = append(steps, Step{Kind: RotateSecret, Subject: s.Name, Cause: fmt.Sprintf("release %d delivered another value of %s", r.Number, f.Secret),
				Rotate: &RotateStep{Stack: r.Stack, Service: s.Name, Volume: data, Secret: f, To: DeliveredFile{volume, f.Secret}, From: from, Return: true}})
		}
		if len(steps) > 0 {
			out = slices.Concat(out, starting(model, s.Name, whole, o), steps)
		}
	}
	return out
}

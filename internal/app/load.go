// Package app is what the use cases of hsectl share: the profile and the stack it stands for, the engine that is meant, the
// streams that are written to, and the errors that the command line turns into exit codes. It knows no flags.
package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/image/lock"
	"github.com/hsectl/hsectl/internal/lifecycle"
	"github.com/hsectl/hsectl/internal/monitoring"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/sources"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/witness"
	"github.com/hsectl/hsectl/internal/yamldoc"
	"github.com/hsectl/hsectl/profiles"
)

// MaxProfileBytes bounds a profile: one of 1,000 services has about 1 MiB.
const MaxProfileBytes = 4 << 20

// Selection says which profile is meant: what -f, -e, --set and --profiles mean.
type Selection struct {
	Files       []string // the profile, and what is laid over it
	Environment string
	Set         []string
	Profiles    []string // of Compose: which services with profiles: take part

	// Variables are those that a profile may use; nil for all of this machine. With a function, one without a value is kept as it
	// is written; see Loaded.Unset.
	Variables yamldoc.Lookup
}

// Loaded is a profile that was read, and the stack it stands for.
type Loaded struct {
	Path    string
	Data    []byte
	Inputs  []generate.File // what the profile was merged with
	Choices []string        // --env, --set and --profiles, as they were typed
	Profile *profile.Profile
	Project *composefile.Project // instead of a profile, where a Compose file may stand in for one
	Stack   stack.Stack
	Today   time.Time // exceptions that expired before it waive nothing; zero for none
	Known   lifecycle.Data
	Now     time.Time // day on which what is known counts
	Root    string    // of the paths of its services in the profile: empty, or "monitoring."
	Locked  lock.File
	unset   []string
	Own     sources.Variables // from the files that the profile names, or the .env next to it
	Bundle  *Bundle           // what came with the profile in a bundle, or nothing

	declare func() (witness.Declared, error) // of the stack, once
}

// of returns what was loaded, for a stack of it.
func (l Loaded) of(s stack.Stack) Loaded {
	l.Stack = s
	// Everything is in memory: there is nothing to wait for.
	l.declare = sync.OnceValues(func() (witness.Declared, error) { return witness.Declare(context.Background(), s) })
	return l
}

// Declared is the rendered file of the stack, read back. However often it is asked for, the file is read once.
func (l Loaded) Declared() (witness.Declared, error) {
	if l.declare == nil {
		return witness.Declare(context.Background(), l.Stack)
	}
	return l.declare()
}

// Reader returns the bytes of a file: of this machine, or of a commit.
type Reader func(path string, limit int64) ([]byte, error)

// Load reads the profile that is meant, of this machine and as of today.
func Load(from Selection) (Loaded, error) { return LoadFrom(from, host.ReadFile, time.Now()) }

// LoadFrom reads a profile, and all it extends, from where read finds it. Exceptions that expired before today waive nothing.
func LoadFrom(from Selection, read Reader, today time.Time) (Loaded, error) {
	path := from.Files[0]
	data, err := ReadProfile(read, path)
	if err != nil {
		return Loaded{}, err
	}
	l := Loaded{Path: path, Data: data, Choices: from.choices()}
	options := parser.Options{
		File: path, Library: profiles.Library{}, Environment: from.Environment, Set: from.Set,
		CheckImage: image.Check,
		Load:       func(name, from string) (parser.Document, error) { return l.extend(read, name, from) },
	}
	if from.Variables == nil {
		if l.Own, err = sources.OwnVariables(path, data, machine(), environ()); err != nil {
			return Loaded{}, &UsageError{err, "correct env_files:, or write env_files: [] for none"}
		}
		options.Variables = l.Lookup
	} else {
		options.Variables, options.Unset = from.Variables, func(name string) { l.unset = append(l.unset, name) }
		options.CheckImage = checkWritten
	}
	for _, file := range from.Files[1:] {
		overlay, err := ReadProfile(read, file)
		if err != nil {
			return Loaded{}, err
		}
		options.Overlays = append(options.Overlays, parser.Document{File: file, Data: overlay})
		l.Inputs = append(l.Inputs, generate.File{Path: filepath.ToSlash(file), Data: overlay})
	}
	if l.Profile, err = parser.Parse(data, options); err != nil {
		return Loaded{}, err
	}
	if l.Known, err = Lifecycles(); err != nil {
		return Loaded{}, err
	}
	l.Today, l.Now = today, time.Now()
	return l.of(l.dated(stack.New(l.Profile))), nil
}

// checkWritten is image.Check for a reference that may contain variables: what they stand for is not known.
func checkWritten(reference string) error {
	if strings.Contains(reference, "${") {
		return nil
	}
	return image.Check(reference)
}

// Weakened returns what is passed through and breaks a control for which there is no exception, with the place of the key, or nil.
// It is asked by what writes, judges and deploys the stack; verbs that recover or look at one work with any profile.
func (l Loaded) Weakened() error {
	if _, passes := witness.Plain(l.Stack); !passes {
		return nil
	}
	var problems yamldoc.Collector
	var broken []finding.Finding
	declared, err := l.Declared()
	if err == nil { // an exception that has expired is for lint and deploy to refuse, so the day does not count here
		broken, err = declared.As(stack.New(l.Profile)).Breaks(context.Background())
	}
	if unreadable, ok := errors.AsType[*witness.UnreadableError](err); ok {
		at := "passthrough"
		for _, s := range l.Stack.Services {
			if len(s.Extra) > 0 && (at == "passthrough" || strings.Contains(err.Error(), "services."+s.Name+".") || strings.Contains(err.Error(), "services["+s.Name+"]")) {
				at = "services." + s.Name + ".passthrough"
			}
		}
		problems.Add(l.Profile.Written(at), "correct what is passed through: these are keys of a Compose service", "Compose refuses the rendered file: %v", unreadable.Err)
		return problems.Err()
	}
	if err != nil {
		return err
	}
	for _, f := range broken {
		if f.Status == finding.Fail && f.Severity > finding.Info {
			problems.Add(l.Profile.Written("services."+f.Subject+"."+f.Where), fmt.Sprintf("drop it, or add an exception for %s with a reason", f.Control),
				"what service %q passes through breaks %s: %s", f.Subject, f.Control, f.Detail)
		}
	}
	return problems.Err()
}

// dated returns a stack as it is judged on the day of the check.
func (l Loaded) dated(s stack.Stack) stack.Stack {
	return s.AsOf(l.Today).Knowing(l.Known, l.Now)
}

// Dated returns the stack of a profile as it is judged today, with all its exceptions.
func Dated(p *profile.Profile) (stack.Stack, error) {
	known, err := Lifecycles()
	return stack.New(p).Knowing(known, time.Now()), err
}

// Lifecycles returns what this version of hsectl knows of the life of engines, distributions and images.
func Lifecycles() (lifecycle.Data, error) {
	return lifecycle.Parse("profiles/data/lifecycles.yaml", profiles.Lifecycles())
}

// LoadCompose reads a Compose file, to be judged today.
func LoadCompose(ctx context.Context, from composefile.Source) (*composefile.Project, error) {
	p, err := composefile.Load(ctx, from)
	if err != nil {
		return nil, err
	}
	known, err := Lifecycles()
	if err != nil {
		return nil, err
	}
	p.Images, p.Today = known.Images, time.Now()
	return p, nil
}

// Expired returns the exceptions of the stack whose last day is over, or nil: what lint and deploy do not let pass.
func (l Loaded) Expired() error { return l.Profile.Expired(l.Today, l.Root) }

// Refused returns everything for which lint does not take the profile, all at once: exceptions of all its stacks that have expired,
// and what is passed through without one.
func (l Loaded) Refused() error {
	var all yamldoc.Collector
	for _, err := range []error{l.Profile.Expired(l.Today, "", "monitoring."), l.Weakened()} {
		problems := yamldoc.Problems(err)
		if err != nil && len(problems) == 0 {
			return err
		}
		for _, p := range problems {
			all.Add(p.At, p.Hint, "%s", p.Message)
		}
	}
	return all.Err()
}

// WarnExpired names all of the profile on standard error, for verbs that go on.
func (l Loaded) WarnExpired(s Streams) {
	for _, p := range yamldoc.Problems(l.Profile.Expired(l.Today, "", "monitoring.")) {
		s.Say("warning: %v: deploy will refuse this", p)
	}
}

// Chosen returns what was loaded without the services whose profiles: are not chosen. What is about running containers is
// about the others only; what is about files is about all.
func (l Loaded) Chosen(names []string) (Loaded, error) {
	p, err := l.Profile.Choose(names)
	if err != nil {
		return l, &UsageError{fmt.Errorf("choosing services of %s: %w", l.Path, err), "choose with --profiles NAME,NAME"}
	}
	l.Profile = p
	return l.of(l.dated(stack.New(p)).Pinned(l.Locked.Pins(l.Root))), nil
}

// choices are the flags that change what the files say.
func (s Selection) choices() []string {
	var out []string
	if s.Environment != "" {
		out = append(out, "--env "+s.Environment)
	}
	for _, assignment := range s.Set {
		out = append(out, "--set "+assignment)
	}
	for _, name := range s.Profiles {
		out = append(out, "--profiles "+name)
	}
	return out
}

// extend finds what a profile extends, and notes it among the inputs.
func (l *Loaded) extend(read Reader, name, from string) (parser.Document, error) {
	document, err := read.extend(name, from)
	if err == nil {
		l.Inputs = append(l.Inputs, generate.File{Path: filepath.ToSlash(document.File), Data: document.Data})
	}
	return document, err
}

// ReadProfile returns the bytes of a profile.
func ReadProfile(read Reader, path string) ([]byte, error) {
	data, err := read(path, MaxProfileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &UsageError{fmt.Errorf("reading the profile: file %s not found", path), "name the profile with -f, or start in its directory"}
	}
	if err != nil {
		return nil, &UsageError{fmt.Errorf("reading the profile: %w", err), "name a profile file with -f"}
	}
	return data, nil
}

// extend finds what a profile extends: a plain word is a baseline of the library, everything else a file.
func (read Reader) extend(name, from string) (parser.Document, error) {
	if !strings.ContainsAny(name, "./\\") {
		data, ok := profiles.Library{}.Extension(name)
		if !ok {
			return parser.Document{}, fmt.Errorf("baseline not found; known baselines: %s", strings.Join(profiles.Library{}.Extensions(), ", "))
		}
		return parser.Document{File: "baselines/" + name + ".yaml", Data: data, Library: true}, nil
	}
	path := filepath.FromSlash(name)
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(from), path)
	}
	data, err := read(path, MaxProfileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return parser.Document{}, fmt.Errorf("file %s not found", path)
	}
	return parser.Document{File: path, Data: data}, err
}

// Dir is the directory that paths in the profile are relative to.
func (l Loaded) Dir() string { return filepath.Dir(l.Path) }

// MonitoringStack returns the monitoring stack of the profile, or false when it has none.
func (l Loaded) MonitoringStack() (Loaded, bool, error) {
	if l.Profile.Monitoring == nil {
		return Loaded{}, false, nil
	}
	monitor, err := monitoring.New(l.Profile, l.Stack)
	if err != nil {
		return Loaded{}, false, err
	}
	l.Root = "monitoring."
	return l.of(l.dated(monitor).Pinned(l.Locked.Pins(l.Root))), true, nil
}

// RequireMonitoring returns the monitoring stack of a profile that must have one.
func (l Loaded) RequireMonitoring() (Loaded, error) {
	monitor, ok, err := l.MonitoringStack()
	if err == nil && !ok {
		err = &UsageError{fmt.Errorf("%s has no monitoring section", l.Path), "add monitoring: {} to the profile; see docs/monitoring.md"}
	}
	return monitor, err
}

// Resolve is a path of the profile, seen from the profile.
func (l Loaded) Resolve(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(l.Dir(), filepath.FromSlash(path))
}

// Services returns those of the stack that are named, or all.
func Services(l Loaded, names []string) ([]stack.Service, error) {
	if len(names) == 0 {
		return l.Stack.Services, nil
	}
	var out []stack.Service
	for _, name := range names {
		service, ok := l.Stack.Service(name)
		if !ok {
			return nil, &UsageError{fmt.Errorf("service %q not found in %s", name, l.Path), "services: " + fmt.Sprint(serviceNames(l))}
		}
		out = append(out, service)
	}
	return out, nil
}

func serviceNames(l Loaded) []string { return slices.Sorted(maps.Keys(l.Profile.Services)) }

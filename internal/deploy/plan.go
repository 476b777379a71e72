// Package deploy compares what a stack should be with what the engine has, plans the difference as steps that each
// say why, and executes them through an Engine.
//
// Planning is pure: printing the plan is the dry run. Steps are values; only the Engine makes them happen.
package deploy

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/deploy/datadir"
	"github.com/hsectl/hsectl/internal/drift"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
)

// Desired is what the engine should have.
type Desired struct {
	Stack       stack.Stack
	Environment map[string]string // variables that the stack takes from the deploying environment
	Secrets     map[string]Secret // by name
	Timeout     time.Duration     // for the whole stack to become healthy
	Last        *record.Entry     // the release that the stack is at; nil when there is none
	Only        []string          // services that may change; empty means all
	Rotate      []string          // generated secrets that get a new value instead of the kept one
	Interrupted bool              // a deploy was cut off: what it delivered may be in force in programs
}

// untouched tells whether a service is to be left alone.
func (d Desired) untouched(service string) bool {
	return len(d.Only) > 0 && !slices.Contains(d.Only, service)
}

// Observed is what the engine has.
type Observed struct {
	Images     map[string]string             // id by reference, as the profile writes it; empty when it is missing
	Databases  map[string]string             // version of PostgreSQL that an image says it brings, by reference; empty when it says none
	Digests    map[string]string             // name@sha256:… in a registry, by reference
	Kept       map[string]bool               // ids of images that the engine has for kept releases
	Volumes    map[string]Volume             // by name on the engine; missing means it does not exist
	Secrets    map[string]SecretState        // by service; missing means none were delivered
	Configs    map[string]SecretState        // by service, likewise
	Delivered  map[string]SecretState        // every volume of secrets and of configuration of the stack, by name
	Running    map[string][]Running          // containers by service
	Before     map[string][]Running          // what ran before the change that is undone; nil when none is
	Resources  map[string][]drift.Difference // networks and volumes that differ from what the last release had rendered, by a name such as "network shop_back"
	Uncompared string                        // why containers could not be compared with the last release; empty when they were
	HandsOver  bool                          // the kernel lets one listener hand over connections to another
}

// Use lets services have what a release delivered to them, where the engine still has it, and not what is newest: a
// deploy that failed may have delivered others since.
func (o Observed) Use(r record.Release) {
	for _, one := range []struct {
		has   map[string]SecretState
		reads map[string]string
	}{{o.Secrets, r.Secrets}, {o.Configs, r.Configs}} {
		for service, volume := range one.reads {
			if state, exists := o.Delivered[volume]; exists {
				state.Version = one.has[service].Version
				one.has[service] = state
			}
		}
	}
}

// Records are what an engine keeps of a stack besides what runs.
type Records struct {
	Journal record.Journal
	History record.History
	Quiet   bool // no deploy ran while they were read: they and what was observed with them are consistent
}

// Running is a container of the stack.
type Running struct {
	ID    string
	Name  string
	Image string // id
	Well  bool   // healthy, or running where there is no test, or ended well where that is the end
	Ended bool   `json:",omitempty"` // it has ended by itself, and well
	State string
	// Differences are those from what the last release had rendered, of the container and of what it uses.
	Differences []drift.Difference
}

// Volume is the state of a volume's root directory.
type Volume struct {
	Owner  stack.User
	Mode   int
	Filled bool `json:"-"` // a file in it has content; a saved plan is not about that

	// Snapshot is the data of Redis or Valkey that was saved as a snapshot, and not as a log of changes.
	Snapshot bool   `json:"-"`
	Version  string `json:"-"` // of the database that has written it, by its own version file; empty when that is not known
}

// SecretState is the volume of secrets, or of configuration, that a service has, or the newest one when no release says so.
type SecretState struct {
	Volume  string
	Version int               // of the newest volume
	Digests map[string]string // hex sha256 of each file; stays in memory
	Owner   stack.User
}

// Kind is what a step does.
type Kind string

// The kinds of steps, in the order in which they happen.
const (
	PullImage      Kind = "pull image"
	PrepareVolume  Kind = "prepare volume"
	DeliverSecrets Kind = "deliver secrets"
	DeliverConfigs Kind = "deliver configs"
	RotateSecret   Kind = "rotate secret"
	TagImage       Kind = "name image"
	Load           Kind = "load configuration"
	Converge       Kind = "converge"
	RunJob         Kind = "run job"
	Roll           Kind = "roll"
	Settle         Kind = "settle"
	StopStack      Kind = "stop"
)

// WritesVolume tells whether a step only prepares or fills a volume.
func (k Kind) WritesVolume() bool {
	return k == PrepareVolume || k == DeliverSecrets || k == DeliverConfigs
}

// Step is one change of the engine, and why. Which payload is set follows from Kind.
type Step struct {
	Kind    Kind
	Subject string
	Cause   string
	Volume  *VolumeStep
	Secrets *SecretsStep
	Configs *ConfigsStep
	Compose *ComposeStep
	Roll    *RollStep
	Load    *LoadStep
	Tag     *TagStep
	Settle  *SettleStep
	Rotate  *RotateStep
}

// Name returns what the step does, for records and people.
func (s Step) Name() string { return string(s.Kind) + " " + s.Subject }

// SettleStep waits until containers that are new have been up for a while, and fails when one does not stay well.
type SettleStep struct {
	Service string // whose new containers are watched, and no other; empty for all of the stack
	For     time.Duration
	Known   map[string]bool // ids of containers that are not new
}

// TagStep lets a reference mean an image that the engine has.
type TagStep struct {
	Reference string
	ID        string
	Was       string // what it means now; empty when nothing
}

// VolumeStep creates a volume, if needed, and gives its root directory to the user who writes there.
type VolumeStep struct {
	Name   string // on the engine
	Key    string // in the Compose file
	Stack  string
	Create bool
	Image  string // its content at Path goes into a new volume, as the engine does on a first start
	Path   string
	Owner  stack.User
	Mode   int

	Driver  string // empty for the engine's own
	Options map[string]string
}

// SecretsStep fills a new volume with the secrets of one service.
type SecretsStep struct {
	Volume  string
	Stack   string
	Service string
	Owner   stack.User
	Files   []SecretFile
}

// SecretFile is one file of a SecretsStep.
type SecretFile struct {
	Name  string
	Value Secret
	From  string // volume on the engine that has the value; Value is empty then
}

// ComposeStep brings the containers to what the Compose file says and waits until all services are healthy.
type ComposeStep struct {
	Stack       string
	File        []byte
	Environment map[string]string
	Timeout     time.Duration
	Services    []string
	Partial     bool     // only Services are touched
	Once        bool     // the services run to their end
	Force       []string // services whose containers are made again although their configuration is the same
	Excused     []string // services that did not work before what is undone: they are started, and not waited for
	Gate        *Gate    // where the edge finds these services again by their own names, when all is done; nil for no edge
}

// Plan is the ordered difference between desired and observed.
type Plan struct {
	Stack    string
	Steps    []Step
	Services []ServiceChange
	// Resources are the networks that are made anew, with the services that this takes down.
	Resources []ResourceChange
	// Intent is what the profile grants otherwise than the last release records. Without steps it is all that changes: a new
	// record is written, and nothing that runs is touched.
	Intent []string
	// Uncompared is why it is not known whether containers are as the last release left them; empty when it is.
	Uncompared string
	// Changed are the networks and volumes that were changed outside hsectl, which no step puts right.
	Changed  []Changed
	File     []byte // the Compose file that is applied
	Delivery generate.Delivery
	Live     []string // services that load another version of what is delivered while they run
	load     *Step    // by which the edge does; nil when it has
}

// MissingError names built images that the engine does not have.
type MissingError struct{ Images []string }

// Error implements error.
func (e *MissingError) Error() string {
	return "the engine has no image " + strings.Join(e.Images, ", ")
}

// NewPlan compares. A stack that is as its last release left it, and as it should be, has no steps. It fails only when a built image is missing, because building is not a step of a deploy.
func NewPlan(d Desired, o Observed) (Plan, error) {
	plan := Plan{Stack: d.Stack.Name, Uncompared: o.Uncompared, Changed: changedResources(o)}
	var missing []string
	delivery := generate.Delivery{Secrets: map[string]string{}, Configs: map[string]string{}}
	if err := agree(d, o); err != nil {
		return Plan{}, err
	}
	kept := keptSecrets(d, o)
	var volumes, secrets, configs []Step
	planned := map[string]bool{} // images and volumes that several services share
	for _, s := range d.Stack.Services {
		if d.untouched(s.Name) {
			if d.Last != nil {
				keepDelivery(s.Name, d.Last.Release, delivery)
				if slices.Contains(d.Last.Release.Live, s.Name) {
					plan.Live = append(plan.Live, s.Name)
				}
			}
			continue
		}
		switch {
		case o.Images[s.Image] != "", planned["image "+s.Image]:
		case s.Build != nil:
			missing = append(missing, s.Image)
		default:
			planned["image "+s.Image] = true
			plan.Steps = append(plan.Steps, Step{Kind: PullImage, Subject: s.Image, Cause: "the engine does not have it"})
		}
		for _, step := range volumeSteps(d.Stack, s, o) {
			if !planned["volume "+step.Volume.Name] {
				planned["volume "+step.Volume.Name] = true
				volumes = append(volumes, step)
			}
		}
		if len(s.Secrets) > 0 {
			step, volume := secretsStep(d, s, o.Secrets[s.Name], kept)
			delivery.Secrets[s.Name] = volume
			if step != nil {
				secrets = append(secrets, *step)
			}
		}
		if len(s.Configs) > 0 {
			step, volume := configsStep(d, s, o.Configs[s.Name])
			delivery.Configs[s.Name] = volume
			if step != nil {
				configs = append(configs, *step)
			}
		}
		if d.Stack.Reloads(s) {
			plan.Live = append(plan.Live, s.Name)
			plan.load = loading(s, delivery, deliveredFiles{configDigests(s), secretDigests(d, s, kept)}, o)
		}
	}
	if len(missing) > 0 {
		return Plan{}, &MissingError{Images: missing}
	}
	data := func(volume string) datadir.Volume {
		name := VolumeName(d.Stack, volume)
		return datadir.Volume{Name: name, Version: o.Volumes[name].Version, Snapshot: o.Volumes[name].Snapshot}
	}
	if err := datadir.Check(d.Stack, o.Databases, data); err != nil {
		return Plan{}, err
	}
	plan.Delivery = delivery
	delivered := plan.Mounts()
	if o.HandsOver {
		delivered.HandOver = plan.Live
	}
	file, err := generate.Delivered(d.Stack, delivered)
	if err != nil {
		return Plan{}, fmt.Errorf("planning stack %q: %w", d.Stack.Name, err)
	}
	plan.File = file
	c, err := compared(d, o, plan)
	if err != nil {
		return Plan{}, fmt.Errorf("planning stack %q: %w", d.Stack.Name, err)
	}
	if plan.Resources, err = c.resources(); err != nil {
		return Plan{}, err
	}
	if plan.Intent, err = intentChanges(d); err != nil {
		return Plan{}, err
	}
	plan.Services = c.services(plan.Resources)
	for _, step := range volumes {
		step.Volume.Driver, step.Volume.Options = c.want.project.Volumes[step.Volume.Key].Driver, c.want.project.Volumes[step.Volume.Key].DriverOpts
	}
	rotated, err := rotations(d, o, plan)
	if err != nil {
		return Plan{}, err
	}
	plan.Steps = slices.Concat(plan.Steps, volumes, secrets, configs, rotated)
	if len(plan.Steps) > 0 || slices.ContainsFunc(plan.Services, ServiceChange.Real) || !reflect.DeepEqual(c.was.nodes, c.want.nodes) {
		before, after, err := jobSteps(d, plan)
		if err != nil {
			return Plan{}, err
		}
		plan.Steps = slices.Concat(plan.Steps, before, converge(d, o, plan), after)
	}
	return plan, nil
}

// keepDelivery lets a service that is left alone read what it reads in the last release.
func keepDelivery(service string, last record.Release, into generate.Delivery) {
	if volume := last.Secrets[service]; volume != "" {
		into.Secrets[service] = volume
	}
	if volume := last.Configs[service]; volume != "" {
		into.Configs[service] = volume
	}
}

func converge(d Desired, o Observed, plan Plan) []Step {
	compose := ComposeStep{Stack: d.Stack.Name, File: plan.File, Environment: d.Environment, Timeout: d.Timeout}
	for _, s := range d.Stack.Services {
		if !d.untouched(s.Name) {
			compose.Services = append(compose.Services, s.Name)
		}
	}
	compose.Partial = len(d.Only) > 0
	t := transition{whole: compose, load: plan.load, rolled: map[string]Step{}, quiet: true, cause: "containers follow the rendered stack"}
	g, edge := gate(d.Stack, plan.Mounts().Configs)
	if edge {
		t.whole.Gate, t.calls = &g, d.Stack.Through()
	}
	for _, c := range plan.Services {
		if c.Drifted {
			t.whole.Force = append(t.whole.Force, c.Service)
		}
		s, ok := d.Stack.Service(c.Service)
		switch {
		case ok && c.recreates == "" && (c.Action == Replace || c.Action == Scale && d.Stack.Behind(s.Name)) && startsFirst(d.Stack, s, o.Running[c.Service]):
			t.rolled[c.Service] = newRoll(d.Stack, s, g, o.Running[c.Service], rollCause(c))
		case c.Action == Reload:
			t.late = true
		case c.Real():
			t.quiet = false
		}
	}
	return t.steps()
}

func volumeSteps(s stack.Stack, service stack.Service, o Observed) []Step {
	var out []Step
	for _, w := range service.Volumes() {
		if !w.Owner.Known() {
			continue // the engine makes it as the image has it, and what is in it stays whose it is
		}
		name := VolumeName(s, w.Volume)
		state, exists := o.Volumes[name]
		cause := ""
		switch {
		case !exists:
			cause = "the volume does not exist"
		case state.Owner != w.Owner:
			cause = fmt.Sprintf("%s belongs to %d:%d, and %s writes as %d:%d", w.Path, state.Owner.UID, state.Owner.GID,
				service.Name, w.Owner.UID, w.Owner.GID)
			if state.Filled {
				cause += "; the files in it keep their owner"
			}
		case state.Mode != w.Mode:
			cause = fmt.Sprintf("%s has mode %04o, not %04o", w.Path, state.Mode, w.Mode)
		default:
			continue
		}
		out = append(out, Step{Kind: PrepareVolume, Subject: w.Volume, Cause: cause, Volume: &VolumeStep{
			Name: name, Key: w.Volume, Stack: s.Name, Create: !exists, Image: service.Image, Path: w.Path, Owner: w.Owner, Mode: w.Mode,
		}})
	}
	return out
}

// FileOwner returns whose the delivered files of a service are: of root, where the image decides who reads them.
func FileOwner(u stack.User) stack.User { return stack.User{UID: max(u.UID, 0), GID: max(u.GID, 0)} }

// VolumeName returns the name that Compose gives a volume of the stack on the engine.
func VolumeName(s stack.Stack, volume string) string {
	for _, v := range s.Volumes {
		if v.Name == volume && v.External {
			return volume
		}
	}
	return s.Name + "_" + volume
}

// secretsStep returns the volume that will hold the secrets of a service, and the step that fills it unless the newest
// volume already holds the same.
func secretsStep(d Desired, s stack.Service, have SecretState, kept map[string]SecretState) (*Step, string) {
	digests := secretDigests(d, s, kept)
	same := have.Volume != "" && have.Owner == FileOwner(s.User) && maps.Equal(have.Digests, digests)
	if same {
		return nil, have.Volume
	}
	var files []SecretFile
	for _, use := range s.Secrets {
		file := SecretFile{Name: use.Name, Value: d.Secrets[use.Name]}
		if state, ok := kept[use.Name]; ok {
			file = SecretFile{Name: use.Name, From: state.Volume}
		}
		files = append(files, file)
	}
	cause := "no secrets were delivered yet"
	if have.Volume != "" {
		cause = "a secret differs from volume " + have.Volume
	}
	volume := fmt.Sprintf("%s_%s_secrets_%d", d.Stack.Name, s.Name, have.Version+1)
	return &Step{Kind: DeliverSecrets, Subject: s.Name, Cause: cause, Secrets: &SecretsStep{
		Volume: volume, Stack: d.Stack.Name, Service: s.Name, Owner: s.User, Files: files,
	}}, volume
}

// NewRelease records what a plan brings about. Images that a plan leaves alone keep the ids of the last release.
func NewRelease(d Desired, o Observed, p Plan, number int) record.Release {
	r := record.Release{Stack: d.Stack.Name, Number: number, Intent: record.NewIntent(d.Stack), Environment: d.Environment, Compose: p.File,
		Images: map[string]record.Image{}, Secrets: p.Delivery.Secrets, Configs: p.Delivery.Configs, Live: p.Live}
	for _, s := range d.Stack.Services {
		r.Images[s.Image] = record.Image{ID: o.Images[s.Image], Digest: o.Digests[s.Image]}
		if d.Last != nil && d.untouched(s.Name) {
			if image, ok := d.Last.Release.Images[s.Image]; ok {
				r.Images[s.Image] = image
			}
		}
	}
	return r
}

// Package profile is what a profile says: its types, the values and short forms in which they are written, and what follows
// from them. A profile is made by internal/profile/parser, which merges it from layers, and internal/profile/validation says
// what it may hold.
package profile

import (
	"strings"

	"github.com/hsectl/hsectl/internal/yamldoc"
)

// APIVersion is the version of the profile format that this package reads.
const APIVersion = "hsectl/v1"

// Profile says what a stack of services needs.
type Profile struct {
	APIVersion  string             `yaml:"apiVersion" doc:"version of the format; always hsectl/v1"`
	Kind        string             `yaml:"kind" doc:"always Profile"`
	Name        string             `yaml:"name" doc:"name of the stack; becomes the Compose project name"`
	Extends     string             `yaml:"extends" doc:"a baseline of the library (production, staging, development), or a file relative to this one"`
	EnvFiles    []string           `yaml:"env_files" doc:"files of NAME=VALUE lines with values of variables, relative to the profile, the last one first in line; the environment of the command comes before them. Default: the .env next to the profile, where there is one"`
	Defaults    *Service           `yaml:"defaults" doc:"values for every service that does not set its own"`
	Services    map[string]Service `yaml:"services" doc:"the services of the stack, by name"`
	Secrets     map[string]Secret  `yaml:"secrets" doc:"the secrets of the stack, by name"`
	Networks    map[string]Network `yaml:"networks" doc:"the networks of the stack, by name"`
	Volumes     map[string]Volume  `yaml:"volumes" doc:"options of named volumes; a volume needs no entry here"`
	Exceptions  []Exception        `yaml:"exceptions" doc:"weaker settings that are accepted until a date, each with its reason"`
	Edge        *Edge              `yaml:"edge" doc:"reverse proxy in front of the services: sites, certificates, routes"`
	Firewall    []Opening          `yaml:"firewall" doc:"networks that may reach the published ports; once set, every published port needs an entry"`
	Monitoring  *Monitoring        `yaml:"monitoring" doc:"how the stack is monitored; without it, the stack is not monitored"`
	Passthrough Passthrough        `yaml:"passthrough" doc:"top-level Compose keys that a profile does not model, in Compose syntax"`
	Jobs        map[string]Job     `yaml:"jobs" doc:"programs that run once in each deploy that changes their service, by name"`
	Hooks       map[string]Hook    `yaml:"hooks" doc:"programs that run around each deploy that changes something, on the deploying machine, by name"`

	Environments map[string]Overlay `yaml:"environments" doc:"overrides of an environment, selected with --env: defaults, services, secrets, networks, volumes and exceptions as in the profile"`
	SupplyChain  *SupplyChain       `yaml:"supply_chain" doc:"checks that an image must pass before it is deployed"`

	ReleaseSigning *ReleaseSigning `yaml:"release_signing" doc:"who may write the records of releases; unsigned records are refused by rollback and named by verify"`

	Places yamldoc.Places // where each value was written, and by which layer
	Tree   *yamldoc.Node  // all layers merged, for Explain

	exporters []Exporter // of what was chosen, under the names that they have among all; nil until something is
}

// Overlay is what an environment, or a file laid over the profile, says differently.
type Overlay struct {
	APIVersion string             `yaml:"apiVersion" doc:"version of the format; a file may leave it out"`
	Kind       string             `yaml:"kind" doc:"a file may leave it out, or write Overlay"`
	Extends    string             `yaml:"extends" doc:"takes the place of the profile's own extends; in environments only"`
	Defaults   *Service           `yaml:"defaults" doc:"values for every service that does not set its own"`
	Services   map[string]Service `yaml:"services" doc:"what services set differently, and further services"`
	Secrets    map[string]Secret  `yaml:"secrets" doc:"secrets from other sources, and further secrets"`
	Networks   map[string]Network `yaml:"networks" doc:"other options of networks, and further networks"`
	Volumes    map[string]Volume  `yaml:"volumes" doc:"other options of volumes"`
	Exceptions []Exception        `yaml:"exceptions" doc:"further exceptions"`
	Edge       *Edge              `yaml:"edge" doc:"other sites and ports of the edge"`
	Firewall   []Opening          `yaml:"firewall" doc:"networks that may reach the published ports in this environment; replaces the profile's firewall"`
	Hooks      map[string]Hook    `yaml:"hooks" doc:"what hooks do differently, and further hooks"`
}

// Secret says where the value of a secret comes from. The value itself is never in a profile.
type Secret struct {
	Env      string   `yaml:"env" doc:"environment variable of the deploying process"`
	File     string   `yaml:"file" doc:"file, relative to the profile"`
	Age      string   `yaml:"age" doc:"file encrypted with age, relative to the profile"`
	Command  []string `yaml:"command" doc:"program and arguments whose output is the value; no shell"`
	From     string   `yaml:"from" doc:"another secret that this one is made of"`
	Format   string   `yaml:"format" doc:"text around the other secret; {} stands for its value"`
	Generate bool     `yaml:"generate" doc:"made by the first deploy, and kept by every later one"`
}

// Network is a network of the stack.
type Network struct {
	Egress   bool `yaml:"egress" doc:"services on this network may connect to the outside"`
	Publish  bool `yaml:"publish" doc:"services on this network may publish ports"`
	External bool `yaml:"external" doc:"the network exists already"`
}

// Volume are the options of a named volume.
type Volume struct {
	External bool `yaml:"external" doc:"the volume exists already"`
	Shared   bool `yaml:"shared" doc:"two containers may write it at the same time, so start-first is possible"`

	Ephemeral string  `yaml:"ephemeral" doc:"why the data may be lost, so that it is not backed up"`
	Backup    *Backup `yaml:"backup" doc:"how the data is backed up, and how often a restore must be tested"`
}

// Exception lets a control fail for a time.
type Exception struct {
	Control string `yaml:"control" doc:"id of the control, such as HSE-FS-001"`
	Service string `yaml:"service" doc:"service it is for"`
	Reason  string `yaml:"reason" doc:"why it is needed"`
	// In place of a reason: what hsectl init could not know.
	Question string `yaml:"question" doc:"in place of a reason: what is not known yet; generate and deploy stop at it. Fix the setting and drop the exception, or write a reason"`
	Owner    string `yaml:"owner" doc:"owner of the exception"`
	Expires  Day    `yaml:"expires" doc:"last day on which it holds"`
}

// Hook is a program that runs on the machine that deploys, such as one that tells a team or asks whether now is the time.
type Hook struct {
	When    string   `yaml:"when" doc:"before: before any change, and a failure stops the deploy; after: after a successful deploy; failed: after a failed one"`
	Command []string `yaml:"command" doc:"program and arguments, run in the profile's directory without a shell"`
	Timeout Duration `yaml:"timeout" doc:"time after which it is killed and counts as failed; default 1m"`
	Secrets []string `yaml:"secrets" doc:"secrets whose values it gets, each as the variable HSECTL_HOOK_SECRET_NAME; without an entry it gets none"`
}

// Job is a program that runs once in each deploy that changes its service, such as a migration of a database.
type Job struct {
	Service string   `yaml:"service" doc:"service whose image, user, secrets, volumes and networks the job has"`
	Command []string `yaml:"command" doc:"what the job runs, in place of the service's command"`
	When    string   `yaml:"when" doc:"before the service is replaced, or after; default before"`
	Timeout Duration `yaml:"timeout" doc:"time until the job counts as failed; default 5m"`
}

// Networks that need no declaration.
const (
	NetworkBackend = "backend" // internal: no way out, nothing published
	NetworkEdge    = "edge"    // ports may be published; still no way out
)

// Excepted returns the exception for a control on a service, or nil.
func (p *Profile) Excepted(control, service string) *Exception {
	for i, e := range p.Exceptions {
		if e.Control == control && e.Service == service {
			return &p.Exceptions[i]
		}
	}
	return nil
}

// Once reports whether a service runs once: it is not started again, and others wait until it has ended with 0.
func (p *Profile) Once(service string) bool {
	if s := p.Services[service]; s.Restart != "no" && !strings.HasPrefix(s.Restart, "on-failure") {
		return false
	}
	for _, other := range p.Services {
		on, _ := other.Passthrough.Mapping("depends_on")[service].(map[string]any)
		if on["condition"] == "service_completed_successfully" {
			return true
		}
		for _, d := range other.DependsOn {
			if d.Service == service && d.Condition == "completed" {
				return true
			}
		}
	}
	return false
}

// Names of layers, weakest first. They are shown to people, together with "preset NAME", "baseline NAME",
// "extends FILE", "environment NAME" and "overlay FILE".
const (
	LayerBuiltIn  = "built-in"
	LayerDefaults = "defaults"
	LayerProfile  = "profile"
	LayerFlag     = "--set"
)

// Own reports whether a layer is what users wrote for this stack, and not the library.
func Own(layer string) bool {
	return layer != LayerBuiltIn && !strings.HasPrefix(layer, "preset ") && !strings.HasPrefix(layer, "baseline ")
}

// Locate returns where the value at path was written, or the nearest value around it.
// A path is written as in messages: services.app.writable[0].path.
func (p *Profile) Locate(path string) yamldoc.Position {
	return p.Places.Origin(path).At
}

// Written returns the place in the user's own file where the value at path was written or, when a preset or the
// baseline gave it, where the user would write it: the nearest mapping around it.
func (p *Profile) Written(path string) yamldoc.Position {
	for ; path != ""; path = yamldoc.Parent(path) {
		if o, ok := p.Places[path]; ok && Own(o.Layer) {
			return o.At
		}
	}
	return p.Places[""].At
}

// Layer returns who gave the value at path: profile, defaults, preset NAME, baseline NAME, built-in, or the file,
// environment or flag laid over the profile.
func (p *Profile) Layer(path string) string {
	return p.Places.Origin(path).Layer
}

// Saying is what one layer says about a value.
type Saying struct {
	Path  string
	Value string // as it is used; lists and mappings in one line
	Text  string // what was written, when the value was computed from it
	Layer string // who says it
	At    yamldoc.Position
}

// Explain returns, for every plain value at or below a path, what each layer says about it, strongest first.
// It returns false when no layer says anything there; what hsectl derives itself is in no layer.
func (p *Profile) Explain(path string) ([][]Saying, bool) {
	n, ok := p.Tree.Find(path)
	if !ok {
		return nil, false
	}
	var out [][]Saying
	n.Leaves(path, func(leaf *yamldoc.Node, at string) {
		var chain []Saying
		for ; leaf != nil; leaf = leaf.Overrides {
			chain = append(chain, Saying{Path: at, Value: leaf.Flow(), Text: leaf.Text, Layer: leaf.Layer, At: leaf.At})
		}
		out = append(out, chain)
	})
	return out, len(out) > 0
}

// Package stack holds the hardened model of a stack: a value that a validated profile is turned into and from which
// everything is rendered.
//
// The model has no field for what is forbidden: nothing is privileged, shares a namespace with the host, writes to a
// path of the host, gains privileges or keeps a capability that has no reason. What is weaker than that exists only
// as an Exception, which says why and until when.
package stack

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/lifecycle"
)

// Stack is a hardened stack of services. It is never changed after New.
type Stack struct {
	Name     string
	Services []Service      // sorted by name
	Secrets  []Secret       // sorted by name
	Networks []Network      // sorted by name
	Volumes  []Volume       // sorted by name
	Extra    map[string]any // keys of Compose that are passed through
	Jobs     []Job          // sorted by name
	Hooks    []Hook         // sorted by name
	Edge     *Edge          // nil when nothing stands before the services
	Firewall []Opening      // sorted by port; nil when access to published ports is not declared

	known  lifecycle.Data // what is known of the life of engines and images
	judged time.Time      // the day on which that is asked
}

// Service is one hardened service.
type Service struct {
	Name         string
	Preset       string
	Owner        string // empty when none is declared
	Image        string
	Build        *Build
	Entrypoint   []string
	Command      []string
	Hostname     string
	User         User
	Init         bool
	Writable     []Writable
	HostPaths    []HostPath   // only with an exception for HSE-FS-003
	Configs      []ConfigFile // sorted by path
	Delivered    []Delivered  // which of them the service sees elsewhere; set by deploy
	Taken        []string     // variables from files, sorted; set by deploy
	Capabilities []Capability
	Default      bool // it also keeps the capabilities that the engine leaves every container; only with an exception for HSE-CAP-001
	Gains        bool // programs may gain privileges; only with an exception for HSE-PRV-002
	Limits       Resources
	Reservations Resources
	ShmSize      Size
	OpenFiles    int
	Shutdown     Shutdown
	Replicas     int // containers; read it with Wanted
	Rollout      Rollout
	Health       *Health
	Untested     string // why the image cannot test itself; empty when it can
	Secrets      []SecretFile
	FirstStarts  []FirstStart // sorted as Secrets are
	Environment  []Variable   // sorted by name
	Ports        []Port
	Networks     []string
	DependsOn    []Dependency
	Profiles     []string // those of Compose in which it takes part; empty is always
	Restart      string
	Log          Log
	Labels       []Label // sorted by name
	Denied       []string
	Listen       []int
	ListenUDP    []int
	Protocols    []Protocol // sorted by port
	Reach        []Reach
	Metrics      *Metrics
	SLO          Objectives
	Exceptions   []Exception
	Extra        map[string]any // keys of a Compose service that are passed through; what they weaken is seen in the rendered file

	day string // exceptions whose last day lies before it waive nothing; see AsOf
}

// User is a numeric user and group; both are below zero where the image decides, which takes an exception for HSE-USR-001.
type User struct{ UID, GID int }

// ImageUser is the user of a service that leaves it to its image.
func ImageUser() User { return User{-1, -1} }

// Known reports whether the profile says who the user is.
func (u User) Known() bool { return u.UID >= 0 }

// Size is an amount of memory or storage in bytes, with the text a person wrote.
type Size struct {
	Bytes int64
	Text  string
}

// Build says how an image is made from source. Paths are relative to the profile.
type Build struct {
	Context    string
	Dockerfile string
	Target     string
	Args       map[string]string
}

// Writable is a path the service may write: a named volume, or a tmpfs when Volume is empty.
type Writable struct {
	Path   string
	Volume string
	Size   Size // of a tmpfs
	Mode   int
	Owner  User
	Exec   bool
}

// HostPath is a path of the host that the service may read, and never write.
type HostPath struct{ Host, Path, Why string }

// ConfigFile is a file that the service reads as ConfigDir/Path. It holds no secret.
type ConfigFile struct {
	Path    string
	Data    []byte
	Program bool // it may be executed
}

// Delivered is a file or a directory of the profile's directory, or a text of the profile, that deploy brings to the engine among the
// configuration of a service, and that the service sees at a place of its own.
type Delivered struct {
	Path   string // below MountDir, among the configuration files
	Target string // in the container
	Config string // the entry of configs: that it is; empty for a mount
}

// MountDir is where configuration files lie that the service sees elsewhere.
const MountDir = "mounts/"

// Own are the configuration files that the service sees below ConfigDir.
func (s Service) Own() []ConfigFile {
	return slices.DeleteFunc(slices.Clone(s.Configs), func(c ConfigFile) bool { return strings.HasPrefix(c.Path, MountDir) })
}

// TakenAs is the variable of a deploy that holds a variable which a service takes from a file.
func TakenAs(service, name string) string {
	return "HSECTL_FILE_" + strings.Map(variableRune, strings.ToUpper(service)) + "_" + strings.Map(variableRune, name)
}

func variableRune(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
		return r
	}
	return '_'
}

// ConfigDir is where configuration files are delivered, read-only.
const ConfigDir = "/etc/hsectl"

// Metrics says where the service exposes its metrics.
type Metrics struct {
	Prefix string
	Port   int
	Path   string
}

// Objectives are what users may expect; zero values are not set.
type Objectives struct {
	LatencyP95   time.Duration
	Availability float64 // percent
}

// Capability is one that the service keeps, and why.
type Capability struct {
	Name, Reason string
	File         bool // the program carries it as a file capability, and does not start without it
}

// Resources are bounds; zero values are not set.
type Resources struct {
	CPUs   string // decimal number as written
	Nano   int64  // the same in billionths
	Memory Size
	PIDs   int
}

// Shutdown says how the service stops.
type Shutdown struct {
	Signal  string
	Grace   time.Duration
	Timeout time.Duration
	Logs    []string
}

// Health is the health test as the engine runs it: Test begins with CMD or CMD-SHELL.
type Health struct {
	Test        []string
	Interval    time.Duration
	Timeout     time.Duration
	Retries     int
	StartPeriod time.Duration
}

// SecretFile is a secret delivered as /run/secrets/Name; Env, when set, names the variable that holds its path.
type SecretFile struct{ Name, Env string }

// FirstStart is a secret of the service that its image reads only when it initialises the data in a volume. Login and Change
// are programs of the image's shell, run in the service's container: Login reads the value from standard input and exits with 0
// only when the program accepts it; Change reads the new value and the old one, a line each. Change is empty where there is
// no such program.
type FirstStart struct {
	Secret string
	Volume string // key of the volume with the data
	Login  string
	Change string
}

// SecretDir is where secrets are delivered.
const SecretDir = "/run/secrets"

// Variable is an environment variable: literal, or taken from the deploying environment under its own name.
type Variable struct {
	Name     string
	Value    string
	Required bool    // must be set in the deploying environment
	Default  *string // value when the deploying environment has none
}

// Port is a published port.
type Port struct {
	Address   string
	Host      int
	Container int
	Protocol  string
}

// Dependency is a service that must be healthy, started or completed first.
type Dependency struct {
	Service, Condition string
	Restart            bool // it is restarted when the other one was replaced
}

// Log is the log driver and its rotation.
type Log struct {
	Driver   string
	MaxSize  Size
	MaxFiles int
	Labels   []string // labels of the container that json-file writes into each line
}

// Label is a label of the container.
type Label struct{ Name, Value string }

// Secret says where the value comes from. Exactly one of Env, File, Age, Command, From and Generate is set.
type Secret struct {
	Name     string
	Env      string
	File     string
	Age      string
	Command  []string
	From     string
	Format   string
	Generate bool // made by the first deploy, and kept by every later one
}

// Network is a network of the stack. Internal networks have no way out and publish nothing.
type Network struct {
	Name     string
	Internal bool
	Egress   bool
	External bool
}

// Volume is a named volume of the stack.
type Volume struct {
	Name      string
	External  bool
	Ephemeral string  // why the data may be lost; empty when it must not
	Backup    *Backup // nil when none is declared
}

// Exception lets a control fail for a time.
type Exception struct {
	Control  string
	Reason   string
	Question string // in place of a reason: what is not known yet
	Owner    string
	Expires  string // YYYY-MM-DD
}

// Question is what must be answered before a stack is rendered or deployed.
type Question struct{ Service, Control, Text string }

// Questions returns the open questions of all services, in the order of the services.
func (s Stack) Questions() []Question {
	var out []Question
	for _, service := range s.Services {
		for _, e := range service.Exceptions {
			if e.Question != "" {
				out = append(out, Question{service.Name, e.Control, e.Question})
			}
		}
	}
	return out
}

// Source says where the value comes from, in words.
func (s Secret) Source() string {
	switch {
	case s.Env != "":
		return "variable " + s.Env
	case s.File != "":
		return "file " + s.File
	case s.Age != "":
		return "age file " + s.Age
	case len(s.Command) > 0:
		return "command " + strings.Join(s.Command, " ")
	case s.Generate:
		return "the first hsectl deploy; for plain docker compose choose a value"
	}
	return fmt.Sprintf("secret %s as %q", s.From, s.Format)
}

// Service returns the service of that name, or false.
func (s Stack) Service(name string) (Service, bool) {
	for _, service := range s.Services {
		if service.Name == name {
			return service, true
		}
	}
	return Service{}, false
}

// Wanted returns how many containers the service has. A release that was recorded before there was a choice says nothing.
func (s Service) Wanted() int { return max(s.Replicas, 1) }

// AsOf returns the stack as it is judged on a day: exceptions whose last day is over still say how the stack was meant, but
// waive nothing any more. Without a day all of them waive, as they did when a release was made.
func (s Stack) AsOf(today time.Time) Stack {
	s.Services = slices.Clone(s.Services)
	for i := range s.Services {
		s.Services[i].day = today.UTC().Format(time.DateOnly)
	}
	return s
}

// Knowing returns the stack with what is known of the life of engines and images, and the day of the check.
func (s Stack) Knowing(known lifecycle.Data, today time.Time) Stack {
	s.known, s.judged = known, today
	return s
}

// expired reports whether the last day of an exception is over.
func (s Service) expired(e Exception) bool { return e.Expires < s.day }

// Excepted returns the exception for a control, the one that lasts longest, or false.
func (s Service) Excepted(control string) (found Exception, ok bool) {
	for _, e := range s.Exceptions {
		if e.Control == control && (!ok || e.Expires > found.Expires) {
			found, ok = e, true
		}
	}
	return found, ok
}

// Volumes returns the paths that keep data, in order.
func (s Service) Volumes() []Writable {
	var out []Writable
	for _, w := range s.Writable {
		if w.Volume != "" {
			out = append(out, w)
		}
	}
	return out
}

// Required returns the names of the variables that must be set in the deploying environment, sorted.
func (s Stack) Required() []string {
	seen := map[string]bool{}
	var out []string
	for _, service := range s.Services {
		for _, v := range service.Environment {
			if v.Required && !seen[v.Name] {
				seen[v.Name] = true
				out = append(out, v.Name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// Pinned returns the stack with the references that a lock has for its services. Services without one keep theirs.
func (s Stack) Pinned(references map[string]string) Stack {
	services := make([]Service, len(s.Services))
	copy(services, s.Services)
	for i, service := range services {
		if reference, ok := references[service.Name]; ok {
			services[i].Image = reference
		}
	}
	s.Services = services
	return s
}

package record

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/hsectl/hsectl/internal/stack"
)

// Intent is what the profile granted when the release was made: what a return to it, and its proof, need beyond the rendered
// file. Its fields have the names of the hardened model at version 1 of the records; where the model moves on, only the two
// conversions at the end of this file follow, and what is written stays readable.
type Intent struct {
	Name     string         `json:"name"`
	Services []Service      `json:"services,omitempty"`
	Secrets  []Secret       `json:"secrets,omitempty"`
	Networks []Network      `json:"networks,omitempty"`
	Volumes  []Volume       `json:"volumes,omitempty"`
	Extra    map[string]any `json:"extra,omitempty"` // keys of Compose that were passed through
	Jobs     []Job          `json:"jobs,omitempty"`
	Hooks    []Hook         `json:"hooks,omitempty"`
	Edge     *Edge          `json:"edge,omitempty"`
	Firewall []Opening      `json:"firewall,omitempty"`
}

// Service is one service as the profile granted it.
type Service struct {
	Name         string         `json:"name"`
	Preset       string         `json:"preset,omitempty"`
	Owner        string         `json:"owner,omitempty"`
	Image        string         `json:"image"`
	Build        *Build         `json:"build,omitempty"`
	Entrypoint   []string       `json:"entrypoint,omitempty"`
	Command      []string       `json:"command,omitempty"`
	Hostname     string         `json:"hostname,omitempty"`
	User         User           `json:"user"`
	Init         bool           `json:"init,omitempty"`
	Writable     []Writable     `json:"writable,omitempty"`
	HostPaths    []HostPath     `json:"hostPaths,omitempty"`
	Configs      []ConfigFile   `json:"configs,omitempty"`
	Delivered    []Delivered    `json:"delivered,omitempty"`
	Taken        []string       `json:"taken,omitempty"`
	Capabilities []Capability   `json:"capabilities,omitempty"`
	Default      bool           `json:"default,omitempty"`
	Gains        bool           `json:"gains,omitempty"`
	Limits       Resources      `json:"limits"`
	Reservations Resources      `json:"reservations"`
	ShmSize      Size           `json:"shmSize"`
	OpenFiles    int            `json:"openFiles,omitempty"`
	Shutdown     Shutdown       `json:"shutdown"`
	Replicas     int            `json:"replicas,omitempty"`
	Rollout      Rollout        `json:"rollout"`
	Health       *Health        `json:"health,omitempty"`
	Untested     string         `json:"untested,omitempty"`
	Secrets      []SecretFile   `json:"secrets,omitempty"`
	FirstStarts  []FirstStart   `json:"firstStarts,omitempty"`
	Environment  []Variable     `json:"environment,omitempty"`
	Ports        []Port         `json:"ports,omitempty"`
	Networks     []string       `json:"networks,omitempty"`
	DependsOn    []Dependency   `json:"dependsOn,omitempty"`
	Profiles     []string       `json:"profiles,omitempty"`
	Restart      string         `json:"restart,omitempty"`
	Log          Log            `json:"log"`
	Labels       []Label        `json:"labels,omitempty"`
	Denied       []string       `json:"denied,omitempty"`
	Listen       []int          `json:"listen,omitempty"`
	ListenUDP    []int          `json:"listenUDP,omitempty"`
	Protocols    []Protocol     `json:"protocols,omitempty"`
	Reach        []Reach        `json:"reach,omitempty"`
	Metrics      *Metrics       `json:"metrics,omitempty"`
	SLO          Objectives     `json:"slo"`
	Exceptions   []Exception    `json:"exceptions,omitempty"`
	Extra        map[string]any `json:"extra,omitempty"`
}

// The parts of a service. Their meaning is that of the types of the same names in package stack.
type (
	// User is a numeric user and group.
	User struct {
		UID int `json:"uid"`
		GID int `json:"gid"`
	}
	// Size is an amount in bytes, with the text of the profile.
	Size struct {
		Bytes int64  `json:"bytes,omitempty"`
		Text  string `json:"text,omitempty"`
	}
	// Build says how the image was built.
	Build struct {
		Context    string            `json:"context"`
		Dockerfile string            `json:"dockerfile,omitempty"`
		Target     string            `json:"target,omitempty"`
		Args       map[string]string `json:"args,omitempty"`
	}
	// Writable is a path that the service may write.
	Writable struct {
		Path   string `json:"path"`
		Volume string `json:"volume,omitempty"`
		Size   Size   `json:"size"`
		Mode   int    `json:"mode"` // permission bits
		Owner  User   `json:"owner"`
		Exec   bool   `json:"exec,omitempty"`
	}
	// HostPath is a path of the host that the service may read.
	HostPath struct {
		Host string `json:"host"`
		Path string `json:"path"`
		Why  string `json:"why,omitempty"`
	}
	// ConfigFile is a configuration file that was delivered.
	ConfigFile struct {
		Path    string `json:"path"`
		Data    []byte `json:"data"`
		Program bool   `json:"program,omitempty"`
	}
	// Delivered is a configuration file, or a directory of them, that the service saw at a place of its own.
	Delivered struct {
		Path   string `json:"path"`
		Target string `json:"target"`
		Config string `json:"config,omitempty"`
	}
	// Capability is one that the service kept, and why.
	Capability struct {
		Name   string `json:"name"`
		Reason string `json:"reason,omitempty"`
		File   bool   `json:"file,omitempty"`
	}
	// Resources are bounds.
	Resources struct {
		CPUs   string `json:"cpus,omitempty"`
		Nano   int64  `json:"nano,omitempty"` // billionths of a processor
		Memory Size   `json:"memory"`
		PIDs   int    `json:"pids,omitempty"`
	}
	// Shutdown says how the service stops.
	Shutdown struct {
		Signal  string   `json:"signal,omitempty"`
		Grace   Duration `json:"grace"`
		Timeout Duration `json:"timeout"`
		Logs    []string `json:"logs,omitempty"`
	}
	// Rollout says how one container took the place of another.
	Rollout struct {
		StopFirst string   `json:"stopFirst,omitempty"`
		Settle    Duration `json:"settle"`
		Drain     Duration `json:"drain"`
		Open      Duration `json:"open,omitempty"`
	}
	// Health is the health test.
	Health struct {
		Test        []string `json:"test"`
		Interval    Duration `json:"interval"`
		Timeout     Duration `json:"timeout"`
		Retries     int      `json:"retries,omitempty"`
		StartPeriod Duration `json:"startPeriod"`
	}
	// SecretFile is a secret that the service read.
	SecretFile struct {
		Name string `json:"name"`
		Env  string `json:"env,omitempty"`
	}
	// FirstStart is a secret that the image read only when it initialised its data, and how it was changed.
	FirstStart struct {
		Secret string `json:"secret"`
		Volume string `json:"volume"`
		Login  string `json:"login,omitempty"`
		Change string `json:"change,omitempty"`
	}
	// Variable is a variable of the service.
	Variable struct {
		Name     string  `json:"name"`
		Value    string  `json:"value,omitempty"`
		Required bool    `json:"required,omitempty"`
		Default  *string `json:"default,omitempty"`
	}
	// Port is a published port.
	Port struct {
		Address   string `json:"address"`
		Host      int    `json:"host,omitempty"`
		Container int    `json:"container"`
		Protocol  string `json:"protocol"`
	}
	// Dependency is a service that had to be there first.
	Dependency struct {
		Service   string `json:"service"`
		Condition string `json:"condition"`
		Restart   bool   `json:"restart,omitempty"`
	}
	// Protocol is what the service spoke on a port.
	Protocol struct {
		Port   int    `json:"port"`
		Scheme string `json:"scheme"`
		Path   string `json:"path,omitempty"`
	}
	// Reach is a question that had to be answered.
	Reach struct {
		From   string `json:"from,omitempty"`
		URL    string `json:"url"`
		Status int    `json:"status,omitempty"`
	}
	// Log is the log driver and its rotation.
	Log struct {
		Driver   string   `json:"driver,omitempty"`
		MaxSize  Size     `json:"maxSize"`
		MaxFiles int      `json:"maxFiles,omitempty"`
		Labels   []string `json:"labels,omitempty"`
	}
	// Label is a name with a value.
	Label struct {
		Name  string `json:"name"`
		Value string `json:"value,omitempty"`
	}
	// Metrics says where the service showed its metrics.
	Metrics struct {
		Prefix string `json:"prefix,omitempty"`
		Port   int    `json:"port,omitempty"`
		Path   string `json:"path,omitempty"`
	}
	// Objectives are what users could expect.
	Objectives struct {
		LatencyP95   Duration `json:"latencyP95"`
		Availability float64  `json:"availability,omitempty"` // percent
	}
	// Exception let a control fail for a time.
	Exception struct {
		Control  string `json:"control"`
		Reason   string `json:"reason"`
		Question string `json:"question,omitempty"` // in place of a reason
		Owner    string `json:"owner,omitempty"`
		Expires  string `json:"expires"` // YYYY-MM-DD
	}
)

// The parts of a stack next to its services.
type (
	// Secret says where a value came from; the value is in no record.
	Secret struct {
		Name     string   `json:"name"`
		Env      string   `json:"env,omitempty"`
		File     string   `json:"file,omitempty"`
		Age      string   `json:"age,omitempty"`
		Command  []string `json:"command,omitempty"`
		From     string   `json:"from,omitempty"`
		Format   string   `json:"format,omitempty"`
		Generate bool     `json:"generate,omitempty"`
	}
	// Network is a network of the stack.
	Network struct {
		Name     string `json:"name"`
		Internal bool   `json:"internal,omitempty"`
		Egress   bool   `json:"egress,omitempty"`
		External bool   `json:"external,omitempty"`
	}
	// Volume is a named volume of the stack.
	Volume struct {
		Name      string  `json:"name"`
		External  bool    `json:"external,omitempty"`
		Ephemeral string  `json:"ephemeral,omitempty"`
		Backup    *Backup `json:"backup,omitempty"`
	}
	// Backup says who kept the data of a volume elsewhere.
	Backup struct {
		Service     string   `json:"service,omitempty"`
		To          string   `json:"to,omitempty"`
		Dump        []string `json:"dump,omitempty"`
		Restore     []string `json:"restore,omitempty"`
		Check       []string `json:"check,omitempty"`
		Encrypt     []string `json:"encrypt,omitempty"`
		Schedule    string   `json:"schedule,omitempty"`
		Keep        int      `json:"keep,omitempty"`
		Timeout     Duration `json:"timeout"`
		By          string   `json:"by,omitempty"`
		Reason      string   `json:"reason,omitempty"`
		Evidence    string   `json:"evidence,omitempty"`
		Tested      string   `json:"tested,omitempty"`
		MaxAge      Duration `json:"maxAge"`
		MaxUntested Duration `json:"maxUntested"`
	}
	// Job ran once in a deploy that changed its service.
	Job struct {
		Name    string   `json:"name"`
		Service string   `json:"service"`
		Command []string `json:"command"`
		After   bool     `json:"after,omitempty"`
		Timeout Duration `json:"timeout"`
	}
	// Hook ran on the machine that deployed.
	Hook struct {
		Name    string     `json:"name"`
		When    stack.When `json:"when"`
		Command []string   `json:"command"`
		Timeout Duration   `json:"timeout"`
		Secrets []string   `json:"secrets,omitempty"`
	}
	// Edge is the proxy in front of the services.
	Edge struct {
		Service   string   `json:"service"`
		Upstreams []string `json:"upstreams,omitempty"`
		Sites     []Site   `json:"sites,omitempty"`
	}
	// Site is one host name that the edge served.
	Site struct {
		Name    string  `json:"name"`
		URL     string  `json:"url"`
		Address string  `json:"address"`
		Local   bool    `json:"local,omitempty"`
		Private bool    `json:"private,omitempty"`
		TLS     string  `json:"tls,omitempty"`
		Routes  []Route `json:"routes,omitempty"`
		Headers []Label `json:"headers,omitempty"`
	}
	// Route says which service answered a path.
	Route struct {
		Path    string `json:"path"`
		Service string `json:"service"`
		Port    int    `json:"port"`
	}
	// Opening is a published port and who could reach it.
	Opening struct {
		Port  Port           `json:"port"`
		World bool           `json:"world,omitempty"`
		From  []netip.Prefix `json:"from,omitempty"`
	}
)

// Duration is written as text, such as "10s". Version 1 wrote nanoseconds, which are read as well.
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) != nil {
		return json.Unmarshal(data, (*time.Duration)(d))
	}
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("reading a duration: %w", err)
	}
	*d = Duration(parsed)
	return nil
}

// NewIntent returns what a stack grants, to be kept.
func NewIntent(s stack.Stack) Intent {
	out := Intent{Name: s.Name, Extra: s.Extra,
		Services: each(s.Services, newService), Volumes: each(s.Volumes, newVolume),
		Secrets:  each(s.Secrets, func(x stack.Secret) Secret { return Secret(x) }),
		Networks: each(s.Networks, func(n stack.Network) Network { return Network(n) }),
		Jobs: each(s.Jobs, func(j stack.Job) Job {
			return Job{j.Name, j.Service, j.Command, j.After, Duration(j.Timeout)}
		}),
		Hooks: each(s.Hooks, func(h stack.Hook) Hook {
			return Hook{h.Name, h.When, h.Command, Duration(h.Timeout), h.Secrets}
		}),
		Firewall: each(s.Firewall, func(o stack.Opening) Opening { return Opening{Port(o.Port), o.World, o.From} }),
	}
	if e := s.Edge; e != nil {
		out.Edge = &Edge{Service: e.Service, Upstreams: e.Upstreams, Sites: each(e.Sites, func(s stack.Site) Site {
			return Site{s.Name, s.URL, s.Address, s.Local, s.Private, s.TLS,
				each(s.Routes, func(r stack.Route) Route { return Route(r) }), each(s.Headers, func(l stack.Label) Label { return Label(l) })}
		})}
	}
	return out
}

func newVolume(v stack.Volume) Volume {
	out := Volume{Name: v.Name, External: v.External, Ephemeral: v.Ephemeral}
	if b := v.Backup; b != nil {
		out.Backup = &Backup{b.Service, b.To, b.Dump, b.Restore, b.Check, b.Encrypt, b.Schedule, b.Keep, Duration(b.Timeout), b.By, b.Reason, b.Evidence,
			b.Tested, Duration(b.MaxAge), Duration(b.MaxUntested)}
	}
	return out
}

func newService(s stack.Service) Service {
	out := Service{
		Name: s.Name, Preset: s.Preset, Owner: s.Owner, Image: s.Image, Build: (*Build)(s.Build), Entrypoint: s.Entrypoint, Command: s.Command,
		Hostname: s.Hostname, User: User(s.User), Init: s.Init,
		Writable: each(s.Writable, func(w stack.Writable) Writable {
			return Writable{w.Path, w.Volume, Size(w.Size), w.Mode, User(w.Owner), w.Exec}
		}),
		HostPaths: each(s.HostPaths, func(h stack.HostPath) HostPath { return HostPath(h) }),
		Configs:   each(s.Configs, func(c stack.ConfigFile) ConfigFile { return ConfigFile(c) }),
		Delivered: each(s.Delivered, func(d stack.Delivered) Delivered { return Delivered(d) }), Taken: s.Taken,
		Capabilities: each(s.Capabilities, func(c stack.Capability) Capability { return Capability(c) }), Default: s.Default, Gains: s.Gains,
		Limits: newResources(s.Limits), Reservations: newResources(s.Reservations), ShmSize: Size(s.ShmSize), OpenFiles: s.OpenFiles,
		Shutdown: Shutdown{s.Shutdown.Signal, Duration(s.Shutdown.Grace), Duration(s.Shutdown.Timeout), s.Shutdown.Logs},
		Replicas: s.Replicas, Rollout: Rollout{s.Rollout.StopFirst, Duration(s.Rollout.Settle), Duration(s.Rollout.Drain), Duration(s.Rollout.Open)}, Untested: s.Untested,
		Secrets:     each(s.Secrets, func(f stack.SecretFile) SecretFile { return SecretFile(f) }),
		FirstStarts: each(s.FirstStarts, func(f stack.FirstStart) FirstStart { return FirstStart(f) }),
		Environment: each(s.Environment, func(v stack.Variable) Variable { return Variable(v) }),
		Ports:       each(s.Ports, func(p stack.Port) Port { return Port(p) }),
		Networks:    s.Networks, DependsOn: each(s.DependsOn, func(d stack.Dependency) Dependency { return Dependency(d) }),
		Profiles: s.Profiles, Restart: s.Restart, Log: Log{s.Log.Driver, Size(s.Log.MaxSize), s.Log.MaxFiles, s.Log.Labels},
		Labels: each(s.Labels, func(l stack.Label) Label { return Label(l) }), Denied: s.Denied, Listen: s.Listen, ListenUDP: s.ListenUDP, Metrics: (*Metrics)(s.Metrics),
		Protocols:  each(s.Protocols, func(p stack.Protocol) Protocol { return Protocol(p) }),
		Reach:      each(s.Reach, func(r stack.Reach) Reach { return Reach(r) }),
		SLO:        Objectives{Duration(s.SLO.LatencyP95), s.SLO.Availability},
		Exceptions: each(s.Exceptions, func(e stack.Exception) Exception { return Exception(e) }), Extra: s.Extra,
	}
	if h := s.Health; h != nil {
		out.Health = &Health{h.Test, Duration(h.Interval), Duration(h.Timeout), h.Retries, Duration(h.StartPeriod)}
	}
	return out
}

func newResources(r stack.Resources) Resources {
	return Resources{r.CPUs, r.Nano, Size(r.Memory), r.PIDs}
}

// Stack is the inverse of NewIntent.
func (i Intent) Stack() stack.Stack {
	out := stack.Stack{Name: i.Name, Extra: i.Extra,
		Services: each(i.Services, Service.model), Volumes: each(i.Volumes, Volume.model),
		Secrets:  each(i.Secrets, func(x Secret) stack.Secret { return stack.Secret(x) }),
		Networks: each(i.Networks, func(n Network) stack.Network { return stack.Network(n) }),
		Jobs: each(i.Jobs, func(j Job) stack.Job {
			return stack.Job{Name: j.Name, Service: j.Service, Command: j.Command, After: j.After, Timeout: time.Duration(j.Timeout)}
		}),
		Hooks: each(i.Hooks, func(h Hook) stack.Hook {
			return stack.Hook{Name: h.Name, When: h.When, Command: h.Command, Timeout: time.Duration(h.Timeout), Secrets: h.Secrets}
		}),
		Firewall: each(i.Firewall, func(o Opening) stack.Opening {
			return stack.Opening{Port: stack.Port(o.Port), World: o.World, From: o.From}
		}),
	}
	if e := i.Edge; e != nil {
		out.Edge = &stack.Edge{Service: e.Service, Upstreams: e.Upstreams, Sites: each(e.Sites, func(s Site) stack.Site {
			return stack.Site{Name: s.Name, URL: s.URL, Address: s.Address, Local: s.Local, Private: s.Private, TLS: s.TLS,
				Routes: each(s.Routes, func(r Route) stack.Route { return stack.Route(r) }), Headers: each(s.Headers, func(l Label) stack.Label { return stack.Label(l) })}
		})}
	}
	return out
}

func (v Volume) model() stack.Volume {
	out := stack.Volume{Name: v.Name, External: v.External, Ephemeral: v.Ephemeral}
	if b := v.Backup; b != nil {
		out.Backup = &stack.Backup{Service: b.Service, To: b.To, Dump: b.Dump, Restore: b.Restore, Check: b.Check, Encrypt: b.Encrypt, Schedule: b.Schedule, Keep: b.Keep,
			Timeout: time.Duration(b.Timeout), By: b.By, Reason: b.Reason, Evidence: b.Evidence, Tested: b.Tested, MaxAge: time.Duration(b.MaxAge), MaxUntested: time.Duration(b.MaxUntested)}
	}
	return out
}

func (s Service) model() stack.Service {
	out := stack.Service{
		Name: s.Name, Preset: s.Preset, Owner: s.Owner, Image: s.Image, Build: (*stack.Build)(s.Build), Entrypoint: s.Entrypoint, Command: s.Command,
		Hostname: s.Hostname, User: stack.User(s.User), Init: s.Init,
		Writable: each(s.Writable, func(w Writable) stack.Writable {
			return stack.Writable{Path: w.Path, Volume: w.Volume, Size: stack.Size(w.Size), Mode: w.Mode, Owner: stack.User(w.Owner), Exec: w.Exec}
		}),
		HostPaths: each(s.HostPaths, func(h HostPath) stack.HostPath { return stack.HostPath(h) }),
		Configs:   each(s.Configs, func(c ConfigFile) stack.ConfigFile { return stack.ConfigFile(c) }),
		Delivered: each(s.Delivered, func(d Delivered) stack.Delivered { return stack.Delivered(d) }), Taken: s.Taken,
		Capabilities: each(s.Capabilities, func(c Capability) stack.Capability { return stack.Capability(c) }), Default: s.Default, Gains: s.Gains,
		Limits: s.Limits.model(), Reservations: s.Reservations.model(), ShmSize: stack.Size(s.ShmSize), OpenFiles: s.OpenFiles,
		Shutdown: stack.Shutdown{Signal: s.Shutdown.Signal, Grace: time.Duration(s.Shutdown.Grace), Timeout: time.Duration(s.Shutdown.Timeout), Logs: s.Shutdown.Logs},
		Replicas: s.Replicas, Rollout: stack.Rollout{StopFirst: s.Rollout.StopFirst, Settle: time.Duration(s.Rollout.Settle), Drain: time.Duration(s.Rollout.Drain), Open: time.Duration(s.Rollout.Open)}, Untested: s.Untested,
		Secrets:     each(s.Secrets, func(f SecretFile) stack.SecretFile { return stack.SecretFile(f) }),
		FirstStarts: each(s.FirstStarts, func(f FirstStart) stack.FirstStart { return stack.FirstStart(f) }),
		Environment: each(s.Environment, func(v Variable) stack.Variable { return stack.Variable(v) }),
		Ports:       each(s.Ports, func(p Port) stack.Port { return stack.Port(p) }),
		Networks:    s.Networks, DependsOn: each(s.DependsOn, func(d Dependency) stack.Dependency { return stack.Dependency(d) }),
		Profiles: s.Profiles, Restart: s.Restart, Log: stack.Log{Driver: s.Log.Driver, MaxSize: stack.Size(s.Log.MaxSize), MaxFiles: s.Log.MaxFiles, Labels: s.Log.Labels},
		Labels: each(s.Labels, func(l Label) stack.Label { return stack.Label(l) }), Denied: s.Denied, Listen: s.Listen, ListenUDP: s.ListenUDP, Metrics: (*stack.Metrics)(s.Metrics),
		Protocols:  each(s.Protocols, func(p Protocol) stack.Protocol { return stack.Protocol(p) }),
		Reach:      each(s.Reach, func(r Reach) stack.Reach { return stack.Reach(r) }),
		SLO:        stack.Objectives{LatencyP95: time.Duration(s.SLO.LatencyP95), Availability: s.SLO.Availability},
		Exceptions: each(s.Exceptions, func(e Exception) stack.Exception { return stack.Exception(e) }), Extra: s.Extra,
	}
	if h := s.Health; h != nil {
		out.Health = &stack.Health{Test: h.Test, Interval: time.Duration(h.Interval), Timeout: time.Duration(h.Timeout), Retries: h.Retries, StartPeriod: time.Duration(h.StartPeriod)}
	}
	return out
}

func (r Resources) model() stack.Resources {
	return stack.Resources{CPUs: r.CPUs, Nano: r.Nano, Memory: stack.Size(r.Memory), PIDs: r.PIDs}
}

// each converts a list. One that is not there stays so: an edge without upstreams is no edge that has none.
func each[From, To any](list []From, convert func(From) To) []To {
	if list == nil {
		return nil
	}
	out := make([]To, len(list))
	for i, one := range list {
		out[i] = convert(one)
	}
	return out
}

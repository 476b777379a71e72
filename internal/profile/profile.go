// Package profile turns the bytes of a profile into a validated Profile, or into every mistake at once,
// each with its file, line and column and a hint.
//
// A profile is merged from layers, weakest first: the built-in baseline, the preset of each service,
// the stack's own defaults, and the service as written. What the user wrote always wins.
// Parse is pure: it reads no file, no environment and no clock.
package profile

import "github.com/hsectl/hsectl/internal/yamldoc"

// APIVersion is the version of the profile format that this package reads.
const APIVersion = "hsectl/v1"

// Profile says what a stack of services needs.
type Profile struct {
	APIVersion  string             `yaml:"apiVersion" doc:"version of the format; always hsectl/v1"`
	Kind        string             `yaml:"kind" doc:"always Profile"`
	Name        string             `yaml:"name" doc:"name of the stack; becomes the Compose project name"`
	Extends     string             `yaml:"extends" doc:"a baseline of the library (production, staging, development), or a file relative to this one"`
	Defaults    *Service           `yaml:"defaults" doc:"values for every service that does not set its own"`
	Services    map[string]Service `yaml:"services" doc:"the services of the stack, by name"`
	Secrets     map[string]Secret  `yaml:"secrets" doc:"the secrets of the stack, by name"`
	Networks    map[string]Network `yaml:"networks" doc:"the networks of the stack, by name"`
	Volumes     map[string]Volume  `yaml:"volumes" doc:"options of named volumes; a volume needs no entry here"`
	Exceptions  []Exception        `yaml:"exceptions" doc:"weaker settings that stand for a time, each with its reason"`
	Edge        *Edge              `yaml:"edge" doc:"what stands between the world and the services: sites, certificates, routes"`
	Firewall    []Opening          `yaml:"firewall" doc:"from where the published ports may be reached; a word about each, once there is one"`
	Monitoring  *Monitoring        `yaml:"monitoring" doc:"how the stack is watched; nothing watches it when this is absent"`
	Passthrough Passthrough        `yaml:"passthrough" doc:"keys of Compose beside services that have no place here, as Compose writes them"`
	Jobs        map[string]Job     `yaml:"jobs" doc:"programs that run once in each deploy that changes their service, by name"`
	Hooks       map[string]Hook    `yaml:"hooks" doc:"programs that run around each deploy that changes something, on the machine that deploys, by name"`

	Environments map[string]Overlay `yaml:"environments" doc:"what differs in an environment, selected with --env: defaults, services, secrets, networks, volumes and exceptions as in the profile"`
	SupplyChain  *SupplyChain       `yaml:"supply_chain" doc:"what an image must prove before it is deployed"`

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
	Firewall   []Opening          `yaml:"firewall" doc:"from where the published ports may be reached here, in place of what the profile says"`
	Hooks      map[string]Hook    `yaml:"hooks" doc:"what hooks do differently, and further hooks"`
}

// Service is one service of the stack.
type Service struct {
	Preset       string          `yaml:"preset" doc:"name of a preset that knows this image: its user, paths, health command and tuning"`
	Owner        string          `yaml:"owner" doc:"who answers for the service: a team or an address; its exceptions are theirs unless they name another"`
	Image        string          `yaml:"image" doc:"image reference; a built service may leave it out"`
	Build        *Build          `yaml:"build" doc:"how to build the image from source"`
	Entrypoint   []string        `yaml:"entrypoint" doc:"replaces the image's entry point"`
	Command      []string        `yaml:"command" doc:"arguments of the entry point"`
	Arguments    []string        `yaml:"arguments" doc:"added at the end of the command, so that a preset's tuning is kept"`
	Hostname     string          `yaml:"hostname" doc:"fixed host name inside the container"`
	User         User            `yaml:"user" doc:"numeric uid:gid of every process"`
	Init         *bool           `yaml:"init" doc:"run the engine's init as PID 1; false when the image brings its own"`
	Writable     []Writable      `yaml:"writable" doc:"the only paths the service may write"`
	HostPaths    []HostPath      `yaml:"host_paths" doc:"paths of the host that the service may read; needs an exception for HSE-FS-003"`
	Capabilities []Capability    `yaml:"capabilities" doc:"capabilities added to none, each with its reason"`
	Limits       Resources       `yaml:"limits" doc:"upper bounds of cpu, memory and processes"`
	Reservations Resources       `yaml:"reservations" doc:"what the service is sure to get"`
	ShmSize      Bytes           `yaml:"shm_size" doc:"size of /dev/shm, counted in the memory limit"`
	OpenFiles    int             `yaml:"open_files" doc:"limit of open files"`
	Shutdown     Shutdown        `yaml:"shutdown" doc:"how the service stops"`
	Replicas     *int            `yaml:"replicas" doc:"number of containers, all alike; 1 unless written"`
	Rollout      *Rollout        `yaml:"rollout" doc:"how the next container takes the place of the last"`
	Health       *Health         `yaml:"health" doc:"how to tell that the service works"`
	Secrets      []SecretUse     `yaml:"secrets" doc:"secrets delivered as files under /run/secrets"`
	Environment  map[string]Env  `yaml:"environment" doc:"environment variables"`
	Ports        []Port          `yaml:"ports" doc:"published ports; on 127.0.0.1 unless an address is written"`
	Networks     []string        `yaml:"networks" doc:"networks the service joins"`
	DependsOn    []Dependency    `yaml:"depends_on" doc:"services that must be healthy first"`
	Profiles     []string        `yaml:"profiles" doc:"the service is part of the stack only where one of these is chosen, as with Compose: --profiles NAME"`
	Restart      string          `yaml:"restart" doc:"unless-stopped, always, on-failure:N or no"`
	Logging      Logging         `yaml:"logging" doc:"log driver and rotation"`
	Labels       map[string]Text `yaml:"labels" doc:"labels of the container"`
	Verify       Verify          `yaml:"verify" doc:"what verify must see on the running container"`
	Metrics      *Metrics        `yaml:"metrics" doc:"where the service shows its metrics"`
	SLO          *Objectives     `yaml:"slo" doc:"what users may expect; alerts are derived from it"`
	SecretFiles  []string        `yaml:"secret_files" doc:"presets only: the variables by which the image reads a secret from a file"`
	Notes        []string        `yaml:"notes" doc:"what is known to break; shown by presets"`
	Passthrough  Passthrough     `yaml:"passthrough" doc:"keys of a Compose service that have no place here, as Compose writes them; lint reports them"`
	Single       string          `yaml:"single" doc:"presets only: why the service has one container only"`
	Probes       *Probes         `yaml:"probes" doc:"presets only: the image's own tools for health checks"`
}

// Build says how an image is made from source.
type Build struct {
	Context    string          `yaml:"context" doc:"directory of the sources, relative to the profile"`
	Dockerfile string          `yaml:"dockerfile" doc:"path of the Dockerfile within the context"`
	Target     string          `yaml:"target" doc:"stage to build"`
	Args       map[string]Text `yaml:"args" doc:"build arguments; never secrets"`
}

// Writable is a path that the service may write: a named volume, or a tmpfs of a size.
type Writable struct {
	Path   string `yaml:"path" doc:"absolute path in the container"`
	Volume string `yaml:"volume" doc:"named volume that keeps the data"`
	Tmpfs  Bytes  `yaml:"tmpfs" doc:"size of a tmpfs, counted in the memory limit"`
	Mode   Mode   `yaml:"mode" doc:"mode of the directory; 0700 unless written"`
	Owner  User   `yaml:"owner" doc:"owner of the directory; the service's user unless written"`
	Exec   bool   `yaml:"exec" doc:"allow programs to run from a tmpfs"`
	Why    string `yaml:"why" doc:"what is written there"`
}

// HostPath is a path of the host that a service may read, and why. It is never writable.
type HostPath struct {
	Host string `yaml:"host" doc:"path on the host"`
	Path string `yaml:"path" doc:"path in the container; the same unless written"`
	Why  string `yaml:"why" doc:"what is read there, and why there is no narrower way"`
}

// Capability is a Linux capability that the service keeps, and why.
type Capability struct {
	Name   string `yaml:"name" doc:"name without the CAP_ prefix"`
	Reason string `yaml:"reason" doc:"why the service cannot do without it"`
	File   bool   `yaml:"file" doc:"the program carries it as a file capability: the kernel does not start it otherwise, whoever runs it"`
}

// Resources are bounds of cpu, memory and processes; zero values are not set.
type Resources struct {
	CPUs   CPUs  `yaml:"cpus" doc:"number of processors"`
	Memory Bytes `yaml:"memory" doc:"amount of memory"`
	PIDs   int   `yaml:"pids" doc:"number of processes and threads; limits only"`
}

// Shutdown says how a service stops.
type Shutdown struct {
	Signal  string   `yaml:"signal" doc:"signal that asks the service to stop"`
	Grace   Duration `yaml:"grace" doc:"time until the engine kills the service"`
	Timeout Duration `yaml:"timeout" doc:"the service's own time-out; must be shorter than grace"`
	Logs    []string `yaml:"logs" doc:"log lines that a clean shutdown prints, in order"`
}

// Health says how to tell that a service works. Exactly one of Command, Shell, HTTP, TCP and None is set.
type Health struct {
	Command     []string  `yaml:"command" doc:"a test in exec form: [pg_isready, -q]"`
	Shell       string    `yaml:"shell" doc:"a test run by the image's /bin/sh"`
	HTTP        *HTTPTest `yaml:"http" doc:"an HTTP request that must answer 2xx or 3xx"`
	TCP         int       `yaml:"tcp" doc:"a port that must accept connections"`
	None        string    `yaml:"none" doc:"presets only: why the image cannot test itself"`
	Interval    Duration  `yaml:"interval" doc:"time between two tests"`
	Timeout     Duration  `yaml:"timeout" doc:"time until a test counts as failed"`
	Retries     int       `yaml:"retries" doc:"failures in a row until unhealthy"`
	StartPeriod Duration  `yaml:"start_period" doc:"time in which failures do not count"`
}

// HTTPTest is a request to the service from inside its container.
type HTTPTest struct {
	Port int    `yaml:"port" doc:"port on 127.0.0.1"`
	Path string `yaml:"path" doc:"path, such as /api/health"`
}

// Probes are the commands by which an image can test HTTP and TCP with its own tools.
type Probes struct {
	HTTP []string `yaml:"http" doc:"command; {{.URL}} is the address, {{.Port}} and {{.Path}} its parts"`
	TCP  []string `yaml:"tcp" doc:"command; {{.Port}} is the port"`
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

// SecretUse is a secret that a service reads.
type SecretUse struct {
	Name string `yaml:"name" doc:"name of the secret"`
	Env  string `yaml:"env" doc:"environment variable that is set to the path of the file"`
}

// Env is an environment variable: a literal value, or one taken from the deploying environment.
type Env struct {
	Value    Text  `yaml:"value" doc:"literal value"`
	Required bool  `yaml:"required" doc:"must be set in the environment of deploy"`
	Default  *Text `yaml:"default" doc:"value when the environment of deploy has none"`
}

// Port is a published port.
type Port struct {
	Address   string `yaml:"address" doc:"address of the host; 127.0.0.1 unless written"`
	Host      int    `yaml:"host" doc:"port of the host"`
	Container int    `yaml:"container" doc:"port of the container"`
	Protocol  string `yaml:"protocol" doc:"tcp or udp"`
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
	Shared   bool `yaml:"shared" doc:"two containers may write it at once, so that it does not stand against start-first"`

	Ephemeral string  `yaml:"ephemeral" doc:"why the data may be lost, so that nobody backs it up"`
	Backup    *Backup `yaml:"backup" doc:"who keeps the data elsewhere, and how often it must be proven that it can be brought back"`
}

// Dependency is a service that another one needs.
type Dependency struct {
	Service   string `yaml:"service" doc:"name of the service"`
	Condition string `yaml:"condition" doc:"healthy, started or completed"`
}

// Logging is the log driver and its rotation.
type Logging struct {
	Driver   string `yaml:"driver" doc:"json-file, local or journald"`
	MaxSize  Bytes  `yaml:"max_size" doc:"size at which a log file is rotated"`
	MaxFiles int    `yaml:"max_files" doc:"number of log files kept"`
}

// Verify is what must be seen on the running container, beyond the controls.
type Verify struct {
	Denied []string `yaml:"denied" doc:"paths to which a write must fail"`
	Listen []int    `yaml:"listen" doc:"ports on which the service listens, and no other"`
}

// Exception lets a control fail for a time.
type Exception struct {
	Control string `yaml:"control" doc:"id of the control, such as HSE-FS-001"`
	Service string `yaml:"service" doc:"service it is for"`
	Reason  string `yaml:"reason" doc:"why it must be"`
	Owner   string `yaml:"owner" doc:"who answers for it"`
	Expires Day    `yaml:"expires" doc:"last day on which it holds"`
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
		if o, ok := p.Places[path]; ok && own(o.Layer) {
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

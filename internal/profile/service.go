package profile

import (
	"fmt"
	"strings"
	"text/template"
)

// Service is one service of the stack.
type Service struct {
	Preset        string          `yaml:"preset" doc:"name of a preset that knows this image: its user, paths, health command and tuning"`
	Owner         string          `yaml:"owner" doc:"owner of the service: a team or an address; its exceptions have the same owner unless they name another"`
	Image         string          `yaml:"image" doc:"image reference; a built service may leave it out"`
	Build         *Build          `yaml:"build" doc:"how to build the image from source"`
	Entrypoint    []string        `yaml:"entrypoint" doc:"replaces the image's entry point"`
	Command       []string        `yaml:"command" doc:"arguments of the entry point"`
	Arguments     []string        `yaml:"arguments" doc:"added at the end of the command, so that a preset's tuning is kept"`
	Hostname      string          `yaml:"hostname" doc:"fixed host name inside the container"`
	User          User            `yaml:"user" doc:"numeric uid:gid of every process; with an exception for HSE-USR-001 it may be left out, and the image decides"`
	Init          *bool           `yaml:"init" doc:"run the engine's init as PID 1; false when the image brings its own"`
	Writable      []Writable      `yaml:"writable" doc:"the only paths the service may write"`
	HostPaths     []HostPath      `yaml:"host_paths" doc:"paths of the host that the service may read; needs an exception for HSE-FS-003"`
	Capabilities  []Capability    `yaml:"capabilities" doc:"capabilities to keep, each with its reason; all others are dropped"`
	NewPrivileges bool            `yaml:"new_privileges" doc:"programs may gain privileges when they start, such as sudo; needs an exception for HSE-PRV-002"`
	Limits        Resources       `yaml:"limits" doc:"upper bounds of cpu, memory and processes"`
	Reservations  Resources       `yaml:"reservations" doc:"resources reserved for the service"`
	ShmSize       Bytes           `yaml:"shm_size" doc:"size of /dev/shm, counted in the memory limit"`
	OpenFiles     int             `yaml:"open_files" doc:"limit of open files"`
	Shutdown      Shutdown        `yaml:"shutdown" doc:"how the service stops"`
	Replicas      *int            `yaml:"replicas" doc:"number of identical containers; default 1"`
	Rollout       *Rollout        `yaml:"rollout" doc:"how a new container replaces the old one"`
	Health        *Health         `yaml:"health" doc:"health test of the service"`
	Secrets       []SecretUse     `yaml:"secrets" doc:"secrets delivered as files under /run/secrets"`
	Environment   map[string]Env  `yaml:"environment" doc:"environment variables"`
	Ports         []Port          `yaml:"ports" doc:"published ports; on 127.0.0.1 unless an address is written"`
	Networks      []string        `yaml:"networks" doc:"networks the service joins"`
	DependsOn     []Dependency    `yaml:"depends_on" doc:"services that must be healthy first"`
	Profiles      []string        `yaml:"profiles" doc:"the service is part of the stack only where one of these is chosen, as with Compose: --profiles NAME"`
	Restart       string          `yaml:"restart" doc:"unless-stopped, always, on-failure:N or no"`
	Logging       Logging         `yaml:"logging" doc:"log driver and rotation"`
	Labels        map[string]Text `yaml:"labels" doc:"labels of the container"`
	Verify        Verify          `yaml:"verify" doc:"what verify must see on the running container"`
	Metrics       *Metrics        `yaml:"metrics" doc:"where the service exposes its metrics"`
	SLO           *Objectives     `yaml:"slo" doc:"service level objectives; alerts are derived from them"`
	SecretFiles   []string        `yaml:"secret_files" doc:"presets only: the variables by which the image reads a secret from a file"`
	Speaks        *Speaks         `yaml:"speaks" doc:"presets only: the protocol in which the image is asked whether it answers"`
	FirstStart    []FirstStart    `yaml:"first_start" doc:"presets only: the secrets that the image reads only when it initialises its data, and how they are changed later"`
	Notes         []string        `yaml:"notes" doc:"known problems; shown by presets"`
	Passthrough   Passthrough     `yaml:"passthrough" doc:"keys of a Compose service that a profile does not model, in Compose syntax; lint reports them"`
	Single        string          `yaml:"single" doc:"presets only: why the service has one container only"`
	Probes        *Probes         `yaml:"probes" doc:"presets only: the image's own tools for health checks"`
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
	Mode   Mode   `yaml:"mode" doc:"mode of the directory; default 0700"`
	Owner  User   `yaml:"owner" doc:"owner of the directory; the service's user unless written"`
	Exec   bool   `yaml:"exec" doc:"allow programs to run from a tmpfs"`
	Why    string `yaml:"why" doc:"what is written there"`
}

// HostPath is a path of the host that a service may read, and why. It is never writable.
type HostPath struct {
	Host string `yaml:"host" doc:"path on the host"`
	Path string `yaml:"path" doc:"path in the container; the same unless written"`
	Why  string `yaml:"why" doc:"what is read there, and why no narrower way works"`
}

// Capability is a Linux capability that the service keeps, and why.
type Capability struct {
	Name   string `yaml:"name" doc:"name without the CAP_ prefix; DEFAULT stands for those that the engine leaves every container, and needs an exception for HSE-CAP-001"`
	Reason string `yaml:"reason" doc:"why the service cannot do without it"`
	File   bool   `yaml:"file" doc:"the program has it as a file capability; without it the kernel does not start the program for any user"`
}

// DefaultCapabilities is the name that stands for the capabilities that the engine leaves every container.
const DefaultCapabilities = "DEFAULT"

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

// SecretUse is a secret that a service reads.
type SecretUse struct {
	Name string `yaml:"name" doc:"name of the secret"`
	Env  string `yaml:"env" doc:"environment variable that is set to the path of the file"`
	// For images that read no variable for it.
	FirstStart string `yaml:"first_start" doc:"entry of the preset's first_start that this secret is, where no variable says so"`
}

// FirstStart is a secret that an image reads only when it initialises its data. Login and Change are programs of the image's
// /bin/sh, run in the service's container by its user. They read values from standard input, one a line: Login the value, and
// Change the new value and the old one, which is empty when it is not known.
type FirstStart struct {
	Name   string   `yaml:"name" doc:"name of the entry"`
	Env    []string `yaml:"env" doc:"variables that name the file of the secret"`
	Data   string   `yaml:"data" doc:"writable path with the data that keeps the secret"`
	Login  string   `yaml:"login" doc:"logs in with the value on standard input; exits with 0 only when the program accepts it"`
	Change string   `yaml:"change" doc:"changes the secret in the running program; without it a deploy that changes the secret is refused"`
}

// Env is an environment variable: a literal value, or one taken from the deploying environment.
type Env struct {
	Value    Text  `yaml:"value" doc:"literal value"`
	Required bool  `yaml:"required" doc:"must be set in the environment of deploy"`
	Default  *Text `yaml:"default" doc:"value when the environment of deploy has none"`
}

// Port is a published port.
type Port struct {
	Address   string `yaml:"address" doc:"address of the host, or * for all of IPv4 and IPv6; default 127.0.0.1"`
	Host      int    `yaml:"host" doc:"port of the host"`
	Container int    `yaml:"container" doc:"port of the container"`
	Protocol  string `yaml:"protocol" doc:"tcp or udp"`
}

// EveryAddress is the address of a port that is published on all addresses of the host, of IPv4 and IPv6.
const EveryAddress = "*"

// Dependency is a service that another one needs.
type Dependency struct {
	Service   string `yaml:"service" doc:"name of the service"`
	Condition string `yaml:"condition" doc:"healthy, started or completed"`
	Restart   bool   `yaml:"restart" doc:"restart this service after the other one was replaced: for programs that keep an old address"`
}

// Logging is the log driver and its rotation.
type Logging struct {
	Driver   string `yaml:"driver" doc:"json-file, local or journald"`
	MaxSize  Bytes  `yaml:"max_size" doc:"size at which a log file is rotated"`
	MaxFiles int    `yaml:"max_files" doc:"number of log files kept"`
}

// Verify is what must be seen on the running container, beyond the controls.
type Verify struct {
	Denied    []string `yaml:"denied" doc:"paths to which a write must fail"`
	Listen    []int    `yaml:"listen" doc:"ports on which the service listens, and no other"`
	ListenUDP []int    `yaml:"listen_udp" doc:"UDP ports on which the service listens; those published under ports need not be repeated"`
	Reach     []Reach  `yaml:"reach" doc:"questions that must be answered, before traffic moves to a new container and afterwards; a URL alone is asked by the service itself"`
}

// Reach is a question by which a service is proven to be reachable, or to reach what it needs.
type Reach struct {
	From   string `yaml:"from" doc:"service that asks, or host for the machine of the engine; the service itself unless written"`
	URL    string `yaml:"url" doc:"what is asked: http, https, tcp, tls, dns, postgres, mysql, redis, grpc, grpcs, udp or quic, such as http://web:8080/ready"`
	Status int    `yaml:"status" doc:"status that HTTP must answer with; 200 to 399 unless written"`
}

// Speaks is the protocol of an image that a client speaks with it, where that is not HTTP.
type Speaks struct {
	Port   int    `yaml:"port" doc:"port on which the image listens by default"`
	Scheme string `yaml:"scheme" doc:"protocol, as the scheme of a question of verify.reach"`
}

// ReachSchemes are the protocols in which may be asked.
func ReachSchemes() []string {
	return strings.Fields("http https tcp tls dns postgres mysql redis grpc grpcs udp quic")
}

// ReachHost is the machine of the engine, where a question is asked from.
const ReachHost = "host"

// Containers returns how many containers the service has.
func (s Service) Containers() int {
	if s.Replicas == nil {
		return 1
	}
	return *s.Replicas
}

// ExpandFormula computes the {{…}} in text. Amounts are bytes; mib turns them into whole MiB.
func ExpandFormula(text string, data any) (string, error) {
	tmpl, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{
		"percent": func(of int64, p float64) int64 { return int64(float64(of) * p / 100) },
		"mib":     func(bytes int64) int64 { return bytes >> 20 },
		"clamp":   func(low, high, n int64) int64 { return max(low, min(high, n)) },
		"div":     func(a, b int64) int64 { return a / max(b, 1) },
		"minus":   func(a, b int64) int64 { return a - b },
	}).Parse(text)
	if err != nil {
		return "", fmt.Errorf("reading the formula %q: %w", text, err)
	}
	var b strings.Builder
	if err := tmpl.Execute(&b, data); err != nil {
		return "", fmt.Errorf("computing %q: %w", text, err)
	}
	return b.String(), nil
}

// ProbeCommand returns the command by which the image tests itself, or false when its tools are not known.
func (s Service) ProbeCommand() ([]string, bool) {
	if s.Health == nil || s.Probes == nil {
		return nil, false
	}
	var command []string
	data := struct {
		URL, Path string
		Port      int
	}{}
	switch {
	case s.Health.HTTP != nil:
		// 127.0.0.1, not localhost, which may be ::1 while the service listens on IPv4 only.
		data.URL = fmt.Sprintf("http://127.0.0.1:%d%s", s.Health.HTTP.Port, s.Health.HTTP.Path)
		data.Port, data.Path = s.Health.HTTP.Port, s.Health.HTTP.Path
		command = s.Probes.HTTP
	case s.Health.TCP != 0:
		data.Port = s.Health.TCP
		command = s.Probes.TCP
	}
	if len(command) == 0 {
		return nil, false
	}
	out := make([]string, len(command))
	for i, word := range command {
		expanded, err := ExpandFormula(word, data)
		if err != nil {
			return nil, false
		}
		out[i] = expanded
	}
	return out, true
}

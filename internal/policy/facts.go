// Package policy is the vocabulary of hardening controls: Facts, a flat description of one service, Intent, what its profile
// grants, and Control, a pure predicate over both. The controls themselves are in its subdirectories.
//
// Facts come from two witnesses: the rendered stack (what is intended) and the engine with the kernel (what is).
// A control is written once and judges both. A fact that a witness cannot see is unknown, which is an answer of its own.
package policy

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/lifecycle"
)

// Fact is a value with the evidence it rests on. The zero Fact is unknown.
type Fact[T any] struct {
	Value T
	Tier  finding.Tier // None means unknown
	Why   string       // why it is unknown, when that is known
}

// Known reports whether there is any evidence.
func (f Fact[T]) Known() bool { return f.Tier != finding.None }

// Seen returns a fact with its evidence.
func Seen[T any](value T, tier finding.Tier) Fact[T] { return Fact[T]{Value: value, Tier: tier} }

// Unseen returns an unknown fact and why it is.
func Unseen[T any](why string) Fact[T] { return Fact[T]{Why: why} }

// Facts describe one service as one witness sees it.
type Facts struct {
	Service      string
	State        Fact[State]
	Containers   Fact[[]string] // names of all containers of the service
	RootReadOnly Fact[bool]
	Mounts       Fact[[]Mount]   // tmpfs, volumes and binds; not the kernel's own
	Trials       Fact[[]Trial]   // writes that were tried
	Processes    Fact[[]Process] // of the container's pid namespace
	Hidden       string          // why some of its processes were not seen in full; empty when all were
	Unheld       string          // why it is not known which of them hold listening sockets; empty when it is
	Privileged   Fact[bool]
	Masked       Fact[[]string] // kernel paths hidden from the container
	Namespaces   Fact[Namespaces]
	Devices      Fact[[]string]
	Ports        Fact[[]Port]
	Networks     Fact[[]Network]
	Listening    Fact[[]int]
	Memory       Fact[int64]   // bytes; 0 is unlimited
	MemorySwap   Fact[int64]   // bytes of memory and swap together; 0 is unlimited
	CPUs         Fact[float64] // processors; 0 is unlimited
	PIDs         Fact[int64]   // 0 is unlimited
	OpenFiles    Fact[int64]   // soft limit; 0 is unlimited
	CoreSize     Fact[int64]   // bytes; -1 is unlimited
	OOMKilled    Fact[bool]
	Stop         Fact[Stop]
	Restart      Fact[Restart]
	Health       Fact[Health]
	Environment  Fact[[]Variable]
	Arguments    Fact[[]string] // entry point, command and labels: where secrets must not be
	Secrets      Fact[[]Secret]
	Log          Fact[Log]
	Image        Fact[Image]
	Keeping      Fact[Keeping]
	Sites        Fact[[]Site]   // that the service serves to the world
	Loaded       Fact[string]   // digest of the configuration that an edge runs with
	Differences  Fact[[]string] // of the container, its networks and its volumes from what was rendered; not set where nothing was compared
	Surface
	Declaration Fact[Declaration]
}

// State is what the engine says about a container.
type State struct {
	Running    bool
	Paused     bool
	Restarting bool
	Restarts   int
	Done       bool // it ended with 0, and is not started again
}

// Mount is a mount point in the container.
type Mount struct {
	Path     string
	Kind     string // tmpfs, volume or bind
	Source   string // path on the host, for a bind
	Volume   string // name on the engine, for a volume
	Writable bool
	Exec     bool // programs on it may run
	SUID     bool // setuid bits on it count
	Dev      bool // device files on it work
	Size     int64
	Shared   bool   // mount events propagate to the host
	Owned    bool   // a tmpfs that says whose it is
	Local    bool   // a volume of the engine's own, in its own directory: it has no options
	Device   string // path of the host that a volume shows by its options
	External bool   // a volume that is made elsewhere: what it shows of the host is not known
}

// Trial is a write that was tried as the service's user. Error is the kernel's name for the refusal, such as EROFS;
// it is empty when the write succeeded.
type Trial struct {
	Path  string
	Error string
}

// Process is one process of the container.
type Process struct {
	PID         int
	Name        string
	UIDs        [4]int // real, effective, saved, file system
	GIDs        [4]int
	Groups      []int
	GroupNames  []string // groups that are asked for by a name, which the image turns into a number
	Bounding    uint64   // capability sets, one bit per capability
	Effective   uint64
	Permitted   uint64
	Inheritable uint64
	Ambient     uint64
	NoNewPrivs  bool
	Seccomp     int // 0 off, 1 strict, 2 filter
	LSM         string
	Parent      int    // pid of the parent; 0 is outside the container
	State       string // one letter: R, S, D, Z and others
	Caught      uint64 // signals with a handler, one bit per signal
	Blocked     uint64
	Ignored     uint64
	Entered     bool     // started from outside: a hook, a health test, docker exec
	Group       int      // its process group, by the number in the container; 0 is not known
	Listens     []int    // ports of the listening sockets that it holds
	Options     []string // of an init: what it was told about signals

	NoUser  string // why its user is not known; empty when it is
	NoGroup string // why its groups are not all known
}

// Namespaces says which namespaces are the host's.
type Namespaces struct{ HostPID, HostIPC, HostNetwork, HostUTS, HostUser bool }

// Port is a published port.
type Port struct {
	Address   string
	Host      int
	Container int
	Protocol  string
}

// Network is a network that the service is on.
type Network struct {
	Name     string
	Internal bool
	Default  bool // the engine's docker0 bridge
	External bool // made elsewhere: whether it leads out is not known
	Driver   string
}

// Stop is how the container is stopped.
type Stop struct {
	Signal string
	Grace  time.Duration
	Init   bool // the engine's init is PID 1
}

// Restart is the restart policy; Retries counts for on-failure only.
type Restart struct {
	Policy  string
	Retries int
}

// Health is the health test and, for a running container, its result.
type Health struct {
	Test    []string // empty when there is none
	Status  string   // healthy, unhealthy, starting; empty when not observed
	Proven  bool     // at least one test has passed
	Streak  int      // failures in a row
	Missing bool     // the program of the test is not in the image

	Age time.Duration // since the last test that passed; 0 when it is not known
	Due time.Duration // within which tests come: twice their interval, and the time that each may take
}

// Variable is an environment variable. The value is kept out of every finding.
type Variable struct {
	Name  string
	Value string
}

// Secret is a file delivered to the service.
type Secret struct {
	Name     string
	Readable bool // by the service's user
	Others   bool // mode grants group or others
	Writable bool // the mount allows writing
}

// Log is the log driver with its bounds.
type Log struct {
	Driver  string
	Bounded bool

	NonBlocking bool // the service does not wait for a log server
}

// Image is what the container was made from.
type Image struct {
	Reference string
	ID        string
}

// Declaration is what only the text of a stack shows: how it was written, before an engine made something of it.
type Declaration struct {
	User     string   // as written; empty for the image's own
	Hostname string   // empty for one that changes with every container
	Prepared bool     // volumes are handed to the service's user before it starts
	Loose    []string // secrets and configs that are not files
	Waits    []string // services that must be healthy first and have no health test
	Target   string   // compose or swarm
	Pull     string   // when the image is pulled; empty for the default
	Keys     []string // keys of the service as written, for what the target drops
}

// Intent is what the profile grants a service. Whatever is not in it must not be.
type Intent struct {
	UID, GID         int
	Root             bool   // an exception allows uid 0
	FileCapabilities uint64 // those of Capabilities that a program carries, and does not start without
	Capabilities     uint64
	Kept             uint64 // capabilities that an exception leaves the service, without granting any
	Writable         []Mount
	Host             []Mount // paths of the host that an exception lets the service read
	Denied           []string
	Ports            []Port
	Networks         []string
	Peers            []string // services that share a network
	Egress           bool
	Listen           []int // nil when not declared
	ListenUDP        []int // ports for datagrams, on top of the published ones
	Tops             []Top // of the volumes that it writes
	Memory           int64
	CPUs             float64
	PIDs             int64
	Stop             Stop
	Replicas         int // containers; 0 is one
	Secrets          []string
	Image            string
	Preset           string           // tells what the image is made of, when its name does not
	Loaded           string           // digest of the configuration of an edge
	Images           lifecycle.Images // what is known of the life of images
	Engine           lifecycle.Engine // what is known of the engine and its filter
	Today            time.Time        // day of the check
	Untested         string           // why the image cannot test itself, as its preset says; empty when it can
	Once             bool             // it runs once, and others wait until it has ended with 0
	NoTest           string           // why there is no health test, as an exception says that lasts; empty without one
}

// String returns address:host→container/protocol.
func (p Port) String() string {
	address := p.Address
	if a, err := netip.ParseAddr(address); err == nil && a.Is6() {
		address = "[" + address + "]"
	}
	return fmt.Sprintf("%s:%d→%d/%s", address, p.Host, p.Container, p.Protocol)
}

// Public reports whether every network of the host reaches the port.
func (p Port) Public() bool {
	a, err := netip.ParseAddr(strings.Trim(p.Address, "[]"))
	return err != nil || a.Unmap().WithZone("").IsUnspecified() // ::ffff:0.0.0.0 is every address, too
}

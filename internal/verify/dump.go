package verify

import (
	"context"
	"errors"
	"time"

	"github.com/hsectl/hsectl/internal/verify/kernel"
)

// Look looks at a container whose first process has a number on this machine. Id is the container's whole id.
type Look func(ctx context.Context, pid int, id string, r Request) (*Dump, error)

// ErrRemote is a container that does not run on this machine, or that this program may not look at.
var ErrRemote = errors.New("the container runs on another machine")

// Subject is a container that a survey of a whole machine looks at, and what was seen of it, if it could be entered.
type Subject struct {
	PID  int     `json:"pid"` // of its first process, on the machine
	ID   string  `json:"id"`
	Ask  Request `json:"ask"`
	Dump *Dump   `json:"dump"`
}

// Dump is what a probe inside a container's pid namespace saw, unjudged: the kernel's own text, and the result of
// what was tried. Parsing it is pure, so a probe stays small and every parser can be fuzzed.
type Dump struct {
	Processes []RawProcess      `json:"processes"`
	Cgroup    map[string]string `json:"cgroup"`  // content of the files of PID 1's control group, by name
	Foreign   bool              `json:"foreign"` // the files of the limits belong to a user outside the container's namespace
	Trials    []Trial           `json:"trials"`  // writes
	Secrets   []SecretFile      `json:"secrets"` // files under /run/secrets
	Kernel    []string          `json:"kernel"`  // those of MaskedPaths and ReadOnlyPaths that this kernel has
	Errors    []string          `json:"errors"`  // what could not be read, and why
	Hidden    string            `json:"hidden"`  // why some processes are missing, or their state is
	Barred    string            `json:"barred"`  // why nothing could be tried in the container's file system

	Namespaces  map[string]string `json:"namespaces"`  // of PID 1, by name: pid:[4026531836]
	Reached     []Reached         `json:"reached"`     // connections that were tried
	Exposed     []string          `json:"exposed"`     // variables and arguments that look like secrets, by name
	EnvironRead int               `json:"environRead"` // processes whose environment could be read
	Attempts    []Trial           `json:"attempts"`    // what was tried on a copy; Path names it
	Answer      *Answer           `json:"answer"`      // to Ask
	Answers     []Answer          `json:"answers"`     // to Asks, in their order
	Used        map[string]int64  `json:"used"`        // bytes in each file system of Used, by path; what could not be read is missing
	Open        int               `json:"open"`        // connections with Peers
	HostNet     string            `json:"hostNet"`     // network namespace of the machine, when the looker is on it
	Changed     *[]string         `json:"changed"`     // paths in the container's own layer; nil when it cannot be seen

	Machine *Machine          `json:"machine,omitempty"` // nil where the processes of the machine cannot be seen
	Wires   map[string][]byte `json:"wires"`             // what the kernel says of the network, by question
	Names   kernel.Names      `json:"names"`             // files by which names are resolved
	Special []Special         `json:"special"`           // files in writable places that give rights
	Nodes   []kernel.Node     `json:"nodes"`             // device files in /dev
	Tops    []Top             `json:"tops"`              // of volumes

	Unfinished map[string]string `json:"unfinished,omitempty"` // why a look was not finished, by its name
}

// Looks that may be left unfinished: a container decides how much there is to see.
const (
	LookSecrets = "secrets"
	LookExposed = "exposed"
	LookChanged = "changed"
	LookSockets = "sockets"
	LookMachine = "machine"
	LookWires   = "wires"
	LookSpecial = "special"
	LookNodes   = "nodes"
)

// Target is a port of another service. The caller knows the address.
type Target struct {
	Service string `json:"service"`
	Address string `json:"address"`
	Port    int    `json:"port"`
}

// Reached is the result of connecting to a target: the kernel's name for the refusal, or nothing.
type Reached struct {
	Target
	Error string `json:"error"`
}

// RawProcess is the text of the files under /proc/PID, by name; PID 1 has more of them than the others.
type RawProcess struct {
	PID     int               `json:"pid"`
	Files   map[string]string `json:"files"`
	Unread  []string          `json:"unread,omitempty"`  // files that are there and could not be read, or not to their end
	Listens []int             `json:"listens,omitempty"` // ports of the listening sockets that it holds
	Options []string          `json:"options,omitempty"` // of an init: what it was told about signals
}

// Trial is the result of one attempt to write. Error is the kernel's name for the refusal, such as EROFS, or empty.
type Trial struct {
	Path  string `json:"path"`
	Error string `json:"error"`
}

// SecretFile is a file under /run/secrets as the service's user sees it. Its content is never read out.
type SecretFile struct {
	Name     string `json:"name"`
	Mode     uint32 `json:"mode"`
	Readable bool   `json:"readable"`
}

// Request says what a probe is to try.
type Request struct {
	Write   []string `json:"write"`   // directories or files to which a write is tried
	Secrets string   `json:"secrets"` // directory of the secrets, or empty
	Connect []Target `json:"connect"` // ports of other services
	Deep    bool     `json:"deep"`    // try on a copy of the container what its settings allow
	Attempt bool     `json:"attempt"` // this is the copy
	Take    int64    `json:"take"`    // only take this much memory, in bytes, until it is killed
	Loaded  string   `json:"-"`       // configuration that the service should have loaded, where it tells
	Volumes []string `json:"volumes"` // paths of volumes whose top directories count
	Written string   `json:"-"`       // where the engine keeps the resolver's file of the container, on its machine
	Ask     *Check   `json:"ask"`     // only put this question, from the network namespace that the probe is in
	Asks    []Check  `json:"asks"`    // questions to put from the container's network
	Only    bool     `json:"only"`    // do nothing but ask, and read what is used
	Used    []string `json:"used"`    // directories of each tmpfs whose use is read
	Peers   []string `json:"peers"`   // addresses whose open connections are counted
	Outside bool     `json:"-"`       // ask from the network of whoever started the container: that of its machine

	Hold  *Hold `json:"hold,omitempty"`  // only hold programs, and say what comes of it
	Trace bool  `json:"trace,omitempty"` // this is a child of the copy, which tries to trace it
}

// Hold asks a probe to hold programs until a signal is on its way to each: a program that is held does not act on a signal, which the kernel
// then shows.
type Hold struct {
	PIDs   []int         `json:"pids"`
	Signal int           `json:"signal"`
	Settle time.Duration `json:"settle"` // how long to hold one that has got the signal
	Most   time.Duration `json:"most"`   // how long to hold one that has not
}

// KernelPaths are the paths that an engine must hide from containers, where the kernel has them.
func KernelPaths() []string { return []string{"/proc/kcore", "/proc/keys", "/proc/timer_list"} }

// MaskedPaths are those that an engine may be told to hide (moby, oci/defaults.go), but for one of each processor.
func MaskedPaths() []string {
	return append(KernelPaths(), "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware")
}

// ReadOnlyPaths are those that an engine makes read-only, where the kernel has them.
func ReadOnlyPaths() []string {
	return []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
}

// ProcessFiles are the files under /proc/PID that a probe reads of every process, and of PID 1.
func ProcessFiles() (each, first []string) {
	return []string{"status", "limits", "attr/current"},
		[]string{"mountinfo", "cgroup", "net/tcp", "net/tcp6", "net/udp", "net/udp6", "net/route", "net/ipv6_route", "oom_score_adj", "uid_map"}
}

// OptionalFile tells a file that some kernels do not have.
func OptionalFile(name string) bool {
	return name == "net/ipv6_route" || name == "uid_map" || name == "net/udp6"
}

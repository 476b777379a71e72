package policy

import "time"

// Surface is what a container touches beyond its own files: the kernel, the host, its peers, and its image.
type Surface struct {
	User       Fact[string] // as the container was made with
	Shm        Fact[Shm]
	Changes    Fact[[]string] // files that differ from the image
	Filter     Fact[string]   // system calls: default, custom, or unconfined
	Sysctls    Fact[[]string]
	Cgroup     Fact[Cgroup]
	Runtime    Fact[string]
	Borrowed   Fact[[]string] // namespaces of other containers
	OOM        Fact[OOM]
	Confined   Fact[string]      // what is asked of the security module: default, custom, or unconfined
	Unjudged   Fact[[]string]    // what is written and no control judges
	ExtraHosts Fact[[]string]    // name:address
	WayOut     Fact[bool]        // there is a default route
	Reach      Fact[[]Reach]     // connections to other services that were tried
	Neighbours Fact[[]Neighbour] // other containers that share something with the service
	Calls      Fact[[]Call]      // questions that its callers have put to the service
	Engine     Fact[string]      // version of the engine
	Attempts   Fact[[]Trial]     // what was tried on a copy of the container; Path names it
	DependsOn  Fact[[]Relation]  // other services, with the condition that is waited for
	Exposed    Fact[[]string]    // variables and arguments of processes that look like secrets, by name
	Origin     Fact[Origin]
	SameUser   Fact[[]string]     // other services with the same uid
	Sources    Fact[[]SourceFile] // files that secrets come from, on the machine that deploys
	HostNet    Fact[bool]         // the network namespace is that of the machine, which the kernel itself says
	Remap      Fact[Remap]
	Entries    Fact[Entries]
	Intrusion
}

// Intrusion is what appears in a running container that nothing rendered puts there.
type Intrusion struct {
	Strangers Fact[[]string] // processes in its namespaces or control group that are not its own, and where
	Wiring    Fact[[]string] // interfaces, addresses, routes and rules that its networks do not give it
	Names     Fact[[]string] // lines by which names are resolved that the engine did not write
	Special   Fact[[]string] // files in writable places that give rights: setuid, setgid, capabilities, devices
	Openable  Fact[[]string] // devices that it may use, and no engine allows
	UDP       Fact[[]int]    // ports on which it can be sent datagrams
	Tops      Fact[[]Top]    // of its volumes
}

// Top is the top directory of a volume.
type Top struct {
	Path     string
	UID, GID int
	Mode     int  // permissions, with setuid, setgid and sticky
	Prepared bool // deploy has given it its owner and its mode
}

// Entries are what came into the container from outside, as far as the engine remembers.
type Entries struct {
	Commands []string      // programs that exec started, but for the health test, and attach; without arguments, which may be secret
	Covered  time.Duration // that the engine remembers, at most since the container was started
}

// SourceFile is a file that a secret comes from. Its content is not looked at.
type SourceFile struct {
	Path    string
	Missing bool
	Mode    int
	Owner   int  // uid
	Reader  int  // uid of the deploying user
	Kept    bool // git does not ignore it
}

// Remap is what becomes of user ids.
type Remap struct {
	Engine   bool // the engine maps the ids of containers to others
	Identity bool // the container's ids are the host's
}

// Shm is /dev/shm.
type Shm struct {
	Size int64 // bytes; 0 has no bound
	Exec bool
}

// Cgroup is the control group and how the container sees it.
type Cgroup struct {
	V2       bool
	Host     bool   // the namespace is the host's
	Parent   string // set to another than the engine's own
	Writable bool
}

// OOM is what happens when memory runs out.
type OOM struct {
	Disabled bool // the kernel may not kill the container
	Score    int  // below 0 others are killed first
}

// Reach is an attempt to connect to a port of another service.
type Reach struct {
	Service string
	Port    int
	Open    bool
}

// Neighbour is a container that is not the service's, and what it shares with it.
type Neighbour struct {
	Container, Shares string
	Machine           bool // it shares no more than every process of the machine does
}

// Call is a question to a service, and what came of it.
type Call struct {
	From string // who asked
	What string // by which way: a port, a site, a dependency
	OK   bool
	Text string // the answer, or why it is not good
	Why  string // why it could not be asked
}

// Relation is a service that is started first.
type Relation struct{ Service, Condition string }

// Origin is what the image's own configuration says.
type Origin struct {
	User       string
	StopSignal string
	Exposed    []int
	Volumes    []string
	Tested     bool     // there is a HEALTHCHECK
	Secrets    []string // variables, labels and build steps that look like secrets, by name
}

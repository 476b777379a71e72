// Package doctor recognises why a service is not well by what its container printed and how it ended. It is pure.
package doctor

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/docker/go-units"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/stack"
)

// Symptom is how a service's container stands, with what it printed last.
type Symptom struct {
	Service  string
	Missing  bool   // there is no container
	NoImage  bool   // nor its image
	Short    string // fewer containers than declared, and the others are well: 2 of 3 containers
	State    string
	ExitCode int
	OOM      bool
	Restarts int
	PIDs     int      // processes and threads of one that runs, 0 when the engine did not tell
	Health   string   // output of the last health test that failed
	Error    string   // why the engine could not start it
	Logs     []string // without terminal escapes
	Unread   string   // why the log could not be read
}

// Sick reports whether anything is wrong.
func (s Symptom) Sick() bool {
	return s.Missing || s.Short != "" || s.OOM || s.Restarts > 0 || s.Error != "" || s.Health != "" || !slices.Contains([]string{"running", "healthy", "starting", "exited"}, s.State) || s.State == "exited" && s.ExitCode != 0
}

// Diagnosis is a cause that was recognised, what shows it, and the fix.
type Diagnosis struct {
	Service  string
	Cause    string
	Evidence string
	Advice   string // what to do when no patch can
	Patch    Patch
}

// Patch is a change of one key of a profile. Without a value and an item it only names the place where a person decides.
type Patch struct {
	Path  string // such as services.app.writable
	Value string // new value of a scalar
	Item  string // or an entry to add to a list
}

// Certain reports whether the patch can be written without a question.
func (p Patch) Certain() bool { return p.Value != "" || p.Item != "" }

// Diagnose recognises causes, the most certain first. A sick service whose cause is not recognised says so.
func Diagnose(s stack.Stack, symptoms []Symptom) []Diagnosis {
	var out []Diagnosis
	for _, symptom := range symptoms {
		service, ok := s.Service(symptom.Service)
		if !ok || !symptom.Sick() {
			continue
		}
		found := diagnose(s, service, symptom)
		if len(found) == 0 {
			found = []Diagnosis{{Cause: "the cause is not recognised", Evidence: cmp.Or(symptom.Unread, last(symptom.Logs), symptom.Health, symptom.State), Advice: "read its log: docker compose logs " + service.Name}}
		}
		for _, d := range found {
			d.Service, d.Evidence = service.Name, masked(display.Name(d.Evidence))
			if !slices.ContainsFunc(out, func(o Diagnosis) bool { return o.Service == d.Service && o.Cause == d.Cause }) {
				out = append(out, d)
			}
		}
	}
	return out
}

// masked takes words that look like secrets out of a line from a log.
func masked(line string) string {
	words := strings.Fields(line)
	for _, n := range policy.SecretArguments(words) {
		words[n-1] = "[secret]"
	}
	return strings.Join(words, " ")
}

func diagnose(s stack.Stack, service stack.Service, symptom Symptom) []Diagnosis {
	out := byState(service, symptom)
	tested := strings.Split(symptom.Health, "\n")
	for i, line := range slices.Concat(symptom.Logs, tested, []string{symptom.Error}) {
		if d, ok := unreachable(service, line); ok && i >= len(symptom.Logs) {
			out = append(out, d)
			continue
		}
		for _, k := range knownLines() {
			m := k.pattern().FindStringSubmatch(line)
			if m == nil {
				continue
			}
			if d, ok := k.explain(s, service, append(m, line)); ok {
				d.Evidence = strings.TrimSpace(line)
				out = append(out, d)
				break
			}
		}
	}
	return out
}

// byState knows what the engine says without a word from the service.
func byState(service stack.Service, symptom Symptom) []Diagnosis {
	at := "services." + service.Name
	switch {
	case symptom.NoImage:
		return []Diagnosis{{Cause: "the image is missing: " + service.Image, Evidence: "the engine does not have it", Advice: "run: hsectl build, or hsectl deploy, which pulls it", Patch: Patch{Path: at + ".image"}}}
	case symptom.Missing:
		return []Diagnosis{{Cause: "the service has no container", Evidence: "the engine knows none", Advice: "run: hsectl deploy"}}
	case symptom.Short != "":
		return []Diagnosis{{Cause: "containers are missing", Evidence: symptom.Short, Advice: "run: hsectl deploy", Patch: Patch{Path: at + ".replicas"}}}
	case symptom.State == "created" && len(service.DependsOn) > 0 && symptom.Error == "":
		return []Diagnosis{{Cause: "a dependency is not healthy", Evidence: "created, never started; waits for " + dependencies(service), Advice: "fix the dependency first: hsectl doctor", Patch: Patch{Path: at + ".depends_on"}}}
	case symptom.OOM:
		return []Diagnosis{{Cause: "the kernel killed it for memory", Evidence: "limit " + units.BytesSize(float64(service.Limits.Memory.Bytes)),
			Patch: Patch{Path: at + ".limits.memory", Value: mib(2 * service.Limits.Memory.Bytes)}}}
	case service.Limits.PIDs > 0 && symptom.PIDs >= service.Limits.PIDs,
		lineNotEntered().MatchString(symptom.Health) && symptom.PIDs > service.Limits.PIDs-threadsToEnter:
		return []Diagnosis{{Cause: "too many processes or threads", Evidence: fmt.Sprintf("it has %d of %d", symptom.PIDs, service.Limits.PIDs), Patch: morePIDs(service)}}
	case symptom.ExitCode == 137 && service.Init:
		return []Diagnosis{{Cause: "it was killed because it did not stop on " + service.Shutdown.Signal, Evidence: "exit code 137, and not for memory",
			Advice: "let the program handle the signal, or raise the grace period: hsectl drill shutdown " + service.Name + " shows how long it takes", Patch: Patch{Path: at + ".shutdown"}}}
	case symptom.ExitCode == 137:
		return []Diagnosis{{Cause: "it was killed because it did not stop on " + service.Shutdown.Signal, Evidence: "exit code 137, and not for memory",
			Patch: Patch{Path: at + ".init", Value: "true"}}}
	}
	return nil
}

// threadsToEnter is how many threads runc, a Go program, may want before it becomes the health test.
const threadsToEnter = 10

func morePIDs(s stack.Service) Patch {
	return Patch{Path: at(s, "limits.pids"), Value: fmt.Sprint(max(2*s.Limits.PIDs, 100))}
}

func dependencies(s stack.Service) string {
	var names []string
	for _, d := range s.DependsOn {
		names = append(names, d.Service)
	}
	return strings.Join(names, ", ")
}

func mib(bytes int64) string { return fmt.Sprintf("%dM", max(bytes>>20, 1)) }

func last(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return lines[len(lines)-1]
}

// knownLine is a line that services print, and what it means. It is explained from what the pattern found, with the whole
// line at the end.
type knownLine struct {
	pattern func() *regexp.Regexp
	explain func(stack.Stack, stack.Service, []string) (Diagnosis, bool)
}

// directoryOf guesses what to make writable for a file that could not be written.
func directoryOf(p string) string {
	p = path.Clean(strings.Trim(p, `'":,()`))
	if path.Ext(p) != "" || strings.Contains(path.Base(p), ".") {
		return path.Dir(p)
	}
	return p
}

// writableAbove returns the declared writable path that holds p.
func writableAbove(s stack.Service, p string) (stack.Writable, int, bool) {
	for i, w := range s.Writable {
		if p == w.Path || strings.HasPrefix(p, w.Path+"/") {
			return w, i, true
		}
	}
	return stack.Writable{}, 0, false
}

// The lines that are recognised. A path begins with a slash and ends before what cannot be in one.
var (
	lineReadOnly   = lazily(`(?i)(?:EROFS|read-only file ?system)`)
	linePath       = lazily(`(?:^|[\s'"(=:])(/[\w.@+-]+(?:/[\w.@+-]+)*/?)`)
	lineSecret     = lazily(`/run/secrets/([\w.-]+)`)
	lineNoSpace    = lazily(`(?i)ENOSPC|no space left on device`)
	lineNoExec     = lazily(`(?i)failed to map segment from shared object|(?:EACCES|permission denied).*\.so\b`)
	lineDenied     = lazily(`(?i)EACCES|permission denied`)
	lineChown      = lazily(`(?i)(chown|setgid|setuid|setgroups|initgroups|raw socket|ping|mlock|nice)\b.*(?:EPERM|operation not permitted)`)
	lineFormat     = lazily(`(?i)exec format error`)
	lineNoProgram  = lazily(`(?i)exec: "?([^":]+)"?: (?:executable file not found|stat .*no such file|no such file)`)
	linePortTaken  = lazily(`(?i)port is already allocated|(?:bind|listen).*address already in use|EADDRINUSE`)
	lineNoName     = lazily(`(?i)(?:ENOTFOUND|EAI_AGAIN|no such host|could not resolve host:?|could not translate host name|name or service not known|temporary failure in name resolution|lookup \S+.*(?:i/o timeout|server misbehaving))`)
	lineManyFiles  = lazily(`(?i)EMFILE|too many open files`)
	lineManyTasks  = lazily(`(?i)can't start new thread|failed to create new OS thread|pthread_create.*(?:failed|resource temporarily)|fork.*resource temporarily unavailable|cannot fork`)
	lineNotEntered = lazily(`unable to start container process: (?:read init-p|error (?:during|executing)|can't get final child|.*procReady)|(?i:fork/exec|clone).*resource temporarily unavailable`)
	lineHeap       = lazily(`(?i)heap out of memory|OutOfMemoryError|out of memory allocating`)
	lineRefused    = lazily(`(?i)ECONNREFUSED|connection refused`)
	lineVariable   = lazily(`(?i)\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b.*(?:is not set|is required|must be set|is missing|not defined|is unspecified)`)
	lineShmTooBig  = lazily(`(?i)could not resize shared memory segment|/dev/shm.*no space`)
	lineMustBeRoot = lazily(`(?i)must be (?:run|started|executed) as root|requires root|you need to be root`)
)

// lazily compiles a pattern when it is first needed: no other verb than doctor reads log lines.
func lazily(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

// knownLines are tried in this order: what is more exact comes first.
func knownLines() []knownLine {
	return []knownLine{
		{lineReadOnly, readOnlyPath},
		{linePassword, wrongPassword},
		{lineSecret, secretPath},
		{lineShmTooBig, func(_ stack.Stack, s stack.Service, _ []string) (Diagnosis, bool) {
			return Diagnosis{Cause: "shared memory is too small", Patch: Patch{Path: at(s, "shm_size"), Value: mib(max(2*s.ShmSize.Bytes, 128<<20))}}, true
		}},
		{lineNoSpace, noSpace},
		{lineNoExec, noExec},
		{lineChown, missingCapability},
		{lineDenied, denied},
		{lineFormat, func(_ stack.Stack, s stack.Service, _ []string) (Diagnosis, bool) {
			return Diagnosis{Cause: "the program is for another processor", Advice: "build or pull " + s.Image + " for the engine's platform", Patch: Patch{Path: at(s, "image")}}, true
		}},
		{lineNoProgram, noProgram},
		{linePortTaken, func(_ stack.Stack, s stack.Service, _ []string) (Diagnosis, bool) {
			return Diagnosis{Cause: "a port is taken", Advice: "stop the program that uses it (ss -lntp), or write another host port in " + at(s, "ports"), Patch: Patch{Path: at(s, "ports")}}, true
		}},
		{lineNoName, noName},
		{lineManyFiles, func(_ stack.Stack, s stack.Service, _ []string) (Diagnosis, bool) {
			return Diagnosis{Cause: "too many open files", Patch: Patch{Path: at(s, "open_files"), Value: fmt.Sprint(max(2*s.OpenFiles, 1024))}}, true
		}},
		{lineManyTasks, func(_ stack.Stack, s stack.Service, _ []string) (Diagnosis, bool) {
			return Diagnosis{Cause: "too many processes or threads", Patch: morePIDs(s)}, true
		}},
		{lineHeap, func(_ stack.Stack, s stack.Service, _ []string) (Diagnosis, bool) {
			return Diagnosis{Cause: "the runtime's own heap is full", Patch: Patch{Path: at(s, "limits.memory"), Value: mib(2 * s.Limits.Memory.Bytes)}}, true
		}},
		{lineVariable, missingVariable},
		{lineRefused, refused},
		{lineMustBeRoot, func(_ stack.Stack, s stack.Service, _ []string) (Diagnosis, bool) {
			return Diagnosis{Cause: "the program requires root", Advice: "start it with the entry point of a non-root variant of the image, or prepare what it does as root in the Dockerfile", Patch: Patch{Path: at(s, "entrypoint")}}, true
		}},
	}
}

func at(s stack.Service, key string) string { return "services." + s.Name + "." + key }

// firstPath finds the first path of a line that is not a program's own place of error.
func firstPath(line string) string {
	m := linePath().FindStringSubmatch(line)
	if m == nil {
		return ""
	}
	return strings.TrimRight(m[1], "/.")
}

func readOnlyPath(_ stack.Stack, s stack.Service, m []string) (Diagnosis, bool) {
	p := firstPath(last(m))
	if p == "" {
		return Diagnosis{Cause: "it writes to a path that is not declared", Advice: "find the path in its log, and add it to " + at(s, "writable"), Patch: Patch{Path: at(s, "writable")}}, true
	}
	dir := directoryOf(p)
	if dir == "/" {
		return Diagnosis{Cause: "it writes to /", Advice: "let the program write to a directory of its own, and declare that in " + at(s, "writable"), Patch: Patch{Path: at(s, "writable")}}, true
	}
	return Diagnosis{Cause: "it writes to " + p + ", which is not declared", Patch: Patch{Path: at(s, "writable"), Item: "{path: " + dir + ", tmpfs: 16M}"}}, true
}

func secretPath(in stack.Stack, s stack.Service, m []string) (Diagnosis, bool) {
	if slices.ContainsFunc(s.Secrets, func(f stack.SecretFile) bool { return f.Name == m[1] }) {
		return Diagnosis{Cause: "a secret is declared, but was not delivered", Advice: "run: hsectl deploy"}, true
	}
	d := Diagnosis{Cause: "it reads the secret " + m[1] + ", which it does not declare", Patch: Patch{Path: at(s, "secrets"), Item: m[1]}}
	if !slices.ContainsFunc(in.Secrets, func(x stack.Secret) bool { return x.Name == m[1] }) {
		d.Patch, d.Advice = Patch{}, "declare it under secrets: of the stack and of the service"
	}
	return d, true
}

func noSpace(_ stack.Stack, s stack.Service, m []string) (Diagnosis, bool) {
	if w, i, ok := writableAbove(s, firstPath(last(m))); ok && w.Volume == "" {
		return Diagnosis{Cause: w.Path + " is full", Patch: Patch{Path: fmt.Sprintf("%s[%d].tmpfs", at(s, "writable"), i), Value: mib(2 * w.Size.Bytes)}}, true
	}
	return Diagnosis{Cause: "a writable path is full", Advice: "raise the size of its tmpfs in " + at(s, "writable") + ", or free the volume's disk", Patch: Patch{Path: at(s, "writable")}}, true
}

func noExec(_ stack.Stack, s stack.Service, _ []string) (Diagnosis, bool) {
	return Diagnosis{Cause: "it loads a library from a path that runs no programs", Advice: "write exec: true for that tmpfs in " + at(s, "writable"), Patch: Patch{Path: at(s, "writable")}}, true
}

func missingCapability(_ stack.Stack, s stack.Service, m []string) (Diagnosis, bool) {
	name := map[string]string{"chown": "CHOWN", "setgid": "SETGID", "setgroups": "SETGID", "initgroups": "SETGID", "setuid": "SETUID",
		"raw socket": "NET_RAW", "ping": "NET_RAW", "mlock": "IPC_LOCK", "nice": "SYS_NICE"}[strings.ToLower(m[1])]
	if name == "CHOWN" || name == "SETGID" || name == "SETUID" {
		return Diagnosis{Cause: "its entry point wants to change users, which needs " + name,
			Advice: "start the program as its own user instead: entrypoint: or a preset; deploy hands volumes over, so that nothing must be chowned", Patch: Patch{Path: at(s, "entrypoint")}}, true
	}
	if s.User.UID != 0 {
		// The engine gives an added capability to root only: for others it is in the bounding set, and no program may take it.
		advice := map[string]string{"NET_RAW": "use datagram sockets of ICMP, which the engine lets every user open"}[name]
		return Diagnosis{Cause: "it needs the capability " + name, Advice: cmp.Or(advice, "let the program do without") + "; a capability does not reach a user that is not root",
			Patch: Patch{Path: at(s, "capabilities")}}, true
	}
	return Diagnosis{Cause: "it needs the capability " + name, Patch: Patch{Path: at(s, "capabilities"), Item: "{name: " + name + ", reason: the log says that it is refused}"}}, true
}

func denied(_ stack.Stack, s stack.Service, m []string) (Diagnosis, bool) {
	p := firstPath(last(m))
	if w, _, ok := writableAbove(s, p); ok && w.Volume != "" {
		return Diagnosis{Cause: fmt.Sprintf("the files in volume %s are not those of %d:%d", w.Volume, w.Owner.UID, w.Owner.GID),
			Advice: fmt.Sprintf("change their owner once: docker run --rm -v VOLUME:/v IMAGE chown -R %d:%d /v", w.Owner.UID, w.Owner.GID), Patch: Patch{Path: at(s, "writable")}}, true
	}
	if p != "" {
		return Diagnosis{Cause: "its user may not use " + p, Advice: fmt.Sprintf("the service runs as %d:%d: declare the path in %s, or change its owner in the Dockerfile", s.User.UID, s.User.GID, at(s, "writable")), Patch: Patch{Path: at(s, "writable")}}, true
	}
	return Diagnosis{Cause: "its user may not use a path", Advice: fmt.Sprintf("check its owner; the service runs as %d:%d", s.User.UID, s.User.GID), Patch: Patch{Path: at(s, "user")}}, true
}

func noProgram(_ stack.Stack, s stack.Service, m []string) (Diagnosis, bool) {
	if s.Health != nil && len(s.Health.Test) > 1 && (s.Health.Test[1] == m[1] || s.Health.Test[0] == "CMD-SHELL" && strings.HasSuffix(m[1], "sh")) {
		return Diagnosis{Cause: "the program of the health test is not in the image: " + m[1], Advice: "use a program of the image in " + at(s, "health"), Patch: Patch{Path: at(s, "health")}}, true
	}
	key := "command"
	if len(s.Entrypoint) > 0 {
		key = "entrypoint"
	}
	return Diagnosis{Cause: "the program is not in the image: " + m[1], Advice: "name one that is, with its whole path", Patch: Patch{Path: at(s, key)}}, true
}

func noName(in stack.Stack, s stack.Service, m []string) (Diagnosis, bool) {
	for _, other := range in.Services {
		if other.Name == s.Name || !regexp.MustCompile(`\b`+regexp.QuoteMeta(other.Name)+`\b`).MatchString(last(m)) || len(other.Networks) == 0 {
			continue
		}
		if slices.ContainsFunc(other.Networks, func(n string) bool { return slices.Contains(s.Networks, n) }) {
			return Diagnosis{Cause: other.Name + " is not up yet", Patch: Patch{Path: at(s, "depends_on"), Item: other.Name}}, true
		}
		return Diagnosis{Cause: "it shares no network with " + other.Name, Patch: Patch{Path: at(s, "networks"), Item: other.Networks[0]}}, true
	}
	return Diagnosis{Cause: "a name cannot be found", Advice: "put both services on one network, or give a network egress: true for names outside", Patch: Patch{Path: at(s, "networks")}}, true
}

func missingVariable(in stack.Stack, s stack.Service, m []string) (Diagnosis, bool) {
	if slices.ContainsFunc(s.Environment, func(v stack.Variable) bool { return v.Name == m[1] }) {
		return Diagnosis{}, false
	}
	return Diagnosis{Cause: "the variable " + m[1] + " is missing", Advice: "set it in " + at(s, "environment") + "; as a secret, when it is one", Patch: Patch{Path: at(s, "environment")}}, true
}

// ownAddress finds the service's own address in what its health test says.
var ownAddress = regexp.MustCompile(`\b(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?`)

// unreachable is a health test that finds nothing at the service's own address.
func unreachable(s stack.Service, line string) (Diagnosis, bool) {
	own := ownAddress.FindString(line)
	if own == "" || !lineRefused().MatchString(line) {
		return Diagnosis{}, false
	}
	return Diagnosis{Cause: "nothing listens at " + own + ", where its health test asks", Evidence: strings.TrimSpace(line),
		Advice: "point the test at the port on which the service listens, or give it more time to start", Patch: Patch{Path: at(s, "health")}}, true
}

func refused(_ stack.Stack, s stack.Service, _ []string) (Diagnosis, bool) {
	return Diagnosis{Cause: "something that it needs does not answer", Advice: "name it in " + at(s, "depends_on") + ", so that it is healthy first", Patch: Patch{Path: at(s, "depends_on")}}, true
}

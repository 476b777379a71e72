package verify

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/stack"
)

// The lines that are recognised. A path begins with a slash and ends before what cannot be in one.
var (
	lineReadOnly   = regexp.MustCompile(`(?i)(?:EROFS|read-only file ?system)`)
	linePath       = regexp.MustCompile(`(?:^|[\s'"(=:])(/[\w.@+-]+(?:/[\w.@+-]+)*/?)`)
	lineSecret     = regexp.MustCompile(`/run/secrets/([\w.-]+)`)
	lineNoSpace    = regexp.MustCompile(`(?i)ENOSPC|no space left on device`)
	lineNoExec     = regexp.MustCompile(`(?i)failed to map segment from shared object|(?:EACCES|permission denied).*\.so\b`)
	lineDenied     = regexp.MustCompile(`(?i)EACCES|permission denied`)
	lineChown      = regexp.MustCompile(`(?i)(chown|setgid|setuid|setgroups|initgroups|raw socket|ping|mlock|nice)\b.*(?:EPERM|operation not permitted)`)
	lineFormat     = regexp.MustCompile(`(?i)exec format error`)
	lineNoProgram  = regexp.MustCompile(`(?i)exec: "?([^":]+)"?: (?:executable file not found|stat .*no such file|no such file)`)
	linePortTaken  = regexp.MustCompile(`(?i)port is already allocated|(?:bind|listen).*address already in use|EADDRINUSE`)
	lineNoName     = regexp.MustCompile(`(?i)(?:ENOTFOUND|EAI_AGAIN|no such host|could not resolve host:?|could not translate host name|name or service not known|temporary failure in name resolution|lookup \S+.*(?:i/o timeout|server misbehaving))`)
	lineManyFiles  = regexp.MustCompile(`(?i)EMFILE|too many open files`)
	lineManyTasks  = regexp.MustCompile(`(?i)can't start new thread|failed to create new OS thread|pthread_create.*(?:failed|resource temporarily)|fork.*resource temporarily unavailable|cannot fork`)
	lineNotEntered = regexp.MustCompile(`unable to start container process: (?:read init-p|error (?:during|executing)|can't get final child|.*procReady)|(?i:fork/exec|clone).*resource temporarily unavailable`)
	lineHeap       = regexp.MustCompile(`(?i)heap out of memory|OutOfMemoryError|out of memory allocating`)
	lineRefused    = regexp.MustCompile(`(?i)ECONNREFUSED|connection refused`)
	lineVariable   = regexp.MustCompile(`(?i)\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b.*(?:is not set|is required|must be set|is missing|not defined|is unspecified)`)
	lineShmTooBig  = regexp.MustCompile(`(?i)could not resize shared memory segment|/dev/shm.*no space`)
	lineMustBeRoot = regexp.MustCompile(`(?i)must be (?:run|started|executed) as root|requires root|you need to be root`)
)

// knownLines are tried in this order: what is more exact comes first.
func knownLines() []knownLine {
	return []knownLine{
		{lineReadOnly, readOnlyPath},
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
			return Diagnosis{Cause: "a port is taken", Advice: "end what has it (ss -lntp), or write another host port in " + at(s, "ports"), Patch: Patch{Path: at(s, "ports")}}, true
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
			return Diagnosis{Cause: "the program wants to be root", Advice: "start it with the entry point of a non-root variant of the image, or prepare what it does as root in the Dockerfile", Patch: Patch{Path: at(s, "entrypoint")}}, true
		}},
	}
}

func at(s stack.Service, key string) string { return "services." + s.Name + "." + key }

// firstPath finds the first path of a line that is not a program's own place of error.
func firstPath(line string) string {
	m := linePath.FindStringSubmatch(line)
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
			Advice: fmt.Sprintf("hand them over once: docker run --rm -v VOLUME:/v IMAGE chown -R %d:%d /v", w.Owner.UID, w.Owner.GID), Patch: Patch{Path: at(s, "writable")}}, true
	}
	if p != "" {
		return Diagnosis{Cause: "its user may not use " + p, Advice: fmt.Sprintf("the service runs as %d:%d: declare the path in %s, or change its owner in the Dockerfile", s.User.UID, s.User.GID, at(s, "writable")), Patch: Patch{Path: at(s, "writable")}}, true
	}
	return Diagnosis{Cause: "its user may not use a path", Advice: fmt.Sprintf("see whose it is; the service runs as %d:%d", s.User.UID, s.User.GID), Patch: Patch{Path: at(s, "user")}}, true
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

// deaf is a health test that finds nobody at the service's own address.
func deaf(s stack.Service, line string) (Diagnosis, bool) {
	own := ownAddress.FindString(line)
	if own == "" || !lineRefused.MatchString(line) {
		return Diagnosis{}, false
	}
	return Diagnosis{Cause: "nothing listens at " + own + ", where its health test asks", Evidence: strings.TrimSpace(line),
		Advice: "let the test ask where the service listens, or give it more time to start", Patch: Patch{Path: at(s, "health")}}, true
}

func refused(_ stack.Stack, s stack.Service, _ []string) (Diagnosis, bool) {
	return Diagnosis{Cause: "something that it needs does not answer", Advice: "name it in " + at(s, "depends_on") + ", so that it is healthy first", Patch: Patch{Path: at(s, "depends_on")}}, true
}

package doctor

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/stack"
)

// Places is what an image has at paths that a log names.
type Places map[string]Place

// Place is what an image has at a path.
type Place uint8

// What an image has at a path. The zero Place was not looked at.
const (
	Unseen Place = iota
	Absent
	Empty // a directory without entries
	Full  // a directory with entries, or a file
)

// maxPlaces bounds how many paths are looked at for one log.
const maxPlaces = 12

var (
	linePath = lazily("(?:^|[\\s'\"(=:\\x60‘’“\\[,<>])(/[\\w.@+-]+(?:/[\\w.@+-]+)*/?)")
	// linePlace is what follows the name of a script or source file that only says where the error was raised.
	linePlace = lazily(`^(?:: line \d+|:\d+|: \d+: |", line \d+|: (?:cannot|can't|error|fatal|info|warning)\b)`)
	lineMakes = lazily(`(?i)mkdir|mkdtemp|create (?:the )?director|creating director|make director|MakeDirs?\b|CreateDirectory|scandir|opendir`)
	lineFile  = lazily(`(?i)\b(?:open|fopen|write|creat|create|touch|unlink|remove|rename|copyfile|bind|link|symlink|stream|sed|cp|mv|tee|mkstemp|rb_sysopen|file_put_contents)\b`)
	lineMaker = lazily(`(?i)mkdir|mkdtemp|rename|copyfile|symlink|bind|mkstemp|\b(?:creat|create|creating|write|writing|touch|append)\b|pid file|lock file|log file`)
)

// undeclaredPath is the cause when something is written, and the log does not say where.
const undeclaredPath = "it writes to a path that is not declared"

// subjectOf finds the path that a line complains of: the last one before the complaint, or the first one after it. The place in a
// program where the error was raised is none.
func subjectOf(line string, complaint *regexp.Regexp) string {
	at := complaint.FindStringIndex(line)
	if at == nil {
		at = []int{len(line), len(line)}
	}
	before, after, quoted := "", "", false
	for _, m := range linePath().FindAllStringSubmatchIndex(line, -1) {
		p := strings.TrimRight(line[m[2]:m[3]], "/.")
		if p == "" || linePlace().MatchString(line[m[3]:]) {
			continue
		}
		inQuotes := m[2] > 0 && strings.ContainsRune("'\"`", rune(line[m[2]-1]))
		switch {
		case m[2] < at[0] && (inQuotes || !quoted):
			before, quoted = p, inQuotes
		case m[2] >= at[0] && after == "":
			after = p
			if inQuotes && !quoted {
				before = ""
			}
		}
	}
	if before == "" {
		return after
	}
	return before
}

// nearby finds the path of a complaint on the lines around it, where runtimes print an error as an object of several lines.
func nearby(lines []string) string {
	for _, line := range lines {
		if m := lineKeyed().FindStringSubmatch(line); m != nil {
			return strings.TrimRight(m[1], "/.")
		}
	}
	return ""
}

var lineKeyed = lazily(`(?:^|[\s{,])"?(?:path|dest|file|filename)"?\s*[:=]\s*['"](/[^'"]+)['"]`)

// directoryOf guesses the directory of what could not be written.
func directoryOf(p, line string) string {
	p = path.Clean(strings.Trim(p, `'":,()`))
	for _, link := range [][2]string{{"/var/run", "/run"}, {"/var/lock", "/run/lock"}} {
		if rest, ok := strings.CutPrefix(p, link[0]); ok && (rest == "" || rest[0] == '/') {
			p = link[1] + rest
		}
	}
	for _, scratch := range []string{"/tmp", "/var/tmp", "/dev/shm"} {
		if strings.HasPrefix(p, scratch+"/") {
			return scratch
		}
	}
	base := path.Base(p)
	hidden := strings.HasPrefix(base, ".") && !strings.Contains(base[1:], ".")
	switch {
	case lineMakes().MatchString(line):
		return p
	case hidden && (transientName(base) || slices.Contains([]string{".config", ".local", ".npm", ".yarn", ".next", ".nuxt", ".m2", ".gradle", ".pki", ".dotnet", ".java"}, base)):
		return p
	case strings.Contains(base, "."), lineFile().MatchString(line):
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

// Mentioned returns the paths of a log at which it is worth looking what the image has.
func Mentioned(lines []string) []string {
	var out []string
	for _, line := range slices.Backward(lines) {
		line = cut(line)
		if len(out) >= maxPlaces {
			break
		}
		p := ""
		switch {
		case lineReadOnly().MatchString(line):
			p = subjectOf(line, lineReadOnly())
		case lineMissing().MatchString(line):
			p = subjectOf(line, lineMissing())
		}
		if lineKeyed().MatchString(line) {
			p = nearby([]string{line})
		}
		if p == "" {
			continue
		}
		for _, dir := range []string{directoryOf(p, line), path.Dir(path.Clean(p))} {
			if dir != "/" && dir != "." && !slices.Contains(out, dir) {
				out = append(out, dir)
			}
		}
	}
	return out[:min(len(out), maxPlaces)]
}

func readOnlyPath(r reading) (Diagnosis, bool) {
	s := r.service
	p := subjectOf(r.line, lineReadOnly())
	if p == "" {
		p = nearby(r.near)
	}
	if p == "" {
		return Diagnosis{Cause: undeclaredPath, Advice: "find the path in its log, and add it to " + at(s, "writable"), Patch: Patch{Path: at(s, "writable")}}, true
	}
	if w, _, ok := writableAbove(s, p); ok {
		return Diagnosis{Cause: "its container does not have " + w.Path + " as the profile declares it", Advice: "run: hsectl deploy"}, true
	}
	dir := directoryOf(p, r.line)
	if dir == "/" {
		return Diagnosis{Cause: "it writes to /", Advice: "let the program write to a directory of its own, and declare that in " + at(s, "writable"), Patch: Patch{Path: at(s, "writable")}}, true
	}
	return undeclared(r, "it writes to "+p+", which is not declared", dir), true
}

// undeclared says what to do about a directory that has to be writable.
func undeclared(r reading, cause, dir string) Diagnosis {
	d := Diagnosis{Cause: cause, Patch: Patch{Path: at(r.service, "writable")}}
	if d.Advice = forbidden(r, dir); d.Advice == "" {
		d.Patch.Item = "{path: " + dir + ", tmpfs: 16M}"
	}
	return d
}

// missingPath tells a file that is not there from a directory that could not be made: programs make it first, do not look whether that
// worked, and report the file.
func missingPath(r reading) (Diagnosis, bool) {
	s := r.service
	p := subjectOf(r.line, lineMissing())
	if p == "" {
		p = nearby(r.near)
	}
	if p == "" || path.Dir(p) == "/" && !lineMaker().MatchString(r.line) || slices.ContainsFunc([]string{"/proc", "/sys", "/dev"}, func(top string) bool { return strings.HasPrefix(p, top+"/") }) {
		return Diagnosis{}, false
	}
	dir := directoryOf(p, r.line)
	if dir == p && !lineMakes().MatchString(r.line) {
		dir = path.Dir(p)
	}
	lost := Diagnosis{Cause: "it looks for " + p + ", which is not there", Advice: "add it in the Dockerfile, or deliver it: " + at(s, "configs") + "; if the program makes it, declare its directory in " + at(s, "writable"), Patch: Patch{Path: at(s, "configs")}}
	if w, _, ok := writableAbove(s, p); ok {
		if w.Volume != "" || path.Dir(p) == w.Path {
			return lost, true
		}
		return Diagnosis{Cause: "the tmpfs at " + w.Path + " hides the image's " + dir, Advice: "declare " + dir + " in its place, or let the program make the directory", Patch: Patch{Path: at(s, "writable")}}, true
	}
	seen := r.symptom.Places[path.Dir(p)]
	if seen == Absent || seen == Unseen && lineMaker().MatchString(r.line) {
		return undeclared(r, "it cannot make "+dir+": the root is read-only", dir), true
	}
	return lost, true
}

func noTmp(r reading) (Diagnosis, bool) {
	if _, _, ok := writableAbove(r.service, "/tmp"); ok {
		return Diagnosis{Cause: "it cannot use /tmp", Advice: "raise its size, or write exec: true for it in " + at(r.service, "writable"), Patch: Patch{Path: at(r.service, "writable")}}, true
	}
	return undeclared(r, "it writes to /tmp, which is not declared", "/tmp"), true
}

func noSpace(r reading) (Diagnosis, bool) {
	s := r.service
	if w, i, ok := writableAbove(s, subjectOf(r.line, lineNoSpace())); ok && w.Volume == "" {
		return Diagnosis{Cause: w.Path + " is full", Patch: Patch{Path: fmt.Sprintf("%s[%d].tmpfs", at(s, "writable"), i), Value: mib(2 * w.Size.Bytes)}}, true
	}
	return Diagnosis{Cause: "a writable path is full", Advice: "raise the size of its tmpfs in " + at(s, "writable") + ", or free the volume's disk", Patch: Patch{Path: at(s, "writable")}}, true
}

func noExec(r reading) (Diagnosis, bool) {
	return Diagnosis{Cause: "it loads a library from a path that runs no programs", Advice: "write exec: true for that tmpfs in " + at(r.service, "writable"), Patch: Patch{Path: at(r.service, "writable")}}, true
}

func denied(r reading) (Diagnosis, bool) {
	s := r.service
	p := subjectOf(r.line, lineDenied())
	if p == "" {
		p = nearby(r.near)
	}
	if w, _, ok := writableAbove(s, p); ok && w.Volume != "" {
		return othersFiles(s, w), true
	}
	switch {
	case strings.HasPrefix(p, "/dev/std"), strings.HasPrefix(p, "/proc/self/fd"):
		return Diagnosis{Cause: "its user may not open " + p + " again", Advice: "let it log to the console without opening that file", Patch: Patch{Path: at(s, "command")}}, true
	case p != "":
		return Diagnosis{Cause: "its user may not use " + p, Advice: fmt.Sprintf("the service runs as %d:%d: declare the path in %s, or change its owner in the Dockerfile", s.User.UID, s.User.GID, at(s, "writable")), Patch: Patch{Path: at(s, "writable")}}, true
	}
	return Diagnosis{Cause: "its user may not use a path", Advice: fmt.Sprintf("check its owner; the service runs as %d:%d", s.User.UID, s.User.GID), Patch: Patch{Path: at(s, "user")}}, true
}

// othersFiles is a volume with files of another user.
func othersFiles(s stack.Service, w stack.Writable) Diagnosis {
	return Diagnosis{Cause: fmt.Sprintf("the files in volume %s are not those of %d:%d", w.Volume, w.Owner.UID, w.Owner.GID),
		Advice: fmt.Sprintf("change their owner once: docker run --rm -v VOLUME:/v IMAGE chown -R %d:%d /v", w.Owner.UID, w.Owner.GID), Patch: Patch{Path: at(s, "writable")}}
}

func wrongOwner(r reading) (Diagnosis, bool) {
	if w, _, ok := writableAbove(r.service, subjectOf(r.line, lineWrongOwner())); ok && w.Volume != "" {
		return othersFiles(r.service, w), true
	}
	return Diagnosis{Cause: "files of its data have another owner, or a mode that it refuses", Advice: fmt.Sprintf("the service runs as %d:%d: give it its files once, with the mode that the line names", r.service.User.UID, r.service.User.GID),
		Patch: Patch{Path: at(r.service, "writable")}}, true
}

func dataInUse(r reading) (Diagnosis, bool) {
	return Diagnosis{Cause: "its data is in use, or a lock file of an earlier start is left", Advice: "let only one container write it (replicas: 1, update: stop-first), and remove the lock file when no other runs",
		Patch: Patch{Path: at(r.service, "replicas")}}, true
}

// movedData is PostgreSQL 18 and later, whose image refuses to start with a mount at the old path.
func movedData(r reading) (Diagnosis, bool) {
	return Diagnosis{Cause: "PostgreSQL 18 keeps its data elsewhere: it does not start with a volume at /var/lib/postgresql/data",
		Advice: "mount the volume at /var/lib/postgresql; data of 17 or older must be migrated with pg_upgrade or a dump first", Patch: Patch{Path: at(r.service, "writable")}}, true
}

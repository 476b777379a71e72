package verify

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/docker/go-units"

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
}

// Sick reports whether anything is wrong.
func (s Symptom) Sick() bool {
	return s.Missing || s.Short != "" || s.OOM || s.Restarts > 0 || s.Error != "" || s.Health != "" || !slices.Contains([]string{"running", "healthy", "starting", "exited"}, s.State) || s.State == "exited" && s.ExitCode != 0
}

// Diagnosis is a cause that was recognised, what shows it, and what mends it.
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

// Certain reports whether the patch can be written without asking anybody.
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
			found = []Diagnosis{{Cause: "the cause is not recognised", Evidence: cmp.Or(last(symptom.Logs), symptom.Health, symptom.State), Advice: "read its log: docker compose logs " + service.Name}}
		}
		for _, d := range found {
			d.Service, d.Evidence = service.Name, masked(printable(d.Evidence))
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
		if d, ok := deaf(service, line); ok && i >= len(symptom.Logs) {
			out = append(out, d)
			continue
		}
		for _, k := range knownLines() {
			m := k.pattern.FindStringSubmatch(line)
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
		return []Diagnosis{{Cause: "a dependency is not healthy", Evidence: "created, never started; waits for " + dependencies(service), Advice: "mend the dependency first: hsectl doctor", Patch: Patch{Path: at + ".depends_on"}}}
	case symptom.OOM:
		return []Diagnosis{{Cause: "the kernel killed it for memory", Evidence: "limit " + units.BytesSize(float64(service.Limits.Memory.Bytes)),
			Patch: Patch{Path: at + ".limits.memory", Value: mib(2 * service.Limits.Memory.Bytes)}}}
	case service.Limits.PIDs > 0 && symptom.PIDs >= service.Limits.PIDs,
		lineNotEntered.MatchString(symptom.Health) && symptom.PIDs > service.Limits.PIDs-threadsToEnter:
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
	pattern *regexp.Regexp
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

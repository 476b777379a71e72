// Package doctor recognises why a service is not well by what its container printed and how it ended. It is pure.
package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

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
	Tested   bool     // Health is what a failed test printed, which may be nothing
	Health   string   // output of the last health test that failed
	Error    string   // why the engine could not start it
	Logs     []string // without terminal escapes
	Earlier  int      // how many lines of Logs are of starts before the last one
	Unread   string   // why the log could not be read
	Notes    []string // known problems of its preset
	Places   Places   // what the image has at paths that the log names
	Attempt  int      // the release whose deploy failed with it; 0 for a container of now
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
	Attempt  int // the release whose deploy failed with it; 0 for what is so now
}

// unknownCause is the cause of a service that is not well, and does not say why.
const unknownCause = "the cause is not recognised"

// Recognised reports whether the cause is known, and rests on what the program itself calls an error.
func (d Diagnosis) Recognised() bool {
	return d.Cause != unknownCause && !strings.HasPrefix(d.Cause, perhaps)
}

// Patch is a change of one key of a profile. Without a value and an item it only names the place where a person decides.
type Patch struct {
	Path  string // such as services.app.writable
	Value string // new value of a scalar
	Item  string // or an entry to add to a list
}

// Certain reports whether the patch can be written without a question.
func (p Patch) Certain() bool { return p.Value != "" || p.Item != "" }

// Diagnose recognises causes, the most certain first. A sick service whose cause is not recognised says so; of one that is well only
// processes that died within it are named.
func Diagnose(s stack.Stack, symptoms []Symptom) []Diagnosis {
	var out []Diagnosis
	for _, symptom := range symptoms {
		service, ok := s.Service(symptom.Service)
		if !ok {
			continue
		}
		found := children(service, symptom)
		if symptom.Sick() {
			if found = append(diagnose(s, service, symptom), found...); len(found) == 0 {
				found = []Diagnosis{unrecognised(service, symptom)}
			}
		}
		for _, d := range found {
			d.Service, d.Evidence, d.Attempt = service.Name, masked(display.Name(d.Evidence)), symptom.Attempt
			if !slices.ContainsFunc(out, func(o Diagnosis) bool { return o.Service == d.Service && o.Cause == d.Cause }) {
				out = append(out, d)
			}
		}
	}
	return out
}

// unrecognised shows what comes nearest to a cause: the line with which the program gave up.
func unrecognised(service stack.Service, symptom Symptom) Diagnosis {
	shown := cmp.Or(symptom.Unread, lastWords(symptom), symptom.Health, symptom.State)
	if symptom.Tested && symptom.State == "unhealthy" && symptom.Unread == "" {
		shown = cmp.Or(lastOf(strings.Split(symptom.Health, "\n")), shown)
	}
	d := Diagnosis{Cause: unknownCause, Evidence: shown, Advice: "read its log: docker compose logs " + service.Name}
	if symptom.Attempt > 0 {
		d.Advice = "read what was kept of it: hsectl doctor --release " + fmt.Sprint(symptom.Attempt) + " --log"
	}
	return d
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
	lines := symptom.Logs
	if symptom.Earlier > 0 && symptom.Earlier < len(lines) && certain(explainLog(s, service, symptom, lines[symptom.Earlier:])) {
		lines = lines[symptom.Earlier:] // what ended earlier starts may be over
	}
	out = append(out, explainLog(s, service, symptom, lines)...)
	for _, line := range append(strings.Split(symptom.Health, "\n"), symptom.Error) {
		if d, ok := unreachable(service, line); ok {
			out = append(out, d)
			continue
		}
		if c, ok := explain(reading{stack: s, service: service, symptom: symptom, line: cut(line)}); ok {
			out = append(out, c.Diagnosis)
		}
	}
	if len(out) > 0 && !certain(out) {
		out = append([]Diagnosis{unrecognised(service, symptom)}, out...)
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
	case symptom.ExitCode == 132:
		return []Diagnosis{{Cause: "its program needs instructions that this processor does not have", Evidence: "exit code 132 (SIGILL)",
			Advice: "use a version of the image for older processors, or a machine with AVX", Patch: Patch{Path: at + ".image"}}}
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

func at(s stack.Service, key string) string { return "services." + s.Name + "." + key }

// lastOf returns the last line that says something.
func lastOf(lines []string) string {
	for _, line := range slices.Backward(lines) {
		if strings.TrimSpace(line) != "" {
			return line
		}
	}
	return ""
}

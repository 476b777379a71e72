package doctor

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/stack"
)

func secretPath(r reading) (Diagnosis, bool) {
	name := r.match[1]
	if slices.ContainsFunc(r.service.Secrets, func(f stack.SecretFile) bool { return f.Name == name }) {
		if !lineMissing().MatchString(r.line) {
			return Diagnosis{}, false
		}
		return Diagnosis{Cause: "a secret is declared, but was not delivered", Advice: "run: hsectl deploy"}, true
	}
	d := Diagnosis{Cause: "it reads the secret " + name + ", which it does not declare", Patch: Patch{Path: at(r.service, "secrets"), Item: name}}
	if !slices.ContainsFunc(r.stack.Secrets, func(x stack.Secret) bool { return x.Name == name }) {
		d.Patch, d.Advice = Patch{}, "declare it under secrets: of the stack and of the service"
	}
	return d, true
}

func missingCapability(r reading) (Diagnosis, bool) {
	s := r.service
	if strings.EqualFold(r.match[1], "mount") || strings.EqualFold(r.match[1], "unshare") {
		return Diagnosis{Cause: "it mounts file systems or makes namespaces, which no service may", Advice: "prepare it in the Dockerfile, or outside of the container", Patch: Patch{Path: at(s, "entrypoint")}}, true
	}
	name := map[string]string{"setgid": "SETGID", "setresgid": "SETGID", "setgroups": "SETGID", "set groups": "SETGID", "set supplementary group list": "SETGID", "initgroups": "SETGID",
		"setuid": "SETUID", "setresuid": "SETUID", "raw socket": "NET_RAW", "ping": "NET_RAW", "mlock": "IPC_LOCK", "lock memory": "IPC_LOCK", "nice": "SYS_NICE"}[strings.ToLower(r.match[1])]
	if name == "" {
		if w, _, ok := writableAbove(s, subjectOf(r.line, lineChown())); ok && w.Volume != "" && s.User.UID != 0 && lineWrongOwner().MatchString(r.line) {
			return othersFiles(s, w), true
		}
		name = "CHOWN"
	}
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

func fileCapability(r reading) (Diagnosis, bool) {
	return Diagnosis{Cause: "its program carries a file capability that the service does not grant", Advice: "name the preset of the image, add the capability with a reason, or take it off in the Dockerfile: setcap -r FILE",
		Patch: Patch{Path: at(r.service, "capabilities")}}, true
}

func noProgram(r reading) (Diagnosis, bool) {
	s, name := r.service, cmp.Or(r.match[1], r.match[2])
	if s.Health != nil && len(s.Health.Test) > 1 && (s.Health.Test[1] == name || s.Health.Test[0] == "CMD-SHELL" && (strings.HasSuffix(name, "sh") || strings.Contains(s.Health.Test[1], name))) {
		return Diagnosis{Cause: "the program of the health test is not in the image: " + name, Advice: "use a program of the image in " + at(s, "health"), Patch: Patch{Path: at(s, "health")}}, true
	}
	key := "command"
	if len(s.Entrypoint) > 0 {
		key = "entrypoint"
	}
	return Diagnosis{Cause: "the program is not in the image: " + name, Advice: "name one that is, with its whole path; of a script also the program of its first line must be there", Patch: Patch{Path: at(s, key)}}, true
}

func badConfiguration(r reading) (Diagnosis, bool) {
	if lineMissing().MatchString(r.line) || lineDenied().MatchString(r.line) { // what it names is not there, or closed
		return Diagnosis{}, false
	}
	return Diagnosis{Cause: "its configuration is refused", Advice: "correct what the line names, in the file or in " + at(r.service, "command"), Patch: Patch{Path: at(r.service, "command")}}, true
}

func missingVariable(r reading) (Diagnosis, bool) {
	name := ""
	for _, group := range r.match[1:] {
		name = cmp.Or(name, group)
	}
	if name == "" {
		return Diagnosis{Cause: "the password for its first start is missing", Advice: "declare a secret, and name it under secrets: of the service as its preset does: hsectl presets", Patch: Patch{Path: at(r.service, "secrets")}}, true
	}
	if slices.ContainsFunc(r.service.Environment, func(v stack.Variable) bool { return v.Name == name && v.Value != "" }) ||
		slices.ContainsFunc(r.service.Secrets, func(f stack.SecretFile) bool { return f.Env == name }) {
		return Diagnosis{}, false
	}
	return Diagnosis{Cause: "the variable " + name + " is missing", Advice: "set it in " + at(r.service, "environment") + "; as a secret, when it is one", Patch: Patch{Path: at(r.service, "environment")}}, true
}

// dead are the ways in which programs say that one of the processes that they started has ended badly.
var (
	deadWords = []string{"worker", "child", "process", "exited", "gave up", "fatal", "subprocess", "terminated", "died", "pid"}
	lineDead  = lazily(`(?i)(worker process \d+ exited (?:on signal \d+|with (?:fatal )?code [1-9]\d*))` + // nginx
		`|(\[pool \S+\] child \d+ exited (?:on signal \d+[^,]*|with code [1-9]\d*))` + // PHP-FPM
		`|(child pid \d+ exit signal \S+ ?\S*)` + // Apache
		`|((?:worker|process)? ?\(pid: ?\d+\) (?:was sent SIG(?:KILL|SEGV|ABRT|BUS)|exited with code [1-9]\d*))` + // gunicorn
		`|(WORKER TIMEOUT \(pid: ?\d+\))` +
		`|(exited: \S+ \((?:terminated by SIG\w+|exit status \d+)[^)]*not expected\))|(gave up: \S+ entered FATAL state)` + // supervisord
		`|((?:server|background worker|checkpointer|autovacuum)\S* (?:process|"[^"]*") \(PID \d+\) (?:was terminated by signal \d+|exited with exit code [1-9]\d*))` + // PostgreSQL
		`|(WorkerLostError: [^.]*|Worker exited prematurely: [^.]*)` + // Celery
		`|(child process \[\d+\] died)` + // Uvicorn
		`|(App \[[^\]]+\] exited with code \[[1-9]\d*\])` + // PM2
		`|(\[[^\]]+\] .* exited with code [1-9]\d*$)` + // concurrently
		`|(worker \d+ \(pid: ?\d+\) (?:died|was killed|killed)[^.]*)|(DAMN ! worker \d+ \(pid: \d+\) died[^.]*)` + // Puma, uWSGI
		`|(cluster worker \d+ (?:died|exited)[^.]*)`) // Node.js
	lineKilled = lazily(`(?i)signal 9\b|SIGKILL|killed`)
)

// children names the processes within a service that ended badly while the service goes on.
func children(s stack.Service, symptom Symptom) []Diagnosis {
	if !slices.Contains([]string{"running", "healthy", "unhealthy", "starting"}, symptom.State) {
		return nil
	}
	first, times := "", 0
	evidence := ""
	for _, line := range symptom.Logs[min(max(symptom.Earlier, 0), len(symptom.Logs)):] {
		small := strings.ToLower(line)
		if !slices.ContainsFunc(deadWords, func(word string) bool { return strings.Contains(small, word) }) {
			continue
		}
		if m := lineDead().FindString(cut(line)); m != "" {
			times++
			if first == "" || lineKilled().MatchString(m) && !lineKilled().MatchString(evidence) {
				first, evidence = numbers.ReplaceAllString(m, "N"), line
			}
		}
	}
	if times == 0 {
		return nil
	}
	d := Diagnosis{Cause: "a process within it ended badly while the service goes on", Evidence: evidence, Advice: "read its log around that line: docker compose logs " + s.Name, Patch: Patch{Path: at(s, "health")}}
	if times > 1 {
		d.Cause = fmt.Sprintf("processes within it ended badly %d times while the service goes on", times)
	}
	if lineKilled().MatchString(evidence) {
		d.Advice = "it was killed, most often for memory: fewer workers, or more in " + at(s, "limits.memory")
		d.Patch.Path = at(s, "limits.memory")
	}
	return []Diagnosis{d}
}

var numbers = regexp.MustCompile(`\d+`)

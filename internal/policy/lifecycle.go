package policy

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func lifecycle() []Control {
	return []Control{
		{ID: "HSE-LIF-002", Title: "Signal and grace period are the declared ones", Severity: finding.Medium, Key: "shutdown",
			Rationale:  "The engine's 10 s are too short for a database, and a wrong signal loses what is in flight.",
			References: []string{"NIST SP 800-190 4.4.3"},
			Remedy:     "set shutdown.signal and shutdown.grace; prove it with: hsectl drill shutdown",
			judge:      stop},
		{ID: "HSE-LIF-004", Title: "Restarts are bounded or watched", Severity: finding.Medium, Key: "restart",
			Rationale:  "A service that restarts for ever without a health test hides its failure.",
			References: []string{"CIS 5.15", "KICS 2fc99041"},
			Remedy:     "use restart: on-failure:5, or keep the health test",
			judge:      restart},
		{ID: "HSE-LIF-005", Title: "The service runs and does not restart", Severity: finding.High, Runtime: true,
			Rationale:  "A crash loop is an outage that looks alive.",
			References: []string{"NIST SP 800-190 4.4.5"},
			Remedy:     "read its log: docker compose logs SERVICE",
			judge:      running},
		{ID: "HSE-LIF-007", Title: "The service has as many containers as declared", Severity: finding.High, Key: "replicas", Runtime: true,
			Rationale:  "One that is missing is load on the others, and one too many answers with what nobody declared.",
			References: []string{"NIST SP 800-190 4.4.5"},
			Remedy:     "the profile is right and the engine is not: hsectl deploy",
			judge:      counted},
	}
}

// counted compares with the number that the profile grants, so what is wrong is always drift.
func counted(f Facts, in Intent) Verdict {
	if !f.Containers.Known() {
		return unknown(f.Containers, "the containers of the service")
	}
	have, want := len(f.Containers.Value), max(in.Replicas, 1)
	if have != want {
		text := fmt.Sprintf("%d of %d containers", have, want)
		if have > want {
			text = fmt.Sprintf("%d containers, not %d", have, want)
		}
		return Verdict{finding.Drift, f.Containers.Tier, text + ": " + strings.Join(f.Containers.Value, ", ")}
	}
	return pass(f.Containers.Tier, "%d of %d containers", have, want)
}

func stop(f Facts, in Intent) Verdict {
	switch {
	case !f.Stop.Known():
		return unknown(f.Stop, "the stop settings")
	case f.Stop.Value.Signal != in.Stop.Signal:
		return fail(f.Stop.Tier, "stopped by %s, not by %s", f.Stop.Value.Signal, in.Stop.Signal)
	case f.Stop.Value.Grace < in.Stop.Grace:
		return fail(f.Stop.Tier, "killed after %s, not after %s", f.Stop.Value.Grace, in.Stop.Grace)
	case f.Stop.Value.Init != in.Stop.Init:
		return fail(f.Stop.Tier, "the engine's init is %s", map[bool]string{true: "on but not declared", false: "declared but off"}[f.Stop.Value.Init])
	}
	return pass(f.Stop.Tier, "%s, then %s of grace", in.Stop.Signal, in.Stop.Grace)
}

func restart(f Facts, _ Intent) Verdict {
	if !f.Restart.Known() {
		return unknown(f.Restart, "the restart policy")
	}
	r := f.Restart.Value
	switch {
	case r.Policy == "on-failure" && r.Retries > 0 && r.Retries <= 5:
		return pass(f.Restart.Tier, "at most %d restarts", r.Retries)
	case r.Policy == "" || r.Policy == "no":
		return pass(f.Restart.Tier, "no restart")
	case !f.Health.Known():
		return unknown(f.Health, "the health test")
	case r.Policy == "on-failure":
		return fail(f.Restart.Tier, "restarts on failure more than 5 times")
	case len(f.Health.Value.Test) == 0:
		return fail(f.Restart.Tier, "restarts %s without a health test", r.Policy)
	}
	return pass(f.Restart.Tier, "%s, with a health test", r.Policy)
}

func running(f Facts, _ Intent) Verdict {
	if !f.State.Known() {
		return unknown(f.State, "the state")
	}
	s := f.State.Value
	switch {
	case s.Restarting:
		return fail(f.State.Tier, "the container is restarting, %d times so far", s.Restarts)
	case !s.Running:
		return fail(f.State.Tier, "the container does not run")
	case s.Paused:
		return fail(f.State.Tier, "the container is paused")
	case s.Restarts > 0:
		return fail(f.State.Tier, "the container restarted %d times", s.Restarts)
	}
	return pass(f.State.Tier, "runs, never restarted")
}

// untested reports whether there is no health test because the image has no means for one.
func untested(f Facts, in Intent) bool { return len(f.Health.Value.Test) == 0 && in.Untested != "" }

func health() []Control {
	return []Control{
		{ID: "HSE-HLT-001", Title: "There is a health test", Severity: finding.Medium, Key: "health",
			Rationale:  "\"Running\" proves nothing: workers die while the master lives.",
			References: []string{"CIS 5.27", "CIS 4.6", "KICS 698ed579"},
			Remedy:     "write health:",
			judge: func(f Facts, in Intent) Verdict {
				switch {
				case !f.Health.Known():
					return unknown(f.Health, "the health test")
				case untested(f, in):
					return notApplicable(f.Health.Tier, "the image cannot test itself: %s", in.Untested)
				case len(f.Health.Value.Test) == 0 || f.Health.Value.Test[0] == "NONE":
					return fail(f.Health.Tier, "there is no health test")
				}
				return pass(f.Health.Tier, "tested by %s", f.Health.Value.Test[0])
			}},
		{ID: "HSE-HLT-002", Title: "The service is healthy now", Severity: finding.High, Key: "health", Runtime: true,
			Rationale:  "Only a test that has passed is evidence.",
			References: []string{"CIS 5.27"},
			Remedy:     "read the output of the test: docker inspect --format '{{json .State.Health}}' CONTAINER",
			judge: func(f Facts, in Intent) Verdict {
				switch {
				case !f.Health.Known():
					return unknown(f.Health, "the health")
				case untested(f, in):
					return notApplicable(f.Health.Tier, "the image cannot test itself: %s", in.Untested)
				case len(f.Health.Value.Test) == 0:
					return Verdict{finding.Unknown, finding.None, "there is no health test to ask"}
				case f.Health.Value.Status == "healthy" && f.Health.Value.Streak > 0:
					return fail(f.Health.Tier, "the last %d tests failed", f.Health.Value.Streak)
				case f.Health.Value.Status == "healthy" && f.Health.Value.Due > 0 && f.Health.Value.Age > f.Health.Value.Due:
					return Verdict{finding.Unknown, finding.None, fmt.Sprintf("the last test that passed is %s old, and one is due every %s",
						f.Health.Value.Age.Round(time.Second), f.Health.Value.Due.Round(time.Second))}
				case f.Health.Value.Status == "healthy" && f.Health.Value.Proven:
					return pass(f.Health.Tier, "healthy")
				case f.Health.Value.Status == "starting" || f.Health.Value.Status == "healthy":
					return Verdict{finding.Unknown, finding.None, "no health test has passed yet"}
				}
				return fail(f.Health.Tier, "the service is %s", f.Health.Value.Status)
			}},
		{ID: "HSE-HLT-004", Title: "The health test tests something", Severity: finding.Low, Key: "health",
			Rationale:  "A test that always passes is worse than none.",
			References: []string{"CIS 5.27"},
			Remedy:     "ask the service itself in health:",
			judge: func(f Facts, in Intent) Verdict {
				if !f.Health.Known() {
					return unknown(f.Health, "the health test")
				}
				if untested(f, in) {
					return notApplicable(f.Health.Tier, "the image cannot test itself: %s", in.Untested)
				}
				words := strings.Join(f.Health.Value.Test, " ")
				switch strings.TrimPrefix(strings.TrimPrefix(words, "CMD-SHELL "), "CMD ") {
				case "", "NONE", "true", "/bin/true", "exit 0", ":", "echo ok":
					if words == "" {
						return fail(f.Health.Tier, "there is no test, and what is never asked cannot fail")
					}
					return fail(f.Health.Tier, "the test %q cannot fail", words)
				}
				return pass(f.Health.Tier, "the test can fail")
			}},
	}
}

func logging() []Control {
	return []Control{
		{ID: "HSE-LOG-001", Title: "Logs are rotated", Severity: finding.Medium, Key: "logging",
			Rationale:  "json-file without a size fills the disk, and a full disk stops every service.",
			References: []string{"OWASP Docker rule 10"},
			Remedy:     "set logging: {max_size: 10m, max_files: 3}",
			judge: func(f Facts, _ Intent) Verdict {
				switch {
				case !f.Log.Known():
					return unknown(f.Log, "the log settings")
				case !f.Log.Value.Bounded:
					return fail(f.Log.Tier, "driver %s keeps everything", f.Log.Value.Driver)
				}
				return pass(f.Log.Tier, "driver %s, bounded", f.Log.Value.Driver)
			}},
		{ID: "HSE-LOG-002", Title: "Logs are kept", Severity: finding.Medium, Key: "logging",
			Rationale:  "Without logs nobody can say what happened.",
			References: []string{"CIS 2.13"},
			Remedy:     "use another log driver than none",
			judge: func(f Facts, _ Intent) Verdict {
				switch {
				case !f.Log.Known():
					return unknown(f.Log, "the log settings")
				case f.Log.Value.Driver == "none":
					return fail(f.Log.Tier, "the log driver is none")
				}
				return pass(f.Log.Tier, "driver %s", f.Log.Value.Driver)
			}},
	}
}

func images() []Control {
	return []Control{
		{ID: "HSE-IMG-002", Title: "The container runs the declared image", Severity: finding.High, Key: "image", Runtime: true,
			Rationale:  "A container made from another image is not what was reviewed.",
			References: []string{"CIS 5.28", "NIST SP 800-190 4.1.5"},
			Remedy:     "deploy again",
			judge: func(f Facts, in Intent) Verdict {
				switch {
				case !f.Image.Known():
					return unknown(f.Image, "the image")
				case f.Image.Value.Reference != in.Image:
					return fail(f.Image.Tier, "runs %s, not %s", f.Image.Value.Reference, in.Image)
				}
				return pass(f.Image.Tier, "%s", f.Image.Value.Reference)
			}},
	}
}

package controls

import (
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// operations are controls that other verbs judge; they are listed so that every id in a report can be explained.
func operations() []policy.Control {
	return []policy.Control{
		{ID: "HSE-LIF-010", Title: "The service stops by itself", Severity: finding.High, Key: "shutdown", By: "drill shutdown",
			Rationale:  "A service that must be killed loses what it holds in memory.",
			References: []string{"NIST SP 800-190 4.4.3"},
			Remedy:     "handle the stop signal in the program; if PID 1 does not pass it on, set init: true"},
		{ID: "HSE-LIF-011", Title: "The service stops within its grace period", Severity: finding.Medium, Key: "shutdown", By: "drill shutdown",
			Rationale:  "A shutdown that takes longer than its grace period is killed.",
			References: []string{"NIST SP 800-190 4.4.3"},
			Remedy:     "shorten the shutdown, or raise shutdown.grace"},
		{ID: "HSE-LIF-012", Title: "The service ends with a clean exit code", Severity: finding.Medium, Key: "shutdown", By: "drill shutdown",
			Rationale:  "An exit code other than 0 looks like a crash to monitoring. That of the stop signal, such as 143, passes only when a handler of the program has chosen it.",
			References: []string{"NIST SP 800-190 4.4.3"},
			Remedy:     "end with 0 after a clean shutdown"},
		{ID: "HSE-LIF-013", Title: "The expected log lines come in order", Severity: finding.Medium, Key: "shutdown", By: "drill shutdown",
			Rationale:  "The lines show that each step was taken: requests finished, connections closed, jobs ended.",
			References: []string{"NIST SP 800-190 4.4.3"},
			Remedy:     "let the program log each step of its shutdown, or change shutdown.logs"},
		{ID: "HSE-LIF-014", Title: "The service restarts with its data intact", Severity: finding.High, Key: "restart", By: "drill restart",
			Rationale:  "State left from the run before, such as a lock or a full volume, is found only by starting again.",
			References: []string{"NIST SP 800-190 4.4.3"},
			Remedy:     "let the program clean up after itself when it starts"},
		{ID: "HSE-LIF-015", Title: "The service detects a lost dependency and recovers", Severity: finding.Medium, Key: "health", By: "drill dependency",
			Rationale:  "A health test that stays green while the database is down sends users to a service that cannot serve them.",
			References: []string{"CIS 5.27"},
			Remedy:     "let the health test ask what the service needs, and let the service connect again"},
		{ID: "HSE-LIF-016", Title: "The program itself gets the stop signal and ends by itself", Severity: finding.High, Key: "shutdown", By: "drill shutdown",
			Rationale:  "A shell, npm or a script between PID 1 and the program may keep the signal, or end before the program does; a program without a handler is ended by the kernel. What it was doing is lost, and nothing shows it.",
			References: []string{"NIST SP 800-190 4.4.3", "hadolint DL3025"},
			Remedy:     "start the program with exec, handle the signal in it, and let what starts it wait for its end; or let its log prove it: shutdown.logs"},
		{ID: "HSE-RES-010", Title: "The kernel kills the service at its memory limit", Severity: finding.High, Key: "limits", By: "drill memory",
			Rationale:  "A limit is one only if reaching it has a consequence, and if the engine and hsectl see it.",
			References: []string{"CIS 5.11", "OWASP Docker rule 7"},
			Remedy:     "enable the memory controller on the host"},
		{ID: "HSE-RES-011", Title: "The runtime's own heap limit fits the memory limit", Severity: finding.Medium, Key: "limits", By: "drill memory",
			Rationale:  "A runtime that believes it has more than the limit is killed before it collects garbage.",
			References: []string{"CIS 5.11"},
			Remedy:     "set the heap limit to at most 75% of limits.memory, GOMEMLIMIT to at most 95%"},
		{ID: "HSE-RES-013", Title: "The service keeps its latency under load", Severity: finding.Medium, Key: "limits", By: "drill load",
			Rationale:  "A service that answers too late is down for its clients.",
			References: []string{"OWASP Docker rule 7"},
			Remedy:     "raise limits.cpus, or the budget with --p95"},
		{ID: "HSE-RES-014", Title: "The service stays below its memory limit under load", Severity: finding.Medium, Key: "limits", By: "drill load",
			Rationale:  "What is near the limit at a normal load is over it on the busiest day.",
			References: []string{"CIS 5.11"},
			Remedy:     "raise limits.memory"},
		{ID: "HSE-RES-012", Title: "The service answers under load", Severity: finding.Medium, Key: "limits", By: "drill load",
			Rationale:  "Limits that were never tried under load are guesses.",
			References: []string{"OWASP Docker rule 7"},
			Remedy:     "read the service's log; raise the limit that was reached"},
		{ID: "HSE-OPS-012", Title: "The newest backup can be restored", Severity: finding.High, Key: "writable", By: "drill restore",
			Rationale:  "Only a restore proves that a backup is complete and that the restore procedure works.",
			References: []string{"NIST SP 800-190 4.4.5"},
			Remedy:     "make another backup and try again: hsectl backup, hsectl drill restore"},
		{ID: "HSE-OPS-009", Title: "No container runs that the profile does not declare", Severity: finding.High, By: "verify",
			Rationale:  "What is not declared is not monitored.",
			References: []string{"CIS 6.2", "NIST SP 800-190 4.4.5"},
			Remedy:     "declare it, or remove it"},
		{ID: policy.NewestProfile, Title: "The profile is deployed", Severity: finding.Info, By: "verify",
			Rationale:  "A profile that has changed since the last release says what will run, not what runs.",
			References: []string{"NIST SP 800-190 4.4.5"},
			Remedy:     "deploy the profile: hsectl deploy"},
		{ID: policy.SignedRelease, Title: "The record of the release is signed by a deployer", Severity: finding.High, By: "verify",
			Rationale:  "Rollback and the comparison of what runs with what was rendered believe the record on the engine. Only a signature shows that a deployer wrote it.",
			References: []string{"NIST SP 800-190 4.4.5"},
			Remedy:     "find out who wrote the record, and deploy the profile again: hsectl deploy"},
	}
}

// mostDifferences bounds how many are told: who has read them knows that the container has to be made again.
const mostDifferences = 12

func rendered() []policy.Control {
	return []policy.Control{
		{ID: policy.WholeComparison, Title: "What runs is what was rendered", Severity: finding.High, Runtime: true,
			Rationale:  "Each control knows some differences. What was added to a container, a network or a volume in any other way is found by comparing all of it.",
			References: []string{"CIS 5.29", "NIST SP 800-190 4.4.5"},
			Remedy:     "deploy again to replace what was changed: hsectl deploy",
			Applies:    func(f policy.Facts) bool { return f.Differences.Known() || f.Differences.Why != "" },
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				found := f.Differences.Value
				switch {
				case !f.Differences.Known():
					return policy.Unknown(f.Differences, "what differs from the rendered file")
				case len(found) > mostDifferences:
					return policy.Fail(f.Differences.Tier, "%s; and %d more", strings.Join(found[:mostDifferences], "; "), len(found)-mostDifferences)
				case len(found) > 0:
					return policy.Fail(f.Differences.Tier, "%s", strings.Join(found, "; "))
				}
				return policy.Pass(f.Differences.Tier, "every field is as it was rendered")
			}},
	}
}

func unjudged() []policy.Control {
	return []policy.Control{
		{ID: "HSE-OPS-010", Title: "Every setting is judged by a control", Severity: finding.High, Key: "passthrough", Static: true,
			Rationale:  "A key that no control looks at, such as a provider or a watch, may undo what the others prove.",
			References: []string{"NIST SP 800-190 4.4.3"},
			Remedy:     "remove it, or review it and add it to the baseline",
			Applies:    func(f policy.Facts) bool { return len(f.Unjudged.Value) > 0 },
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				return policy.Undetermined("no control judges " + strings.Join(f.Unjudged.Value, ", "))
			}},
	}
}

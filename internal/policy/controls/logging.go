package controls

import (
	"slices"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

func logging() []policy.Control {
	return []policy.Control{
		{ID: "HSE-LOG-001", Title: "Logs are rotated", Severity: finding.Medium, Key: "logging",
			Rationale:  "json-file without a size fills the disk, and a full disk stops every service.",
			References: []string{"OWASP Docker rule 10"},
			Remedy:     "set logging: {max_size: 10m, max_files: 3}",
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				switch {
				case !f.Log.Known():
					return policy.Unknown(f.Log, "the log settings")
				case !f.Log.Value.Bounded:
					return policy.Fail(f.Log.Tier, "driver %s keeps everything", f.Log.Value.Driver)
				}
				return policy.Pass(f.Log.Tier, "driver %s, bounded", f.Log.Value.Driver)
			}},
		{ID: "HSE-LOG-002", Title: "Logs are kept", Severity: finding.Medium, Key: "logging",
			Rationale:  "Without logs an incident cannot be reconstructed.",
			References: []string{"CIS 2.13"},
			Remedy:     "use another log driver than none",
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				switch {
				case !f.Log.Known():
					return policy.Unknown(f.Log, "the log settings")
				case f.Log.Value.Driver == "none":
					return policy.Fail(f.Log.Tier, "the log driver is none")
				}
				return policy.Pass(f.Log.Tier, "driver %s", f.Log.Value.Driver)
			}},
		{ID: "HSE-LOG-004", Title: "A log server that does not answer stops nothing", Severity: finding.Low, Key: "logging",
			Rationale:  "With a remote driver a write to stdout waits for the network, and the service with it.",
			References: []string{"NIST SP 800-190 4.4.5"},
			Remedy:     "use json-file or local and ship from there, or give the driver the options mode: non-blocking and max-buffer-size",
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				switch {
				case !f.Log.Known():
					return policy.Unknown(f.Log, "the log settings")
				case slices.Contains([]string{"", "json-file", "local", "journald", "none"}, f.Log.Value.Driver):
					return policy.Pass(f.Log.Tier, "driver %s writes on this machine", f.Log.Value.Driver)
				case !f.Log.Value.NonBlocking:
					return policy.Fail(f.Log.Tier, "driver %s waits for its server", f.Log.Value.Driver)
				}
				return policy.Pass(f.Log.Tier, "driver %s does not wait", f.Log.Value.Driver)
			}},
	}
}

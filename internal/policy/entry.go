package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
)

// leastUID is the first user that no distribution gives to a person or a daemon of the host.
const leastUID = 10000

// entry are the controls of who a service is beside others, and of what enters it from outside.
func entry() []Control {
	return []Control{
		{ID: "HSE-USR-005", Title: "The user is the service's own", Severity: finding.Info, Key: "user", Runtime: true,
			Rationale: "Whoever breaks out has the rights of every process with the same number: another service, or an account of the host. " +
				"Where the image or its preset fixes the number, nobody has a choice.",
			References: []string{"OWASP Docker rule 2", "NIST SP 800-190 4.3.4"},
			Remedy:     "give each service a uid from 10000 up that no other has, where its image takes any",
			judge: func(f Facts, in Intent) Verdict {
				switch {
				case !f.SameUser.Known():
					return unknown(f.SameUser, "the users of the other services")
				case len(f.SameUser.Value) == 0 && in.UID >= leastUID:
					return pass(f.SameUser.Tier, "no other service has uid %d", in.UID)
				case !f.Origin.Known():
					return unknown(f.Origin, "the image")
				case in.Preset != "" || f.Origin.Value.User != "" && !slices.Contains([]string{"0", "root", "0:0"}, f.Origin.Value.User):
					return notApplicable(f.Origin.Tier, "uid %d is the image's own", in.UID)
				case len(f.SameUser.Value) > 0:
					return fail(f.SameUser.Tier, "uid %d is also that of %s", in.UID, strings.Join(f.SameUser.Value, ", "))
				}
				return fail(f.SameUser.Tier, "uid %d may be an account of the host", in.UID)
			}},
		{ID: "HSE-USR-006", Title: "What enters the container has no more rights than the service", Severity: finding.High, Key: "user",
			Rationale:  "Hooks and docker exec start processes beside the service, as root when they are told to; no scanner looks at them.",
			References: []string{"CIS 5.23", "CIS 5.24", "NIST SP 800-190 4.3.1"},
			Remedy:     "run the hook or the command as the service's own user, without --privileged",
			judge:      entered},
		{ID: "HSE-MON-004", Title: "Nobody has entered the container, as far as the engine remembers", Severity: finding.Low, Key: "health", Runtime: true,
			Rationale: "docker exec and attach leave nothing in the container's log. Whoever does so should be known. " +
				"The engine keeps its last 256 events only, and each health test takes three.",
			References: []string{"CIS 5.23", "CIS 5.24", "CIS 1.1.3"},
			Remedy:     "ask who it was; let monitoring.verify look more often, so that less is forgotten between",
			asked:      func(f Facts) bool { return f.Entries.Known() || f.Entries.Why != "" },
			judge: func(f Facts, _ Intent) Verdict {
				e := f.Entries.Value
				switch {
				case !f.Entries.Known():
					return unknown(f.Entries, "the engine's events")
				case len(e.Commands) > 0: // it may have been right: somebody has to say so
					return Verdict{finding.Advice, f.Entries.Tier, fmt.Sprintf("%d times: %s", len(e.Commands), strings.Join(shortened(e.Commands), "; "))}
				}
				return pass(f.Entries.Tier, "not in the last %s, which is what the engine remembers", aged(e.Covered))
			}},
		{ID: "HSE-SEC-003", Title: "Only its owner reads the file of a secret, and no repository keeps it", Severity: finding.High, Key: "secrets",
			Rationale:  "A secret is as safe as the worst of its copies.",
			References: []string{"NIST SP 800-190 4.5.5"},
			Remedy:     "chmod 0400 the file, and name it in .gitignore; or keep it encrypted with age:",
			asked:      func(f Facts) bool { return f.Sources.Known() || f.Sources.Why != "" },
			judge:      sources},
		{ID: "HSE-LOG-004", Title: "A log server that does not answer stops nothing", Severity: finding.Low, Key: "logging",
			Rationale:  "With a remote driver a write to stdout waits for the network, and the service with it.",
			References: []string{"NIST SP 800-190 4.4.5"},
			Remedy:     "use json-file or local and ship from there, or set mode: non-blocking with max-buffer-size",
			judge: func(f Facts, _ Intent) Verdict {
				switch {
				case !f.Log.Known():
					return unknown(f.Log, "the log settings")
				case slices.Contains([]string{"", "json-file", "local", "journald", "none"}, f.Log.Value.Driver):
					return pass(f.Log.Tier, "driver %s writes on this machine", f.Log.Value.Driver)
				case !f.Log.Value.NonBlocking:
					return fail(f.Log.Tier, "driver %s waits for its server", f.Log.Value.Driver)
				}
				return pass(f.Log.Tier, "driver %s does not wait", f.Log.Value.Driver)
			}},
	}
}

// shortened keeps a line readable: the last few, and of each no more than its beginning. Names of programs may hold anything.
func shortened(commands []string) []string {
	const most, width = 3, 60
	var out []string
	for _, c := range commands[max(0, len(commands)-most):] {
		c = strings.Trim(strconv.QuoteToASCII(c), `"`)
		if len(c) > width {
			c = c[:width] + "…"
		}
		out = append(out, c)
	}
	return out
}

func entered(f Facts, in Intent) Verdict {
	if !f.Processes.Known() {
		return unknown(f.Processes, "the processes")
	}
	var wrong []string
	n := 0
	for _, p := range f.Processes.Value {
		if !p.Entered {
			continue
		}
		n++
		switch extra := (p.Bounding | p.Permitted | p.Effective | p.Ambient) &^ in.Capabilities; {
		case slices.Contains(p.UIDs[:], 0) && in.UID != 0:
			wrong = append(wrong, fmt.Sprintf("process %s entered as root", p.Name))
		case extra != 0:
			wrong = append(wrong, fmt.Sprintf("process %s entered with %s", p.Name, CapabilityNames(extra)))
		case !p.NoNewPrivs || p.Seccomp != 2:
			wrong = append(wrong, fmt.Sprintf("process %s entered without no_new_privs or a filter", p.Name))
		}
	}
	if len(wrong) > 0 {
		return fail(f.Processes.Tier, "%s", strings.Join(wrong, "; "))
	}
	if len(f.Processes.Value) == 0 {
		return Verdict{finding.Unknown, finding.None, "no process was seen"}
	}
	return passAll(f, "%d processes entered, none with more rights", n)
}

func sources(f Facts, in Intent) Verdict {
	if !f.Sources.Known() {
		return unknown(f.Sources, "the files of the secrets")
	}
	var wrong []string
	for _, s := range f.Sources.Value {
		switch {
		case s.Missing:
			return Verdict{finding.Unknown, finding.None, fmt.Sprintf("%s is not on this machine", s.Path)}
		case s.Mode&0o077 != 0:
			wrong = append(wrong, fmt.Sprintf("%s has mode %04o", s.Path, s.Mode))
		case s.Owner != 0 && s.Owner != s.Reader && s.Owner != in.UID:
			wrong = append(wrong, fmt.Sprintf("%s belongs to uid %d", s.Path, s.Owner))
		case s.Kept:
			wrong = append(wrong, fmt.Sprintf("%s is not ignored by git", s.Path))
		}
	}
	switch {
	case len(wrong) > 0:
		return fail(f.Sources.Tier, "%s", strings.Join(wrong, "; "))
	case len(f.Sources.Value) == 0:
		return notApplicable(f.Sources.Tier, "no secret comes from a file of this machine")
	}
	return pass(f.Sources.Tier, "%d files, for their owner only", len(f.Sources.Value))
}

package controls

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

func backups() []policy.Control {
	return []policy.Control{
		{ID: "HSE-OPS-001", Title: "Every volume that must last is backed up, and the backup was restored", Severity: finding.High, Key: "writable",
			Rationale:  "One failed disk or one wrong command can destroy a volume; a backup that was never restored is unproven.",
			References: []string{"NIST SP 800-190 4.4.5"},
			Remedy:     "write volumes: {NAME: {backup: {to: DIRECTORY}}}, or ephemeral: why the data may be lost; then: hsectl backup, hsectl drill restore",
			Applies:    func(f policy.Facts) bool { return f.Keeping.Known() && len(f.Keeping.Value.Volumes) > 0 },
			Predicate:  backedUp},
	}
}

// backedUp wants a declaration for each volume, and, where backups were inspected, a backup and a restore that are young enough.
// What a new volume owes is not yet due.
func backedUp(f policy.Facts, _ policy.Intent) policy.Verdict {
	if !f.Keeping.Known() {
		return policy.Unknown(f.Keeping, "how the volumes are backed up")
	}
	var silent, wrong, blind, good []string
	tier, at := finding.Behaved, f.Keeping.Tier // of what is good, and of what is wrong
	for _, k := range f.Keeping.Value.Volumes {
		switch {
		case k.Ephemeral != "":
			tier = finding.Declared
			good = append(good, fmt.Sprintf("%s may be lost: %s", k.Volume, k.Ephemeral))
		case !k.Declared && f.Keeping.Value.Silent:
			silent = append(silent, k.Volume)
		case !k.Declared:
			wrong = append(wrong, k.Volume+": no backup is declared")
		case !k.Looked:
			tier = finding.Declared
			good = append(good, fmt.Sprintf("%s is backed up by %s", k.Volume, cmp.Or(k.By, "hsectl")))
		default:
			last := due(k.Last, k.Age, k.MaxAge, "backup")
			tried := due(k.Restored, k.Age, k.MaxUntested, "tested restore")
			tier = min(tier, last.tier, tried.tier)
			for _, d := range []dueness{last, tried} {
				text := k.Volume + ": " + d.text
				switch d.status {
				case finding.Pass:
					good = append(good, text)
				case finding.Fail:
					wrong, at = append(wrong, text), max(at, d.tier)
				default:
					blind = append(blind, text)
				}
			}
		}
	}
	switch {
	case len(wrong) > 0:
		return policy.Fail(at, "%s", strings.Join(append(wrong, blind...), "; "))
	case len(blind) > 0:
		return policy.Undetermined(strings.Join(blind, "; "))
	case len(silent) > 0:
		// A profile that never spoke of backups is advised; one that did means every volume.
		return policy.Advise(f.Keeping.Tier, "no backup is declared for "+strings.Join(silent, ", "))
	}
	return policy.Pass(tier, "%s", strings.Join(good, "; "))
}

// dueness is the answer about one thing that was to happen.
type dueness struct {
	status finding.Status
	tier   finding.Tier
	text   string
}

func due(p policy.Fact[policy.Past], age policy.Fact[time.Duration], within time.Duration, what string) dueness {
	young := age.Known() && age.Value < within
	first := dueness{finding.Pass, finding.Applied, fmt.Sprintf("the first %s is due in %s", what, policy.Age(within-age.Value))}
	switch {
	case p.Known() && p.Value.Bad != "":
		return dueness{finding.Fail, p.Tier, fmt.Sprintf("the last %s is unusable: %s", what, p.Value.Bad)}
	case p.Known() && !p.Value.Never && p.Value.Ago <= within:
		return dueness{finding.Pass, p.Tier, fmt.Sprintf("last %s %s ago", what, policy.Age(p.Value.Ago))}
	case young:
		return first
	case !p.Known():
		return dueness{finding.Unknown, finding.None, fmt.Sprintf("the last %s: %s", what, cmp.Or(p.Why, "it could not be checked"))}
	case p.Value.Never:
		return dueness{finding.Fail, p.Tier, "no " + what}
	}
	return dueness{finding.Fail, p.Tier, fmt.Sprintf("the last %s is %s old, more than %s", what, policy.Age(p.Value.Ago), policy.Age(within))}
}

package review

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/stack"
)

// backups compares what is declared about the backups of volumes that both versions have.
func (c *comparison) backups() {
	for _, now := range c.head.Stack.Volumes {
		if old, ok := c.base.Stack.Volume(now.Name); ok {
			v := volumeComparison{c, old, now}
			v.compare()
		}
	}
}

type volumeComparison struct {
	*comparison
	old, new stack.Volume
}

func (v volumeComparison) change(change Change) {
	change.Rule, change.Control = RuleOther, "HSE-OPS-001"
	change.What += " of volume " + v.new.Name
	change.Key = "volumes." + v.new.Name
	v.changes = append(v.changes, change)
}

// keeper says in words who keeps the data of a volume.
func keeper(v stack.Volume) string {
	switch b := v.Backup; {
	case v.Ephemeral != "":
		return "may be lost"
	case b == nil:
		return ""
	case b.By != "":
		return b.By
	default:
		return "hsectl, in " + b.To
	}
}

func (v volumeComparison) compare() {
	old, now := keeper(v.old), keeper(v.new)
	was, is := v.old.Backup, v.new.Backup
	switch {
	case was != nil && is == nil:
		v.change(Change{What: "backup", Old: old, New: now, Direction: Weaker, Severity: finding.High, Reason: cmp.Or(v.new.Ephemeral, "the data is no longer backed up")})
	case was == nil && is != nil:
		v.change(Change{What: "backup", Old: old, New: now, Direction: Stronger, Severity: finding.Medium, Reason: "its data is kept in another place"})
	case was == nil && old != now:
		v.change(Change{What: "backup", Old: old, New: now, Severity: finding.Low, Reason: cmp.Or(v.new.Ephemeral, "whether its data may be lost is no longer declared")})
	case was != nil && old != now:
		v.change(Change{What: "backup", Old: old, New: now, Severity: finding.Medium, Reason: cmp.Or(is.Reason, "backups go to a different place; check that the older ones are kept")})
	}
	if was != nil && is != nil {
		v.limits(*was, *is)
		v.programs(*was, *is)
		v.readers(*was, *is)
	}
}

func (v volumeComparison) limits(was, is stack.Backup) {
	for _, limit := range []struct {
		what     string
		old, new fmt.Stringer
		weaker   bool
	}{
		{"greatest age of the backup", was.MaxAge, is.MaxAge, is.MaxAge > was.MaxAge},
		{"longest time without a restore", was.MaxUntested, is.MaxUntested, is.MaxUntested > was.MaxUntested},
	} {
		change := Change{What: limit.what, Old: limit.old.String(), New: limit.new.String()}
		switch {
		case change.Old == change.New:
			continue
		case limit.weaker:
			change.Direction, change.Severity, change.Reason = Weaker, finding.Medium, "more data can be lost before it is noticed"
		default:
			change.Direction, change.Severity, change.Reason = Stronger, finding.Low, "a missing backup is noticed sooner"
		}
		v.change(change)
	}
	if was.Keep != is.Keep {
		change := Change{What: "number of backups", Old: kept(was.Keep), New: kept(is.Keep), Direction: Weaker, Severity: finding.Low, Reason: "older backups go sooner"}
		if is.Keep == 0 || was.Keep != 0 && is.Keep > was.Keep {
			change.Direction, change.Reason = Stronger, "older backups stay longer"
		}
		v.change(change)
	}
	if was.Schedule != is.Schedule {
		v.change(Change{What: "schedule of the backup", Old: was.Schedule, New: is.Schedule, Severity: finding.Low, Reason: "check that it is often enough, and that cron has the new line"})
	}
}

func kept(n int) string {
	if n == 0 {
		return "all"
	}
	return fmt.Sprint(n)
}

func (v volumeComparison) programs(was, is stack.Backup) {
	text := func(words []string) string { return strings.Join(words, " ") }
	if len(was.Check) > 0 && len(is.Check) == 0 {
		v.change(Change{What: "check of the restored data", Old: text(was.Check), Direction: Weaker, Severity: finding.Medium, Reason: "restored data is no longer checked"})
	} else if text(was.Check) != text(is.Check) {
		v.change(Change{What: "check of the restored data", Old: text(was.Check), New: text(is.Check), Severity: finding.Low, Reason: "check that it still fails when rows are missing"})
	}
	if text(was.Dump) != text(is.Dump) || text(was.Restore) != text(is.Restore) {
		v.change(Change{What: "programs of the backup", Old: text(was.Dump), New: text(is.Dump), Severity: finding.Medium, Reason: "try it before it is relied on: hsectl backup, hsectl drill restore"})
	}
}

// readers compares who can decrypt the archives.
func (v volumeComparison) readers(was, is stack.Backup) {
	old, now := strings.Join(was.Encrypt, " "), strings.Join(is.Encrypt, " ")
	added := slices.ContainsFunc(is.Encrypt, func(r string) bool { return !slices.Contains(was.Encrypt, r) })
	change := Change{What: "readers of the backup", Old: old, New: now}
	switch {
	case old == now:
		return
	case now == "":
		change.Direction, change.Severity, change.Reason = Weaker, finding.High, "archives are no longer encrypted"
	case old == "":
		change.Direction, change.Severity, change.Reason = Stronger, finding.Medium, "archives are encrypted; older ones are not"
	case added:
		change.Direction, change.Severity, change.Reason = Weaker, finding.Medium, "an additional recipient can decrypt the archives"
	default:
		change.Direction, change.Severity, change.Reason = Stronger, finding.Low, "fewer recipients can decrypt new archives; older archives do not change"
	}
	v.change(change)
}

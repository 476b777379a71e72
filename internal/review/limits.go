package review

import (
	"fmt"
	"strconv"

	"github.com/hsectl/hsectl/internal/finding"
)

// amount is an upper bound before and after; zero means that there is none.
type amount struct {
	what, control, key string
	old, new           int64
	oldText, newText   string
}

// amount notes a bound that was raised, lowered, removed or set.
func (s *serviceComparison) amount(a amount) {
	if a.old == a.new {
		return
	}
	c := Change{Rule: RuleLimit, Control: a.control, What: a.what, Old: a.oldText, New: a.newText, Key: a.key, Direction: Weaker, Severity: finding.Low, Reason: "the limit was raised"}
	switch {
	case a.new == 0:
		c.Severity, c.New, c.Reason = finding.High, "", "the limit was removed"
	case a.old == 0:
		c.Direction, c.Severity, c.Old, c.Reason = Stronger, finding.Medium, "", "a limit is set now"
	case a.new < a.old:
		c.Direction, c.Reason = Stronger, "the limit was lowered; check that the service still fits"
	case a.new > 2*a.old:
		c.Severity, c.Reason = finding.Medium, fmt.Sprintf("the limit is %.1f times what it was", float64(a.new)/float64(a.old))
	}
	s.change(c)
}

func (s *serviceComparison) limits() {
	old, now := s.old, s.new
	for _, a := range []amount{
		{"memory limit", "HSE-RES-001", "limits.memory", old.Limits.Memory.Bytes, now.Limits.Memory.Bytes, old.Limits.Memory.Text, now.Limits.Memory.Text},
		{"cpu limit", "HSE-RES-003", "limits.cpus", old.Limits.Nano, now.Limits.Nano, old.Limits.CPUs, now.Limits.CPUs},
		{"limit of processes", "HSE-RES-004", "limits.pids", int64(old.Limits.PIDs), int64(now.Limits.PIDs), strconv.Itoa(old.Limits.PIDs), strconv.Itoa(now.Limits.PIDs)},
		{"limit of open files", "HSE-RES-005", "open_files", int64(old.OpenFiles), int64(now.OpenFiles), strconv.Itoa(old.OpenFiles), strconv.Itoa(now.OpenFiles)},
		{"size of log files", "HSE-LOG-001", "logging", old.Log.MaxSize.Bytes * int64(old.Log.MaxFiles), now.Log.MaxSize.Bytes * int64(now.Log.MaxFiles), logText(old.Log), logText(now.Log)},
	} {
		s.amount(a)
	}
	if old.ShmSize != now.ShmSize {
		s.change(Change{Rule: RuleLimit, What: "shared memory", Old: old.ShmSize.Text, New: now.ShmSize.Text, Key: "shm_size", Reason: "it counts in the memory limit"})
	}
	if old.Reservations != now.Reservations {
		s.change(Change{Rule: RuleLimit, What: "reservations", Old: resourcesText(old.Reservations), New: resourcesText(now.Reservations), Key: "reservations", Reason: "resources reserved for the service"})
	}
	if old.Log.Driver != now.Log.Driver {
		s.change(Change{Rule: RuleOther, Control: "HSE-LOG-002", What: "log driver", Old: old.Log.Driver, New: now.Log.Driver, Key: "logging.driver", Reason: "logs go to a different place"})
	}
}

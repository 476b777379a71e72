package drills

import (
	"fmt"
	"time"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/stack"
)

// Restored is what came of a backup that was brought back into a copy.
type Restored struct {
	Made    time.Time     // of the backup
	Old     time.Duration // since then
	Entries int           // files and directories in it
	Wrong   string        // why it is no good; empty when it is
	Checked bool          // a program has looked at the restored data
	Took    time.Duration
}

// JudgeRestore wants the newest backup of a volume to become a service that works, with the right data.
func JudgeRestore(service, volume string, r Restored) finding.Finding {
	f := drilled(stack.Service{Name: service}, "HSE-OPS-012", "The newest backup can be restored", r.Wrong == "", "")
	f.Severity = finding.High
	f.Detail = fmt.Sprintf("%s: the backup of %s ", volume, r.Made.UTC().Format("2006-01-02 15:04 UTC"))
	switch {
	case r.Wrong != "":
		f.Detail += "cannot be restored: " + display.Name(r.Wrong)
		f.Remedy = "make another backup and try again: hsectl backup " + volume + "; keep the older ones until one is proven"
	case r.Checked:
		f.Detail += fmt.Sprintf("came back in %s: %d files, the service is up and the check passed", r.Took.Round(100*time.Millisecond), r.Entries)
	default:
		f.Detail += fmt.Sprintf("came back in %s: %d files, byte for byte, and the service is up", r.Took.Round(100*time.Millisecond), r.Entries)
	}
	return f
}

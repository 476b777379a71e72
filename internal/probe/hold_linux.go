package probe

import (
	"context"
	"fmt"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hsectl/hsectl/internal/verify"
	"github.com/hsectl/hsectl/internal/verify/drills"
)

// holdPause is the time between two looks at what is held.
const holdPause = 5 * time.Millisecond

// stopWait bounds the wait until a process has stopped.
const stopWait = time.Second

// Hold stops processes of the pid namespace that it runs in, tells when a signal is pending for each, and continues it a moment later, so
// that what was to wait for it has had the time not to. It ends when all are continued: nothing stays held.
func Hold(ctx context.Context, h verify.Hold, tell func(drills.Held) error) error {
	for n := syscall.Signal(1); n < 32; n++ { // what signals every process there is would end this one, and leave those held
		if n != syscall.SIGKILL && n != syscall.SIGSTOP && n != syscall.SIGCHLD && n != syscall.SIGURG {
			signal.Ignore(n)
		}
	}
	holding := map[int]time.Time{} // since when the signal is pending; zero when it is not
	defer func() {
		for pid := range holding {
			_ = syscall.Kill(pid, syscall.SIGCONT) // one that is gone needs none
		}
	}()
	for _, pid := range h.PIDs {
		seen := drills.HoldRefused
		if syscall.Kill(pid, syscall.SIGSTOP) == nil {
			holding[pid], seen = time.Time{}, drills.HoldBegun
			if !stops(ctx, pid) {
				_ = syscall.Kill(pid, syscall.SIGCONT) // as if it had not been tried
				delete(holding, pid)
				seen = drills.HoldRefused
			}
		}
		if err := tell(drills.Held{PID: pid, Seen: seen}); err != nil {
			return fmt.Errorf("telling what is held: %w", err)
		}
	}
	over := time.Now().Add(h.Most)
	ticker := time.NewTicker(holdPause)
	defer ticker.Stop()
	for len(holding) > 0 && ctx.Err() == nil {
		for pid, since := range holding {
			pending, gone := pendingFor(pid, h.Signal)
			seen, kept := "", time.Duration(0)
			switch {
			case gone:
				delete(holding, pid)
			case pending && since.IsZero():
				holding[pid], seen = time.Now(), drills.HoldPassed
			case !since.IsZero() && time.Since(since) >= h.Settle:
				seen, kept = drills.HoldWaited, time.Since(since)
			case since.IsZero() && time.Now().After(over):
				seen = drills.HoldReleased
			}
			if seen == "" {
				continue
			}
			if seen != drills.HoldPassed {
				_ = syscall.Kill(pid, syscall.SIGCONT) // one that is gone needs none
				delete(holding, pid)
			}
			if err := tell(drills.Held{PID: pid, Seen: seen, For: kept}); err != nil {
				return fmt.Errorf("telling what is held: %w", err)
			}
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	return ctx.Err()
}

// stops waits until a process has stopped.
func stops(ctx context.Context, pid int) bool {
	ctx, cancel := context.WithTimeout(ctx, stopWait)
	defer cancel()
	ticker := time.NewTicker(holdPause)
	defer ticker.Stop()
	for {
		if status, err := readBounded(statusFile(pid)); err != nil || strings.Contains(status, "\nState:\tT") {
			return err == nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
	}
}

func statusFile(pid int) string { return filepath.Join("/proc", strconv.Itoa(pid), "status") }

// pendingFor reports whether a signal is on its way to a process, and whether that has ended.
func pendingFor(pid, number int) (pending, gone bool) {
	status, err := readBounded(statusFile(pid))
	if err != nil || isZombie(status) {
		return false, true
	}
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		if name != "ShdPnd" && name != "SigPnd" {
			continue
		}
		mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err == nil && mask&(1<<(number-1)) != 0 {
			return true, false
		}
	}
	return false, false
}

package probe

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/verify/drills"
)

// TakeMemory takes so many bytes and touches each page, so that they count. After each step it tells what the kernel counts
// as this process's own. It returns when it has them all.
func TakeMemory(ctx context.Context, bytes int64, tell func(drills.Taken) error) error {
	page := int64(os.Getpagesize())
	chunk := max(bytes/takeSteps/page, 1) * page
	begun := time.Now()
	var kept [][]byte
	for taken := int64(0); taken < bytes && ctx.Err() == nil; taken += chunk {
		b := make([]byte, chunk)
		for i := int64(0); i < chunk; i += page {
			b[i] = 1
		}
		kept = append(kept, b)
		n, err := resident(page)
		if err != nil {
			return err
		}
		if err := tell(drills.Taken{At: time.Since(begun).Seconds(), Bytes: n}); err != nil {
			return fmt.Errorf("telling what was taken: %w", err)
		}
	}
	runtime.KeepAlive(kept)
	return ctx.Err()
}

// takeSteps is how often is told: enough for a curve.
const takeSteps = 128

// resident is what this process has in memory and no file has, in bytes: the second number of statm without the third
// (proc_pid_statm(5)). Pages of files are not counted: those of the program itself were mostly read, and are paid for, by others.
func resident(page int64) (int64, error) {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, fmt.Errorf("reading what is taken: %w", err)
	}
	fields := strings.Fields(string(data))
	if len(fields) < 3 {
		return 0, fmt.Errorf("reading what is taken: %q", data)
	}
	all, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading what is taken: %w", err)
	}
	files, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading what is taken: %w", err)
	}
	return (all - files) * page, nil
}

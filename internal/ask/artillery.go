package ask

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/verify/drills"
)

// artilleryTimeout bounds a whole script, however long its phases are.
const artilleryTimeout = time.Hour

// ErrNoArtillery says that this machine has no artillery program. It is never downloaded.
var ErrNoArtillery = errors.New("artillery not found on this machine")

// FindArtillery looks for the program as npx does, without its download: next to the script and above it, then in PATH.
func FindArtillery(script string) (string, error) {
	script, err := filepath.Abs(script)
	if err != nil {
		return "", fmt.Errorf("finding %s: %w", script, err)
	}
	if info, err := os.Stat(script); err != nil {
		return "", fmt.Errorf("reading the script: %w", err)
	} else if !info.Mode().IsRegular() {
		return "", fmt.Errorf("reading the script: %s is not a file", script)
	}
	for dir := filepath.Dir(script); ; dir = filepath.Dir(dir) {
		if path, err := exec.LookPath(filepath.Join(dir, "node_modules", ".bin", "artillery")); err == nil {
			return path, nil
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	path, err := exec.LookPath("artillery")
	if err != nil {
		return "", ErrNoArtillery
	}
	return path, nil
}

// LoadScript runs a script of Artillery against a target and reads its report. What the program prints is not kept.
func LoadScript(ctx context.Context, program, script, target string) (out drills.Loaded, err error) {
	script, err = filepath.Abs(script)
	if err != nil {
		return out, fmt.Errorf("finding %s: %w", script, err)
	}
	dir, err := os.MkdirTemp("", "hsectl-load-")
	if err != nil {
		return out, fmt.Errorf("creating a file for Artillery's report: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx, cancel := context.WithTimeout(ctx, artilleryTimeout)
	defer cancel()
	written := filepath.Join(dir, "report.json")
	ended := host.Program{
		Command:     []string{program, "run", "--quiet", "--target", target, "--output", written, script},
		Dir:         filepath.Dir(script), // payloads and processors are named relative to it
		Environment: append(os.Environ(), "ARTILLERY_DISABLE_TELEMETRY=true", "NO_UPDATE_NOTIFIER=1"),
		Apart:       true,
	}.Run(ctx, nil, nil)
	if ctx.Err() != nil {
		return out, fmt.Errorf("running %s: %w", program, context.Cause(ctx))
	}
	data, err := host.ReadFile(written, drills.MaxArtilleryBytes)
	if err != nil {
		return out, fmt.Errorf("running %s: it wrote no report: %w", program, errors.Join(ended, err))
	}
	if out, err = drills.ParseArtillery(data); err != nil {
		return out, err
	}
	if ended != nil { // a threshold of the script that is missed, too, ends it so
		out.Ended = "artillery ended with " + ended.Error()
	}
	return out, nil
}

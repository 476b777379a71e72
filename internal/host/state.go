package host

import (
	"fmt"
	"os"
	"path/filepath"
)

// StateDir is where results are kept between runs: $XDG_STATE_HOME/hsectl, or ~/.local/state/hsectl.
func StateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "hsectl"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding a place for results: %w", err)
	}
	return filepath.Join(home, ".local", "state", "hsectl"), nil
}

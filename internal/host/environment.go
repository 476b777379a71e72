package host

import (
	"cmp"
	"fmt"
	"os"
	"os/user"
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

// Who names the person, or the pipeline's actor, and the machine that this program runs for. Unknown stays "unknown".
func Who() (person, machine string) {
	if u, err := user.Current(); err == nil {
		person = u.Username
	}
	machine, _ = os.Hostname() // empty when the system has none
	return cmp.Or(os.Getenv("GITHUB_ACTOR"), os.Getenv("GITLAB_USER_LOGIN"), person, "unknown"), cmp.Or(machine, "unknown")
}

package host

import (
	"cmp"
	"os"
	"os/user"
)

// Who names the person, or the pipeline's actor, and the machine that this program runs for. Unknown stays "unknown".
func Who() (person, machine string) {
	if u, err := user.Current(); err == nil {
		person = u.Username
	}
	machine, _ = os.Hostname() // empty when the system has none
	return cmp.Or(os.Getenv("GITHUB_ACTOR"), os.Getenv("GITLAB_USER_LOGIN"), person, "unknown"), cmp.Or(machine, "unknown")
}

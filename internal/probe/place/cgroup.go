// Package place looks at where a thread of a probe is: how its network is wired, which files give rights there, which devices there are, and
// where the paths of a container lie.
package place

import (
	"os"
	"path/filepath"

	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/verify"
)

// overflowUID is the user that the kernel shows for one without a mapping in a user namespace (user_namespaces(7)).
const overflowUID = 65534

// Foreign reports whether the files that limit a container, as it sees them, belong to a user outside its user namespace
// and may be written by no other: then not even its root can lift a limit. Where there is no file it is not shown.
func Foreign(target string) bool {
	seen := false
	for controller, names := range verify.CgroupFiles() {
		for _, name := range names {
			info, err := os.Lstat(filepath.Join(target, "sys/fs/cgroup", controller, name))
			if err != nil {
				continue
			}
			if uid, _, ok := host.Owner(info); !ok || uid != overflowUID || info.Mode().Perm()&0o022 != 0 {
				return false
			}
			seen = true
		}
	}
	return seen
}

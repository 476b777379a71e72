package probe

import (
	"os"
	"path/filepath"

	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/verify"
)

// nobody is the user that the kernel shows for one who has no number in a user namespace (user_namespaces(7)).
const nobody = 65534

// foreign reports whether the files that limit a container, as it sees them, belong to somebody outside its user namespace
// and may be written by nobody else: then not even its root can lift a limit. Where there is no file it is not shown.
func foreign(target string) bool {
	seen := false
	for controller, names := range verify.CgroupFiles() {
		for _, name := range names {
			info, err := os.Lstat(filepath.Join(target, "sys/fs/cgroup", controller, name))
			if err != nil {
				continue
			}
			if uid, _, ok := host.Owner(info); !ok || uid != nobody || info.Mode().Perm()&0o022 != 0 {
				return false
			}
			seen = true
		}
	}
	return seen
}

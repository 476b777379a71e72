//go:build unix

package host

import (
	"io/fs"
	"syscall"
)

// Owner returns uid and gid of a file.
func Owner(info fs.FileInfo) (uid, gid int, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(stat.Uid), int(stat.Gid), true
}

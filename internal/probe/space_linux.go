package probe

import "golang.org/x/sys/unix"

// spaceUsed returns how many bytes are in the tmpfs at a path. Another file system says nothing about what the service keeps in memory.
func spaceUsed(path string) (int64, bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil || s.Type != unix.TMPFS_MAGIC || s.Bfree > s.Blocks {
		return 0, false
	}
	return int64(s.Blocks-s.Bfree) * int64(s.Bsize), true //nolint:unconvert // it is an int32 on other architectures
}

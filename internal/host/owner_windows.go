package host

import (
	"io/fs"
	"strconv"
)

// ownerOf knows no owner by number here.
func ownerOf(fs.FileInfo) (uid, gid int, ok bool) { return 0, 0, false }

func groupName(gid int) string { return strconv.Itoa(gid) }

package place

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks is the kernel's own bound on links in one path (path_resolution(7)).
const maxLinks = 40

// Resolve returns where a path of a container lies below root. Links are followed as the container would follow them: an
// absolute one begins at the container's root, and none leads out of it. What does not exist is left as it is.
func Resolve(root, name string) (string, error) {
	rest := strings.Split(name, "/")
	at := "/"
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, part)
		target, err := os.Readlink(filepath.Join(root, next))
		if err != nil { // not a link, or nothing there
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", &os.PathError{Op: "resolve", Path: name, Err: syscall.ELOOP}
		}
		if path.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return filepath.Join(root, at), nil
}

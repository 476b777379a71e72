package place

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hsectl/hsectl/internal/verify"
	"github.com/hsectl/hsectl/internal/verify/kernel"
)

// Bounds on the walk through the writable places of one container, and through its device files.
const (
	maxWalked  = 100_000
	maxDepth   = 64
	walkTime   = 3 * time.Second
	walkBatch  = 256
	maxSpecial = 100
	maxNodes   = 1000
)

// Tops looks at the top directories of volumes. One that cannot be inspected is left out.
func Tops(target string, volumes []string) []verify.Top {
	var out []verify.Top
	for _, v := range volumes {
		var s unix.Stat_t
		if at, err := Resolve(target, v); err == nil && unix.Lstat(at, &s) == nil {
			out = append(out, verify.Top{Path: v, UID: int(s.Uid), GID: int(s.Gid), Mode: int(s.Mode & 0o7777)})
		}
	}
	return out
}

// Special finds the files that give rights in the writable places of a container, whose mounts the text of mountinfo has, as the user sees
// them who looks: what is closed to that user gives no rights. An error says what was not looked at.
func Special(target, mountinfo string) ([]verify.Special, error) {
	places, err := verify.WritablePlaces(mountinfo)
	if err != nil {
		return nil, err
	}
	var out []verify.Special
	w := walk{left: maxWalked, until: time.Now().Add(walkTime)}
	for _, place := range places {
		err := w.from(target, place.Path, func(at string, s unix.Stat_t, dir int, name string) {
			if found, is := special(place, at, s, dir, name); is && len(out) < maxSpecial {
				out = append(out, found)
			}
		})
		if err != nil {
			return out, fmt.Errorf("%s: %w", place.Path, err)
		}
	}
	return out, nil
}

// Nodes lists the device files of a container.
func Nodes(target string) ([]kernel.Node, error) {
	var out []kernel.Node
	w := walk{left: maxNodes, until: time.Now().Add(walkTime)}
	err := w.from(target, "/dev", func(at string, s unix.Stat_t, _ int, _ string) {
		if kind := map[uint32]string{unix.S_IFCHR: "c", unix.S_IFBLK: "b"}[s.Mode&unix.S_IFMT]; kind != "" {
			out = append(out, kernel.Node{Path: at, Kind: kind, Major: unix.Major(s.Rdev), Minor: unix.Minor(s.Rdev)})
		}
	})
	if err != nil {
		return out, fmt.Errorf("/dev: %w", err)
	}
	return out, nil
}

// special tells a file that gives rights where it lies.
func special(place verify.WritablePlace, at string, s unix.Stat_t, dir int, name string) (verify.Special, bool) {
	device := s.Mode&unix.S_IFMT == unix.S_IFCHR || s.Mode&unix.S_IFMT == unix.S_IFBLK
	found := verify.Special{Path: at, Mode: s.Mode}
	if device && place.Devices || !device && place.Rights && verify.GivesRights(s.Mode) {
		return found, true
	}
	found.Capabilities = place.Rights && s.Mode&unix.S_IFMT == unix.S_IFREG && s.Mode&0o111 != 0 && capable(dir, name)
	return found, found.Capabilities
}

// capable reports whether a file carries capabilities. Only a path is asked for them: the directory is entered for it, because
// another one may lie at its path by now.
func capable(dir int, name string) bool {
	if unix.Fchdir(dir) != nil {
		return false
	}
	n, err := unix.Lgetxattr(name, "security.capability", nil)
	return err == nil && n > 0
}

// walk goes through directories, within bounds.
type walk struct {
	left  int
	until time.Time
}

// from looks at each file below a path of a container, on the file system that the path is on. No link is followed. What the user may not
// enter is left out, and so is what is gone meanwhile.
func (w *walk) from(root, name string, look func(at string, s unix.Stat_t, dir int, name string)) error {
	at, err := Resolve(root, name)
	if err != nil {
		return err
	}
	fd, err := unix.Open(at, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if closed(err) || errors.Is(err, unix.ENOTDIR) { // a file that is a mount of its own is in no writable directory
		return nil
	}
	if err != nil {
		return err
	}
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	return w.below(fd, name, s.Dev, 0, look)
}

// below takes an open directory, and closes it.
func (w *walk) below(fd int, at string, device uint64, depth int, look func(at string, s unix.Stat_t, dir int, name string)) error {
	dir := os.NewFile(uintptr(fd), at)
	defer dir.Close()
	if depth > maxDepth {
		return fmt.Errorf("directories are nested deeper than %d", maxDepth)
	}
	for {
		names, err := dir.Readdirnames(walkBatch)
		for _, name := range names {
			if w.left--; w.left < 0 {
				return errors.New("there are more files than can be looked at")
			}
			if err := w.entry(fd, at, name, device, depth, look); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if time.Now().After(w.until) {
			return fmt.Errorf("to look at all files takes longer than %s", walkTime)
		}
	}
}

func (w *walk) entry(fd int, at, name string, device uint64, depth int, look func(at string, s unix.Stat_t, dir int, name string)) error {
	var s unix.Stat_t
	if err := unix.Fstatat(fd, name, &s, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		if closed(err) {
			return nil
		}
		return err
	}
	next := path.Join(at, name)
	if s.Mode&unix.S_IFMT != unix.S_IFDIR {
		look(next, s, fd, name)
		return nil
	}
	if s.Dev != device {
		return nil // a mount of its own
	}
	child, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if closed(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return w.below(child, next, device, depth+1, look)
}

// closed tells what the user of the container cannot get at, or what is not there any more.
func closed(err error) bool {
	return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR)
}

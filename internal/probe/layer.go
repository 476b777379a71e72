package probe

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/verify"
)

// maxChanged bounds the paths of a container's own layer that are kept.
const maxChanged = 1000

// layer lists what the container's own layer holds, in the overlay file system that the mount table of its first
// process names, as whoever mounted it sees files: below root. It returns false when there is none, or when its directory
// is not on this machine; whole is false when the layer holds more than is listed. No link that a container puts in the way
// leads out of the layer.
func layer(mountinfo, root string) (out []string, whole, ok bool) {
	at := upperDir(mountinfo)
	if !filepath.IsAbs(at) {
		return nil, false, false
	}
	dir, err := os.OpenRoot(filepath.Join(root, at))
	if err != nil {
		return nil, false, false
	}
	defer dir.Close()
	out, whole = []string{}, true
	for open := []string{"."}; len(open) > 0 && whole; {
		next := open[len(open)-1]
		open = open[:len(open)-1]
		entries, all, err := readDir(dir, next, maxChanged-len(out))
		if errors.Is(err, fs.ErrNotExist) && next != "." {
			continue // it was removed meanwhile
		}
		if err != nil {
			return nil, false, false
		}
		whole = all
		for _, e := range entries {
			name := path.Join(next, e.Name())
			out = append(out, "/"+name)
			if e.IsDir() {
				open = append(open, name)
			}
		}
	}
	slices.Sort(out)
	return out, whole, true
}

// readDir returns no more than the most of what a directory holds, and whether that is all.
func readDir(dir *os.Root, name string, most int) (out []fs.DirEntry, all bool, err error) {
	f, err := dir.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	out, err = f.ReadDir(most + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	return out[:min(len(out), most)], len(out) <= most, nil
}

// upperDir finds the writable layer of the root mount. An engine writes no comma and no colon into its paths.
func upperDir(mountinfo string) string {
	for line := range strings.Lines(mountinfo) {
		left, right, _ := strings.Cut(strings.TrimSpace(line), " - ")
		fields, tail := strings.Fields(left), strings.Fields(right)
		if len(fields) < 6 || fields[4] != "/" || len(tail) < 3 || tail[0] != "overlay" {
			continue
		}
		for option := range strings.SplitSeq(tail[2], ",") {
			if dir, ok := strings.CutPrefix(option, "upperdir="); ok {
				return dir
			}
		}
	}
	return ""
}

// changed notes the container's own layer when it can be seen from here.
func (p *prober) changed(first verify.RawProcess, root string) {
	paths, whole, ok := layer(first.Files["mountinfo"], root)
	if !ok {
		return
	}
	p.dump.Changed = &paths
	if !whole {
		p.cut(verify.LookChanged, fmt.Sprintf("its layer holds more than %d paths", maxChanged))
	}
}

package probe

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/hsectl/hsectl/internal/verify"
)

// maxChanged bounds the paths of a container's own layer that are kept.
const maxChanged = 1000

var errEnough = errors.New("enough paths")

// layer lists what the container's own layer holds, in the overlay file system that the mount table of its first
// process names, as whoever mounted it sees files: below root. It returns false when there is none, or when its directory
// is not on this machine.
func layer(mountinfo, root string) ([]string, bool) {
	dir := upperDir(mountinfo)
	if !filepath.IsAbs(dir) {
		return nil, false
	}
	dir = filepath.Join(root, dir)
	out := []string{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case len(out) == maxChanged:
			return errEnough
		case path != dir:
			out = append(out, strings.TrimPrefix(path, dir))
		}
		return nil
	})
	return out, err == nil || errors.Is(err, errEnough)
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
	if paths, ok := layer(first.Files["mountinfo"], root); ok {
		p.dump.Changed = &paths
	}
}

package evidence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/host"
)

// snapshot is one side of a review: profiles as they are on disk, or as they were in a commit.
type snapshot struct {
	title    string
	read     app.Reader
	names    []string // the profiles, as read takes them
	overlays []string
	single   bool // one profile was named, whatever its path is

	dir      string     // what names are relative to
	tree     *host.Tree // the commit; nil on disk
	exported string     // where the Compose files of the commit were written; empty until they are needed
}

// openSnapshot finds what an argument of review means: a path, a revision, or a path in a revision.
func openSnapshot(ctx context.Context, g *app.Settings, argument string) (snapshot, error) {
	if argument == "" {
		return openDisk(g.File.Files[0], g.File.Files[1:])
	}
	if _, err := os.Stat(argument); err == nil {
		return openDisk(argument, nil)
	}
	revision, name, inside := strings.Cut(argument, ":")
	tree, err := host.OpenTree(ctx, ".", revision)
	if err != nil {
		hint := "name a file, a directory, REV or REV:path"
		if inside {
			hint = "see the revisions with: git log --oneline"
		}
		return snapshot{}, &app.UsageError{Err: fmt.Errorf("%q is neither a file nor a git revision", argument), Hint: hint}
	}
	v := snapshot{title: argument, tree: tree, read: func(name string, limit int64) ([]byte, error) { return tree.ReadFile(filepath.ToSlash(name), limit) }}
	switch {
	case !inside:
		name = tree.Path(g.File.Files[0])
		for _, overlay := range g.File.Files[1:] {
			v.overlays = append(v.overlays, tree.Path(overlay))
		}
	case strings.HasPrefix(name, "./"):
		name = tree.Path(name) // as git reads it: from here, not from the top
	}
	name = strings.Trim(path.Clean("/"+name), "/")
	if inside && tree.IsDir(name) {
		return v.directory(tree.List, name)
	}
	return v.file(name)
}

func openDisk(name string, overlays []string) (snapshot, error) {
	v := snapshot{title: name, read: host.ReadFile, overlays: overlays}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return v.directory(listFiles, name)
	}
	return v.file(name)
}

// file makes it a version of one profile. A profile that is missing is one that does not exist yet, or any more.
func (v snapshot) file(name string) (snapshot, error) {
	v.single = true
	_, err := v.read(name, app.MaxProfileBytes)
	switch {
	case err == nil:
		v.names = []string{name}
	case !errors.Is(err, fs.ErrNotExist):
		return snapshot{}, &app.UsageError{Err: fmt.Errorf("reading %s: %w", name, err)}
	default:
		v.single = false
		return v.instead(name), nil
	}
	return v, nil
}

// ComposeNames are what Compose looks for by itself, in its order.
func ComposeNames() []string {
	return []string{"compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"}
}

// instead is a version of the Compose file that lies where a profile of the usual name is not.
func (v snapshot) instead(name string) snapshot {
	if path.Base(filepath.ToSlash(name)) != "hsectl.yaml" {
		return v
	}
	for _, candidate := range ComposeNames() {
		file := path.Join(path.Dir(filepath.ToSlash(name)), candidate)
		data, err := v.read(file, app.MaxProfileBytes)
		if err != nil || !composefile.IsCompose(data) || Rendered(data) {
			continue
		}
		v.single, v.names = true, []string{file}
		over := strings.TrimSuffix(file, path.Ext(file)) + ".override" + path.Ext(file)
		if _, err := v.read(over, app.MaxProfileBytes); err == nil && len(v.overlays) == 0 {
			v.overlays = []string{over}
		}
		return v
	}
	return v
}

// Rendered reports whether a file was made by hsectl: its profile is what counts.
func Rendered(data []byte) bool { return bytes.HasPrefix(data, []byte("# Rendered by hsectl ")) }

// profileKind finds a profile among other YAML files.
var profileKind = regexp.MustCompile(`(?m)^kind:\s*["']?Profile["']?\s*(#.*)?$`)

// directory makes it a version of every profile below a directory. Names are relative to it, so that two directories
// can be compared.
func (v snapshot) directory(list func(string) ([]string, error), dir string) (snapshot, error) {
	paths, err := list(dir)
	if err != nil {
		return snapshot{}, fmt.Errorf("listing %s: %w", dir, err)
	}
	read := v.read
	v.dir = dir
	v.read = func(name string, limit int64) ([]byte, error) { return read(path.Join(dir, name), limit) }
	for _, p := range paths {
		name := strings.TrimPrefix(strings.TrimPrefix(p, strings.Trim(path.Clean(filepath.ToSlash(dir)), "/")), "/")
		if filepath.IsAbs(dir) {
			name = strings.TrimPrefix(strings.TrimPrefix(p, path.Clean(filepath.ToSlash(dir))), "/")
		}
		if ext := path.Ext(name); ext != ".yaml" && ext != ".yml" {
			continue
		}
		data, err := v.read(name, app.MaxProfileBytes)
		if err != nil {
			return snapshot{}, fmt.Errorf("reading %s: %w", p, err)
		}
		if profileKind.Match(data) || slices.Contains(ComposeNames(), path.Base(name)) && composefile.IsCompose(data) && !Rendered(data) {
			v.names = append(v.names, name)
		}
	}
	slices.Sort(v.names)
	return v, nil
}

// listFiles returns the files below a directory of this machine, without hidden directories.
func listFiles(dir string) ([]string, error) {
	var paths []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != dir && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.Type().IsRegular():
			paths = append(paths, filepath.ToSlash(p))
		}
		return nil
	})
	return paths, err
}

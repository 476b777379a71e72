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
	inputs   app.Inputs

	unread   *error     // the first file that is there, or may be, and could not be read; not nil
	dir      string     // what names are relative to
	tree     *host.Tree // the commit; nil on disk
	exported string     // where the Compose files of the commit were written; empty until they are needed
}

// openSnapshot finds what an argument of review means: a path, a revision, or a path in a revision.
func openSnapshot(ctx context.Context, g *app.Settings, in app.Inputs, argument string) (snapshot, error) {
	if argument == "" {
		return openDisk(in, g.File.Files[0], g.File.Files[1:])
	}
	if _, err := os.Stat(argument); err == nil {
		return openDisk(in, argument, nil)
	}
	revision, name, inside := strings.Cut(argument, ":")
	tree, err := host.OpenTree(ctx, ".", revision)
	if err != nil {
		return snapshot{}, neither(argument, inside, err)
	}
	v := reading(argument, func(name string, limit int64) ([]byte, error) {
		return tree.ReadFile(ctx, filepath.ToSlash(name), limit)
	})
	v.tree, v.inputs = tree, in
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
	if inside {
		is, err := tree.IsDir(ctx, name)
		if err != nil {
			return snapshot{}, err
		}
		if is {
			return v.directory(func(dir string) ([]string, error) { return tree.List(ctx, dir) }, name)
		}
	}
	return v.file(name)
}

// reading is a version whose files read returns. It remembers that one could not be read: what becomes of the error on its
// way through the loading of a profile must not turn it into a file that does not exist.
func reading(title string, read app.Reader) snapshot {
	unread := new(error)
	return snapshot{title: title, unread: unread, read: func(name string, limit int64) ([]byte, error) {
		data, err := read(name, limit)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && *unread == nil {
			*unread = err
		}
		return data, err
	}}
}

// failed returns why the version could not be read, or nil where an error is about what is written in it.
func (v *snapshot) failed(err error) error {
	if *v.unread != nil {
		return fmt.Errorf("%s: %w", v.title, *v.unread)
	}
	if app.IsType[*host.RepositoryError](err) {
		return err
	}
	return nil
}

// neither says why an argument is no version of a profile. A repository that cannot be read may have it.
func neither(argument string, inside bool, err error) error {
	hint := "name a file, a directory, REV or REV:path"
	if inside {
		hint = "see the revisions with: git log --oneline"
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &app.UsageError{Err: fmt.Errorf("%q is neither a file nor a git revision", argument), Hint: hint}
	case errors.Is(err, host.ErrNoRepository):
		return &app.UsageError{Err: fmt.Errorf("%q is not a file, and no git revision: %w", argument, err), Hint: hint}
	}
	return err
}

func openDisk(in app.Inputs, name string, overlays []string) (snapshot, error) {
	files := append([]string{name}, overlays...)
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		files = []string{filepath.Join(name, "file")} // any one in it
	}
	tree, err := in.Tree(files...)
	if err != nil {
		return snapshot{}, err
	}
	v := reading(name, tree.ReadFile)
	v.inputs, v.overlays = in, overlays
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
	case app.IsType[*host.RepositoryError](err):
		return snapshot{}, err
	case !errors.Is(err, fs.ErrNotExist):
		return snapshot{}, &app.UsageError{Err: fmt.Errorf("reading %s: %w", name, err)}
	default:
		v.single = false
		return v.instead(name)
	}
	return v, nil
}

// ComposeNames are what Compose looks for by itself, in its order.
func ComposeNames() []string {
	return []string{"compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"}
}

// instead is a version of the Compose file that lies where a profile of the usual name is not.
func (v snapshot) instead(name string) (snapshot, error) {
	if path.Base(filepath.ToSlash(name)) != "hsectl.yaml" {
		return v, nil
	}
	for _, candidate := range ComposeNames() {
		file := path.Join(path.Dir(filepath.ToSlash(name)), candidate)
		data, err := v.read(file, app.MaxProfileBytes)
		if errors.Is(err, fs.ErrNotExist) || err == nil && (!composefile.IsCompose(data) || Rendered(data)) {
			continue
		}
		if err != nil {
			return v, err
		}
		v.single, v.names = true, []string{file}
		over := strings.TrimSuffix(file, path.Ext(file)) + ".override" + path.Ext(file)
		switch _, err := v.read(over, app.MaxProfileBytes); {
		case err == nil && len(v.overlays) == 0:
			v.overlays = []string{over}
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return v, err
		}
		return v, nil
	}
	return v, nil
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
	for _, name := range paths {
		if ext := path.Ext(name); ext != ".yaml" && ext != ".yml" || apart(name) {
			continue
		}
		data, err := v.read(name, app.MaxProfileBytes)
		if err != nil {
			return snapshot{}, fmt.Errorf("reading %s: %w", path.Join(filepath.ToSlash(dir), name), err)
		}
		if profileKind.Match(data) || slices.Contains(ComposeNames(), path.Base(name)) && composefile.IsCompose(data) && !Rendered(data) {
			v.names = append(v.names, name)
		}
	}
	slices.Sort(v.names)
	return v, nil
}

// apart reports whether a file, by its path in the directory of a review, is in a directory that is not reviewed.
func apart(name string) bool {
	dir, _ := path.Split(name)
	return slices.ContainsFunc(strings.Split(dir, "/"), unreviewed)
}

// unreviewed reports whether a directory of that name is hidden, or holds what others have written.
func unreviewed(name string) bool { return strings.HasPrefix(name, ".") || name == "node_modules" }

// listFiles returns the files below a directory of this machine, relative to it.
func listFiles(dir string) ([]string, error) {
	var paths []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != "." && unreviewed(d.Name()):
			return fs.SkipDir
		case d.Type().IsRegular():
			paths = append(paths, p)
		}
		return nil
	})
	return paths, err
}

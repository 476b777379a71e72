package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/yamldoc"
)

// Inputs are what a verb may read that judges files of others: a pull request, or a project that is imported. Such a file chooses
// what it names, so it gets no variable of this machine, and no file beyond its own tree, that the caller has not named.
type Inputs struct {
	EnvFrom      []string // variables of this machine
	EnvFiles     []string // files of variables; the last one counts
	AllowOutside bool     // also read files outside the tree
}

// MaxVariablesBytes bounds a file of variables.
const MaxVariablesBytes = 1 << 20

// dotenv is what Compose reads next to its first file.
const dotenv = ".env"

// Tree is what may be read for the files that the caller has named.
type Tree struct {
	below []host.Below
	whole bool // everything may be read
}

// Everything is the tree of verbs that work for the owner of the files: all of this machine.
func Everything() Tree { return Tree{whole: true} }

// Tree returns what may be read for files: for each the repository that it is in or, outside of any, its directory.
func (i Inputs) Tree(files ...string) (Tree, error) {
	t := Tree{whole: i.AllowOutside}
	for _, file := range files {
		dir, err := filepath.Abs(filepath.Dir(file))
		if err != nil {
			return Tree{}, fmt.Errorf("finding the directory of %s: %w", file, err)
		}
		one, err := i.Under(Repository(dir))
		if err != nil {
			return Tree{}, err
		}
		t.below = append(t.below, one.below...)
	}
	return t, nil
}

// Under returns what may be read for the files in a directory.
func (i Inputs) Under(dir string) (Tree, error) {
	below, err := host.NewBelow(dir, "allow it with --allow-outside")
	return Tree{[]host.Below{below}, i.AllowOutside}, err
}

// ReadFile reads a file of the tree.
func (t Tree) ReadFile(path string, limit int64) ([]byte, error) {
	if t.whole {
		return host.ReadFile(path, limit)
	}
	var first error
	for _, below := range t.below {
		data, err := below.ReadFile(path, limit)
		if !errors.Is(err, host.ErrOutside) {
			return data, err
		}
		first = cmp.Or(first, err)
	}
	return nil, first
}

// Holds reports whether a file may be read.
func (t Tree) Holds(path string) bool {
	return t.whole || slices.ContainsFunc(t.below, func(b host.Below) bool { return b.Holds(path) })
}

// Repository returns the closest directory from dir upwards that is a git repository, or dir itself.
func Repository(dir string) string {
	for above := dir; ; above = filepath.Dir(above) {
		if _, err := os.Lstat(filepath.Join(above, ".git")); err == nil {
			return above
		}
		if above == filepath.Dir(above) {
			return dir
		}
	}
}

// Variables returns the values that files may use: of the variables and of the files that were named.
func (i Inputs) Variables() (map[string]string, error) {
	named := map[string]string{}
	for _, name := range i.EnvFrom {
		if value, ok := os.LookupEnv(name); ok {
			named[name] = value
		}
	}
	out := map[string]string{}
	for _, file := range i.EnvFiles {
		data, err := host.ReadFile(file, MaxVariablesBytes)
		if err != nil {
			return nil, &UsageError{fmt.Errorf("reading the variables: %w", err), "name a file of NAME=VALUE lines with --env-file"}
		}
		values, err := composefile.Variables(file, data, named)
		if err != nil {
			return nil, &UsageError{err, "write one NAME=VALUE on each line"}
		}
		maps.Copy(out, values)
	}
	maps.Copy(out, named)
	return out, nil
}

// ComposeVariables returns the values that a Compose file may use. The .env next to it counts where none is named and git has
// it: then it is as public as the file. Skipped is the one that does not count, or empty.
func (i Inputs) ComposeVariables(ctx context.Context, file string) (values map[string]string, skipped string, err error) {
	envFile := filepath.Join(filepath.Dir(file), dotenv)
	if _, err := os.Stat(envFile); len(i.EnvFiles) > 0 || errors.Is(err, fs.ErrNotExist) {
		values, err := i.Variables()
		return values, "", err
	}
	tree, err := i.Tree(file)
	if err != nil {
		return nil, "", err
	}
	if !tree.Holds(envFile) || !host.Tracked(ctx, envFile) {
		values, err = i.Variables()
		return values, envFile, err
	}
	i.EnvFiles = []string{envFile}
	values, err = i.Variables()
	return values, "", err
}

// Project returns inputs with the .env next to a Compose file among them, where none is named and there is one in the tree.
func (i Inputs) Project(file string) (Inputs, error) {
	envFile := filepath.Join(filepath.Dir(file), dotenv)
	tree, err := i.Tree(file)
	if err != nil {
		return i, err
	}
	if _, err := os.Stat(envFile); err == nil && len(i.EnvFiles) == 0 && tree.Holds(envFile) {
		i.EnvFiles = []string{envFile}
	}
	return i, nil
}

// Compose returns how Compose files are read. Skipped is a .env that does not count, or empty.
func (i Inputs) Compose(ctx context.Context, files []string) (source composefile.Source, skipped string, err error) {
	tree, err := i.Tree(files...)
	if err != nil {
		return source, "", err
	}
	source = composefile.Source{Files: files, Read: tree.ReadFile, Public: func(path string) bool { return host.Tracked(ctx, path) }}
	source.Variables, skipped, err = i.ComposeVariables(ctx, files[0])
	return source, skipped, err
}

// Lookup returns a function that finds the named values, for profiles.
func (i Inputs) Lookup() (yamldoc.Lookup, error) {
	values, err := i.Variables()
	return func(name string) (string, bool) { v, ok := values[name]; return v, ok }, err
}

// With returns a selection that reads only what the inputs allow. Unset are the variables without a value, once it is loaded.
func (i Inputs) With(from Selection) (Selection, error) {
	lookup, err := i.Lookup()
	if err != nil {
		return from, err
	}
	from.Variables = lookup
	return from, nil
}

// Unset names the variables that a profile names, that have no value, and that are kept as they are written.
func (l Loaded) Unset() []string {
	slices.Sort(l.unset)
	return slices.Compact(l.unset)
}

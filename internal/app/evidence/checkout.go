package evidence

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/importer"
	"github.com/hsectl/hsectl/internal/review"
)

// composeSide loads a Compose file of a version, and what it includes. Variables have the values of today in both
// versions: .env is rarely in a repository.
func (v *snapshot) composeSide(ctx context.Context, name string) (review.Side, *composefile.Project, error) {
	top, root, err := v.checkout(ctx)
	if err != nil {
		return review.Side{}, nil, err
	}
	source := composefile.Source{Environment: os.Environ(), Read: host.ReadFile, AsWritten: true}
	for _, file := range append([]string{name}, v.overlays...) {
		source.Files = append(source.Files, filepath.Join(root, filepath.FromSlash(path.Join(v.dir, file))))
	}
	dir := filepath.Dir(source.Files[0])
	if v.tree != nil {
		beside := filepath.Join(top, filepath.FromSlash(path.Join(v.dir, path.Dir(name))), ".env")
		if _, err := os.Stat(filepath.Join(dir, ".env")); err != nil && exists(beside) {
			source.EnvFiles = []string{beside}
		}
	}
	p, err := app.LoadCompose(ctx, source)
	if err != nil {
		return review.Side{}, nil, &app.UsageError{Err: fmt.Errorf("%s: %w", v.title, v.named(err)), Hint: "check the file with Compose: docker compose -f " + name + " config"}
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return review.Side{}, nil, fmt.Errorf("finding the directory of %s: %w", name, err)
	}
	if root == "" {
		root = repositoryOf(dir)
	}
	side, err := importer.Side(p, dir, root)
	return side, p, err
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// checkout returns the work tree, and the directory that the files of the version are in: nothing on disk, where names
// are relative to where hsectl was started.
func (v *snapshot) checkout(ctx context.Context) (top, root string, err error) {
	if v.tree == nil {
		return "", "", nil
	}
	if top, err = v.tree.Top(); err != nil {
		return "", "", err
	}
	if v.exported != "" {
		return top, filepath.Join(v.exported, filepath.Base(top)), nil
	}
	if v.exported, err = os.MkdirTemp("", "hsectl-review-"); err != nil {
		return "", "", fmt.Errorf("making a directory for the files of %s: %w", v.title, err)
	}
	root = filepath.Join(v.exported, filepath.Base(top)) // Compose names a project after its directory
	err = v.tree.Export(ctx, root, func(p string) bool {
		base := path.Base(p)
		return path.Ext(p) == ".yml" || path.Ext(p) == ".yaml" || path.Ext(p) == ".json" && strings.Contains(base, "compose") || path.Ext(p) == ".env" || strings.HasPrefix(base, ".env")
	})
	if err != nil {
		return "", "", fmt.Errorf("reading %s: %w", v.title, err)
	}
	return top, root, nil
}

// named returns an error with the paths that the user knows.
func (v *snapshot) named(err error) error {
	if v.exported == "" {
		return err
	}
	matches, _ := filepath.Glob(filepath.Join(v.exported, "*"))
	text := err.Error()
	for _, m := range matches {
		text = strings.ReplaceAll(text, m+string(filepath.Separator), "")
	}
	return fmt.Errorf("%s", text)
}

// where returns file:line:column of a change in a Compose file, from the top of the repository for a commit.
func (v *snapshot) where(ctx context.Context, p *composefile.Project, c review.Change) string {
	place := p.Locate(c.Service, c.Control)
	if v.tree == nil {
		return place
	}
	if _, root, err := v.checkout(ctx); err == nil {
		place = strings.TrimPrefix(place, root+string(filepath.Separator))
	}
	return filepath.ToSlash(place)
}

// repositoryOf returns the closest directory above that is a repository, or the directory itself.
func repositoryOf(dir string) string {
	for above := dir; ; above = filepath.Dir(above) {
		if exists(filepath.Join(above, ".git")) {
			return above
		}
		if above == filepath.Dir(above) {
			return dir
		}
	}
}

// close removes what was written for the review.
func (v *snapshot) close() {
	if v.exported != "" {
		_ = os.RemoveAll(v.exported) // in the directory for temporary files
	}
}

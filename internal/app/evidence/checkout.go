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
	"github.com/hsectl/hsectl/internal/importer/side"
	"github.com/hsectl/hsectl/internal/review"
)

// composeSide loads a Compose file of a version, and what it includes. Variables that were named have the same values in both
// versions. Those of .env have them where it is in the commit: otherwise it may hold what is not for those who read the review.
func (v *snapshot) composeSide(ctx context.Context, name string) (review.Side, *composefile.Project, error) {
	root, err := v.checkout(ctx)
	if err != nil {
		return review.Side{}, nil, err
	}
	var files []string
	for _, file := range append([]string{name}, v.overlays...) {
		files = append(files, filepath.Join(root, filepath.FromSlash(path.Join(v.dir, file))))
	}
	dir := filepath.Dir(files[0])
	source, err := v.source(ctx, files, root)
	if err != nil {
		return review.Side{}, nil, err
	}
	p, err := app.LoadCompose(ctx, source)
	if err != nil {
		return review.Side{}, nil, &app.UsageError{Err: fmt.Errorf("%s: %w", v.title, v.named(err)), Hint: app.ComposeHint(err, name)}
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return review.Side{}, nil, fmt.Errorf("finding the directory of %s: %w", name, err)
	}
	if root == "" {
		root = app.Repository(dir)
	}
	out, err := side.Of(p, dir, root)
	return out, p, err
}

// source says how the Compose files of the version are read: those of a commit below the directory that they were written to,
// where everything is as public as they are.
func (v *snapshot) source(ctx context.Context, files []string, root string) (composefile.Source, error) {
	if v.tree == nil {
		source, _, err := v.inputs.Compose(ctx, files)
		source.AsWritten = true
		return source, err
	}
	tree, err := v.inputs.Under(root)
	if err != nil {
		return composefile.Source{}, err
	}
	in := v.inputs
	envFile := filepath.Join(filepath.Dir(files[0]), ".env")
	if _, err := os.Stat(envFile); err == nil && len(in.EnvFiles) == 0 {
		in.EnvFiles = []string{envFile}
	}
	variables, err := in.Variables()
	return composefile.Source{Files: files, Variables: variables, Read: tree.ReadFile, Public: func(string) bool { return true }, AsWritten: true}, err
}

// checkout returns the directory that the files of the version are in: nothing on disk, where names
// are relative to where hsectl was started.
func (v *snapshot) checkout(ctx context.Context) (root string, err error) {
	if v.tree == nil {
		return "", nil
	}
	top, err := v.tree.Top()
	if err != nil {
		return "", err
	}
	if v.exported != "" {
		return filepath.Join(v.exported, filepath.Base(top)), nil
	}
	if v.exported, err = os.MkdirTemp("", "hsectl-review-"); err != nil {
		return "", fmt.Errorf("making a directory for the files of %s: %w", v.title, err)
	}
	root = filepath.Join(v.exported, filepath.Base(top)) // Compose names a project after its directory
	err = v.tree.Export(ctx, root, func(p string) bool {
		base := path.Base(p)
		return path.Ext(p) == ".yml" || path.Ext(p) == ".yaml" || path.Ext(p) == ".json" && strings.Contains(base, "compose") || path.Ext(p) == ".env" || strings.HasPrefix(base, ".env")
	})
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", v.title, err)
	}
	return root, nil
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
	if root, err := v.checkout(ctx); err == nil {
		place = strings.TrimPrefix(place, root+string(filepath.Separator))
	}
	return filepath.ToSlash(place)
}

// close removes what was written for the review.
func (v *snapshot) close() {
	if v.exported != "" {
		_ = os.RemoveAll(v.exported) // in the directory for temporary files
	}
}

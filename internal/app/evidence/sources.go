package evidence

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
	"github.com/hsectl/hsectl/internal/stack"
)

// judgeSources judges the files on this machine that the secrets of each service come from.
func judgeSources(ctx context.Context, l app.Loaded, tree app.Tree) []finding.Finding {
	var out []finding.Finding
	for _, service := range l.Stack.Services {
		files := map[string]bool{}
		for _, use := range service.Secrets {
			if path := sourceOf(l.Stack, use.Name); path != "" {
				files[path] = true
			}
		}
		if len(files) == 0 {
			continue
		}
		var seen []policy.SourceFile
		var problem error
		for _, path := range slices.Sorted(maps.Keys(files)) {
			full := path
			if !filepath.IsAbs(path) {
				full = filepath.Join(l.Dir(), filepath.FromSlash(path))
			}
			if !tree.Holds(full) {
				problem = fmt.Errorf("%s is outside the tree and is not looked at; allow it with --allow-outside", path)
				continue
			}
			f, err := host.Source(ctx, full)
			if err != nil {
				problem = err
			}
			seen = append(seen, policy.SourceFile{Path: path, Missing: f.Missing, Mode: f.Mode, Owner: f.Owner, Reader: os.Geteuid(), Kept: f.Kept})
		}
		facts := policy.Facts{Service: service.Name}
		facts.Sources = witnessed(seen, problem)
		judged := controls.CheckOne("HSE-SEC-003", facts, l.Stack.Intent(service))
		out = append(out, service.Waive([]finding.Finding{judged})...)
	}
	return app.Located(l, out)
}

// sourceOf is the file that a secret is read from, or nothing. One made of another has that one's.
func sourceOf(s stack.Stack, name string) string {
	for range s.Secrets { // no chain is longer than that
		for _, secret := range s.Secrets {
			if secret.Name != name {
				continue
			}
			if secret.From == "" {
				return strings.TrimSpace(secret.File)
			}
			name = secret.From
			break
		}
	}
	return ""
}

package bundle

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/supply"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image/bundle"
	"github.com/hsectl/hsectl/internal/image/cache"
	"github.com/hsectl/hsectl/internal/image/lock"
	"github.com/hsectl/hsectl/internal/image/signature"
)

// profileFiles are the profile and every file that it names, at the places that they have among each other, and how
// the profile was read.
func profileFiles(l app.Loaded, from app.Selection, into *bundle.Profile) ([]bundle.File, error) {
	found := map[string][]byte{filepath.Clean(l.Path): l.Data}
	for _, input := range l.Inputs {
		if !strings.HasPrefix(input.Path, "baselines/") { // those are in the program
			found[filepath.Clean(filepath.FromSlash(input.Path))] = input.Data
		}
	}
	for _, name := range companions(l) {
		at := filepath.Join(l.Dir(), name)
		data, err := host.ReadFile(at, supply.MaxEPSSBytes)
		if err != nil {
			return nil, &app.UsageError{Err: fmt.Errorf("reading what the profile names: %w", err)}
		}
		found[at] = data
	}
	data, err := l.Locked.Marshal()
	if err != nil {
		return nil, err
	}
	if len(l.Locked.Images) > 0 {
		found[filepath.Join(l.Dir(), lock.Name)] = data
	}
	root, err := ancestor(found)
	if err != nil {
		return nil, err
	}
	entry := func(name string) (string, error) {
		absolute, err := filepath.Abs(name)
		if err != nil {
			return "", fmt.Errorf("finding %s: %w", name, err)
		}
		relative, err := filepath.Rel(root, absolute)
		return path.Join("profile", filepath.ToSlash(relative)), err
	}
	var out []bundle.File
	for name, data := range found {
		at, err := entry(name)
		if err != nil {
			return nil, err
		}
		out = append(out, bundle.File{Path: at, Data: data})
	}
	slices.SortFunc(out, func(a, b bundle.File) int { return cmp.Compare(a.Path, b.Path) })
	for _, name := range from.Files {
		at, err := entry(name)
		if err != nil {
			return nil, err
		}
		into.Files = append(into.Files, at)
	}
	into.Environment, into.Set = from.Environment, from.Set
	return out, nil
}

// companions are the files that the supply chain's rules and encrypted secrets name, relative to the profile.
func companions(l app.Loaded) []string {
	var out []string
	for _, s := range l.Profile.Secrets {
		if s.Age != "" && !filepath.IsAbs(s.Age) {
			out = append(out, s.Age)
		}
	}
	if rules := l.Profile.SupplyChain; rules != nil {
		out = append(out, rules.KEV, rules.EPSS)
		out = append(out, rules.VEX...)
		for _, s := range rules.Signatures {
			out = append(out, s.Key, s.Root)
		}
	}
	if rules := l.Profile.ReleaseSigning; rules != nil {
		out = append(out, rules.PublicKeys...) // the private key stays where it is
	}
	return slices.DeleteFunc(out, func(name string) bool { return name == "" })
}

// ancestor is the directory below which all files are.
func ancestor(files map[string][]byte) (string, error) {
	root := ""
	for name := range files {
		absolute, err := filepath.Abs(name)
		if err != nil {
			return "", fmt.Errorf("finding %s: %w", name, err)
		}
		dir := filepath.Dir(absolute)
		if root == "" {
			root = dir
		}
		for !within(dir, root) {
			root = filepath.Dir(root)
		}
	}
	return root, nil
}

func within(dir, root string) bool {
	relative, err := filepath.Rel(root, dir)
	return err == nil && filepath.IsLocal(relative)
}

// bundleEvidence is what deploy asks registries and databases for where there is a network.
func bundleEvidence(ctx context.Context, g *app.Settings, l app.Loaded, wanted []lock.Wanted) ([]bundle.File, error) {
	rules := l.Profile.SupplyChain
	if rules == nil {
		return nil, nil
	}
	var out []bundle.File
	for _, w := range wanted {
		e, ok := l.Locked.Entry(w.Service)
		if _, asked, err := supply.SignatureRule(l, w.Reference); err != nil {
			return nil, err
		} else if !asked || !ok || e.Digest == "" {
			continue // deploy will say what is missing
		}
		data, err := signature.Collect(ctx, cmp.Or(e.Mirror, e.Reference), e.Digest)
		if errors.Is(err, signature.ErrUnsigned) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, bundle.File{Path: "signatures/" + w.Service + ".json", Data: data})
	}
	if rules.Scan != "required" {
		return out, nil
	}
	policy, err := supply.Rules{Section: rules, Dir: l.Dir()}.Policy(supply.ScanOptions{}, func(string) bool { return false })
	if err != nil {
		return nil, err
	}
	scanner, err := supply.NewScanner(g, supply.ScanOptions{DB: cache.DefaultURL, MaxDBAge: rules.DatabaseAge(), Platform: "linux/" + runtime.GOARCH})
	if err != nil {
		return nil, err
	}
	defer scanner.Close()
	for _, w := range wanted {
		report, err := scanner.Report(ctx, w.Reference, policy, nil)
		if err != nil {
			return nil, err
		}
		var data bytes.Buffer
		if err := json.NewEncoder(&data).Encode(report); err != nil {
			return nil, fmt.Errorf("writing the scan of %s: %w", w.Reference, err)
		}
		out = append(out, bundle.File{Path: "scan/" + w.Service + ".json", Data: data.Bytes()})
	}
	return out, nil
}

package supply

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/image/vuln"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/stack"
)

// Rules is what a profile says about images.
type Rules struct {
	stack    string
	services []stack.Service
	images   []string // of the services, each once
	Section  *profile.SupplyChain
	Dir      string
	path     string            // of the profile
	places   map[string]string // where the profile names an image, by image
}

// RulesOf reads the profile. Scanning a single image needs none.
func RulesOf(g *app.Settings, wanted bool) (Rules, error) {
	if !wanted {
		return Rules{Section: &profile.SupplyChain{}}, nil
	}
	l, err := app.Load(g.File)
	if err != nil {
		return Rules{}, err
	}
	out := Rules{stack: l.Stack.Name, services: l.Stack.Services, Section: l.Profile.SupplyChain, Dir: l.Dir(),
		path: l.Path, places: map[string]string{}}
	if out.Section == nil {
		out.Section = &profile.SupplyChain{}
	}
	seen := map[string]bool{}
	for _, service := range l.Stack.Services {
		if !seen[service.Image] {
			seen[service.Image] = true
			out.images = append(out.images, service.Image)
			out.places[service.Image] = l.Profile.Written(l.Root + "services." + service.Name + ".image").String()
		}
	}
	return out, nil
}

// Policy lays the flags over the profile.
func (c Rules) Policy(o ScanOptions, changed func(string) bool) (audit.Policy, error) {
	level := c.Section.Threshold()
	if changed("fail-on") {
		level = o.FailOn
	}
	known, err := app.Lifecycles()
	if err != nil {
		return audit.Policy{}, err
	}
	p := audit.Policy{OnlyFixed: o.OnlyFixed || c.Section.OnlyFixed, Registries: c.Section.Registries, MaxBytes: c.Section.MaxSize.N,
		MaxLayers: c.Section.MaxLayers, MaxAge: time.Duration(c.Section.MaxDays) * 24 * time.Hour, Today: time.Now(), Lives: known.Distributions}
	err = p.FailOn.UnmarshalText([]byte(level))
	if err != nil {
		return audit.Policy{}, &app.UsageError{Err: fmt.Errorf("--fail-on %q is not a severity", level), Hint: "write low, medium, high or critical"}
	}
	for _, e := range c.Section.Ignore {
		p.Ignore = append(p.Ignore, audit.Ignore{ID: e.ID, Package: e.Package, Reason: e.Reason, Expires: e.Expires.T})
	}
	if p.Exploits, err = c.exploits(o); err != nil {
		return audit.Policy{}, err
	}
	documents := o.VEX
	for _, path := range c.Section.VEX {
		documents = append(documents, filepath.Join(c.Dir, path))
	}
	for _, path := range documents {
		data, err := host.ReadFile(path, app.MaxProfileBytes)
		if err != nil {
			return audit.Policy{}, fmt.Errorf("reading the OpenVEX document: %w", err)
		}
		statements, err := audit.ParseVEX(data)
		if err != nil {
			return audit.Policy{}, fmt.Errorf("%s: %w", path, err)
		}
		p.VEX = append(p.VEX, statements...)
	}
	return p, nil
}

// Bounds of the tables about attacks: both are far smaller today.
const (
	maxKEVBytes  = 64 << 20
	MaxEPSSBytes = 256 << 20
)

// exploits reads what is known of attacks, from the files that the flags or the profile name.
func (c Rules) exploits(o ScanOptions) (vuln.Exploits, error) {
	var out vuln.Exploits
	choose := func(flag, written string) string {
		if flag == "" && written != "" {
			return filepath.Join(c.Dir, written)
		}
		return flag
	}
	if path := choose(o.KEV, c.Section.KEV); path != "" {
		data, err := host.ReadFile(path, maxKEVBytes)
		if err == nil {
			err = out.AddKEV(path, data)
		}
		if err != nil {
			return out, &app.UsageError{Err: err, Hint: "take it from https://www.cisa.gov/known-exploited-vulnerabilities-catalog"}
		}
	}
	if path := choose(o.EPSS, c.Section.EPSS); path != "" {
		data, err := readMaybeCompressed(path, MaxEPSSBytes)
		if err == nil {
			err = out.AddEPSS(path, bytes.NewReader(data))
		}
		if err != nil {
			return out, &app.UsageError{Err: err, Hint: "take it from https://www.first.org/epss/data_stats"}
		}
	}
	return out, nil
}

// readMaybeCompressed reads a file that may be compressed with gzip, to a bound that holds for both.
func readMaybeCompressed(path string, limit int64) ([]byte, error) {
	data, err := host.ReadFile(path, limit)
	if err != nil || !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		return data, err
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("unpacking %s: %w", path, err)
	}
	data, err = io.ReadAll(io.LimitReader(z, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("it is larger than %d bytes", limit)
	}
	if err != nil {
		return nil, fmt.Errorf("unpacking %s: %w", path, err)
	}
	return data, nil
}

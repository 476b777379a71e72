package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/image/cache"
	"github.com/hsectl/hsectl/internal/image/scanners"
	"github.com/hsectl/hsectl/internal/image/vuln"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/stack"
)

// supplyChain is what a profile says about images.
type supplyChain struct {
	stack    string
	services []stack.Service
	images   []string // of the services, each once
	rules    *profile.SupplyChain
	dir      string
}

// supplyChainOf reads the profile. Scanning a single image needs none.
func supplyChainOf(g *app.Settings, wanted bool) (supplyChain, error) {
	if !wanted {
		return supplyChain{rules: &profile.SupplyChain{}}, nil
	}
	l, err := app.Load(g.File)
	if err != nil {
		return supplyChain{}, err
	}
	out := supplyChain{stack: l.Stack.Name, services: l.Stack.Services, rules: l.Profile.SupplyChain, dir: l.Dir()}
	if out.rules == nil {
		out.rules = &profile.SupplyChain{}
	}
	seen := map[string]bool{}
	for _, service := range l.Stack.Services {
		if !seen[service.Image] {
			seen[service.Image] = true
			out.images = append(out.images, service.Image)
		}
	}
	return out, nil
}

// policy lays the flags over the profile.
func (c supplyChain) policy(o scanOptions, changed func(string) bool) (audit.Policy, error) {
	level := c.rules.Threshold()
	if changed("fail-on") {
		level = o.failOn
	}
	p := audit.Policy{OnlyFixed: o.onlyFixed || c.rules.OnlyFixed, Registries: c.rules.Registries, MaxBytes: c.rules.MaxSize.N,
		MaxLayers: c.rules.MaxLayers, MaxAge: time.Duration(c.rules.MaxDays) * 24 * time.Hour, Today: time.Now()}
	err := p.FailOn.UnmarshalText([]byte(level))
	if err != nil {
		return audit.Policy{}, &app.UsageError{Err: fmt.Errorf("--fail-on %q is not a severity", level), Hint: "write low, medium, high or critical"}
	}
	for _, e := range c.rules.Ignore {
		p.Ignore = append(p.Ignore, audit.Ignore{ID: e.ID, Package: e.Package, Reason: e.Reason, Expires: e.Expires.T})
	}
	if p.Exploits, err = c.exploits(o); err != nil {
		return audit.Policy{}, err
	}
	documents := o.vex
	for _, path := range c.rules.VEX {
		documents = append(documents, filepath.Join(c.dir, path))
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
	maxEPSSBytes = 256 << 20
)

// exploits reads what is known of attacks, from the files that the flags or the profile name.
func (c supplyChain) exploits(o scanOptions) (vuln.Exploits, error) {
	var out vuln.Exploits
	choose := func(flag, written string) string {
		if flag == "" && written != "" {
			return filepath.Join(c.dir, written)
		}
		return flag
	}
	if path := choose(o.kev, c.rules.KEV); path != "" {
		data, err := host.ReadFile(path, maxKEVBytes)
		if err == nil {
			err = out.AddKEV(path, data)
		}
		if err != nil {
			return out, &app.UsageError{Err: err, Hint: "take it from https://www.cisa.gov/known-exploited-vulnerabilities-catalog"}
		}
	}
	if path := choose(o.epss, c.rules.EPSS); path != "" {
		data, err := readMaybeCompressed(path, maxEPSSBytes)
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

// runFrom judges what another scanner found.
func runFrom(g *app.Settings, s app.Streams, changed func(string) bool, o scanOptions) error {
	if len(o.images) > 0 {
		return &app.UsageError{Err: errors.New("--from names a report, and there is an image besides"), Hint: "give one of them"}
	}
	p, err := supplyChainOf(g, changed("file"))
	if err != nil {
		return err
	}
	policy, err := p.policy(o, changed)
	if err != nil {
		return err
	}
	found, err := readReport(o.from)
	if err != nil {
		return err
	}
	r := found.Report
	if age := r.Databases[0].Age(policy.Today); o.maxDBAge > 0 && age > o.maxDBAge {
		if r.Databases[0].Checked.IsZero() {
			return &app.UsageError{Err: fmt.Errorf("%s does not say how old what the scanner knew is", o.from), Hint: "update the scanner, or accept any age with --max-db-age 0"}
		}
		return fmt.Errorf("%s: %w", o.from, &cache.StaleError{Ecosystem: r.Databases[0].Ecosystem, Age: age, Max: o.maxDBAge})
	}
	var base []audit.Vulnerability
	if o.newSince != "" {
		old, err := readReport(o.newSince)
		if err != nil {
			return err
		}
		base = old.Report.Vulnerabilities
	}
	r.Weigh(policy, base)
	r.Findings = audit.JudgeTold(r, audit.Told{Looked: found.Looked, Secrets: found.Secrets, EndOfLife: found.EndOfLife}, policy)
	if err := writeScan(s, r, policy, o); err != nil {
		return err
	}
	if !passes(r) && o.format != "cyclonedx" && o.format != "spdx" {
		return app.ErrFindings
	}
	return nil
}

func readReport(path string) (scanners.Found, error) {
	data, err := host.ReadFile(path, scanners.MaxBytes)
	if err != nil {
		return scanners.Found{}, &app.UsageError{Err: fmt.Errorf("reading the scanner's report: %w", err)}
	}
	found, err := scanners.Parse(data)
	if err != nil {
		return scanners.Found{}, &app.UsageError{Err: fmt.Errorf("%s: %w", path, err), Hint: "write it with: trivy image --format json, or grype -o json"}
	}
	return found, nil
}

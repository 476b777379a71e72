package supply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/engine/images"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/image/bundle"
	"github.com/hsectl/hsectl/internal/image/cache"
)

// errNotScanned is an image of a bundle that was written when nothing required a scan.
var errNotScanned = errors.New("the bundle has no scan of the image")

// bundledReport is the scan that came with the bundle, judged by today's rules and dates. What was found when the bundle was
// written stays found; a database that is too old by now proves nothing.
func bundledReport(b *app.Bundle, c audit.Candidate, p audit.Policy, maxAge time.Duration) (*audit.Report, error) {
	data, ok := b.Files["scan/"+c.Service+".json"]
	if !ok {
		return nil, &app.UsageError{Err: fmt.Errorf("service %s: %w", c.Service, errNotScanned), Hint: "write the bundle again with supply_chain.scan: required"}
	}
	var r audit.Report
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("reading the scan of service %s: %w", c.Service, err)
	}
	if i := b.Image(c.Reference); i.ID != r.Digest {
		return nil, fmt.Errorf("service %s: %w: its scan is of %s", c.Service, bundle.ErrDamaged, r.Digest)
	}
	for _, d := range r.Databases {
		if old := d.Age(p.Today); d.Archive != "" && old > maxAge {
			return nil, fmt.Errorf("service %s: %w", c.Service, &cache.StaleError{Ecosystem: d.Ecosystem, Age: old, Max: maxAge})
		}
	}
	r.Rejudge(p)
	return &r, nil
}

// Gate refuses a deploy whose images do not prove what the profile's supply_chain asks for. Without that section it
// asks nothing. It returns the findings, so that they can be reported, and errFindings when one of them stops the
// deploy.
func Gate(ctx context.Context, g *app.Settings, s app.Streams, l app.Loaded, engine *docker.Engine) ([]finding.Finding, error) {
	rules := l.Profile.SupplyChain
	if rules == nil {
		return nil, nil
	}
	locked, err := app.ReadLock(l)
	if err != nil {
		return nil, err
	}
	policy, err := Rules{Section: rules, Dir: l.Dir()}.Policy(ScanOptions{}, func(string) bool { return false })
	if err != nil {
		return nil, err
	}
	judge := audit.Gate{RequireLock: rules.Lock == "required", RequireScan: rules.Scan == "required", Scan: policy, Lock: locked, Offline: l.Bundle != nil}
	var scanner *Scanner
	if judge.RequireScan && l.Bundle == nil {
		options := ScanOptions{DB: cache.DefaultURL, MaxDBAge: rules.DatabaseAge(), Platform: "linux/" + runtime.GOARCH}
		if scanner, err = NewScanner(g, options); err != nil {
			return nil, err
		}
		defer scanner.Close()
	}
	var candidates []audit.Candidate
	for _, service := range l.Stack.Services {
		c, err := candidate(ctx, l, engine, service.Name, service.Image)
		if err != nil {
			return nil, err
		}
		if c.Signature, err = signatureOf(ctx, l, locked, c); err != nil {
			return nil, err
		}
		_, policy.Pinned = locked.Entry(c.Service)
		switch {
		case judge.RequireScan && l.Bundle != nil:
			c.Report, err = bundledReport(l.Bundle, c, policy, rules.DatabaseAge())
		case judge.RequireScan:
			c.Report, err = scanner.candidate(ctx, c, service.Image, policy)
		}
		if err != nil {
			return nil, err
		}
		candidates = append(candidates, c)
	}
	return refuseImages(s, judge.Judge(candidates))
}

// candidate scans the image that the engine has or, when it has none, the one that it will pull.
func (sc *Scanner) candidate(ctx context.Context, c audit.Candidate, reference string, p audit.Policy) (*audit.Report, error) {
	if !c.Present {
		reference = "registry:" + reference
	}
	report, err := sc.Report(ctx, reference, p, nil)
	return &report, err
}

func refuseImages(s app.Streams, findings []finding.Finding) ([]finding.Finding, error) {
	refused := false
	for _, f := range findings {
		switch {
		case audit.Refuses(f):
			refused = true
			s.Say("%s: %s %s: %s\n  hint: %s", f.Subject, f.Control, f.Status, f.Detail, f.Remedy)
		case f.Status == finding.Waived:
			s.Say("%s: %s is waived until %s: %s", f.Subject, f.Control, f.Waiver.Expires, f.Waiver.Why())
		}
	}
	if refused {
		s.Say("refused: fix the images, or add an exception with a reason and a date; nothing was changed")
		return findings, app.ErrFindings
	}
	return findings, nil
}

// candidate is what the engine says about the image of a service.
func candidate(ctx context.Context, l app.Loaded, engine *docker.Engine, service, reference string) (audit.Candidate, error) {
	c := audit.Candidate{Service: l.EntryName(service), Reference: reference, Waived: map[string]finding.Waiver{}}
	if e, ok := l.Locked.Entry(c.Service); ok { // what is rendered has the digest; the profile does not
		c.Reference = e.Reference
	}
	facts, err := engine.ImageFacts(ctx, reference)
	if err != nil && !errors.Is(err, images.ErrNoImage) {
		return audit.Candidate{}, err
	}
	c.Present, c.ID, c.RepoDigests = err == nil, facts.ID, facts.RepoDigests
	if l.Bundle != nil { // its images are loaded when they were judged, whatever the engine has by that name now
		i := l.Bundle.Image(reference)
		c.Present = i.Config != ""
		c.ID, c.RepoDigests = i.ID, []string{reference + "@" + i.ID, reference + "@" + i.Config}
	}
	for _, e := range l.Profile.Exceptions {
		if e.Service == service && !e.Expires.Over(l.Today) {
			c.Waived[e.Control] = finding.Waiver{Reason: e.Reason, Question: e.Question, Owner: e.Owner, Expires: e.Expires.String()}
		}
	}
	return c, nil
}

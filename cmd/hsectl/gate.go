package main

import (
	"context"
	"errors"
	"runtime"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/image/cache"
)

// gate refuses a deploy whose images do not prove what the profile's supply_chain asks for. Without that section it
// asks nothing. It returns the findings, so that they can be reported, and errFindings when one of them stops the
// deploy.
func gate(ctx context.Context, g *app.Settings, s app.Streams, l app.Loaded, engine *docker.Engine) ([]finding.Finding, error) {
	rules := l.Profile.SupplyChain
	if rules == nil {
		return nil, nil
	}
	locked, err := app.ReadLock(l)
	if err != nil {
		return nil, err
	}
	policy, err := supplyChain{rules: rules, dir: l.Dir()}.policy(scanOptions{}, func(string) bool { return false })
	if err != nil {
		return nil, err
	}
	judge := audit.Gate{RequireLock: rules.Lock == "required", RequireScan: rules.Scan == "required", Scan: policy, Lock: locked, Offline: l.Bundle != nil}
	var scanner *imageScanner
	if judge.RequireScan && l.Bundle == nil {
		options := scanOptions{db: cache.DefaultURL, maxDBAge: rules.DatabaseAge(), platform: "linux/" + runtime.GOARCH}
		if scanner, err = newImageScanner(g, options); err != nil {
			return nil, err
		}
		defer scanner.close()
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
func (sc *imageScanner) candidate(ctx context.Context, c audit.Candidate, reference string, p audit.Policy) (*audit.Report, error) {
	if !c.Present {
		reference = "registry:" + reference
	}
	report, err := sc.report(ctx, reference, p, nil)
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
			s.Say("%s: %s is waived until %s: %s", f.Subject, f.Control, f.Waiver.Expires, f.Waiver.Reason)
		}
	}
	if refused {
		s.Say("refused: mend the images, or add an exception with a reason and a date; nothing was changed")
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
	if err != nil && !errors.Is(err, docker.ErrNoImage) {
		return audit.Candidate{}, err
	}
	c.Present, c.ID, c.RepoDigests = err == nil, facts.ID, facts.RepoDigests
	if l.Bundle != nil { // it was compared with the bundle, under whatever id this engine has for it
		i := l.Bundle.Image(reference)
		c.ID, c.RepoDigests = i.ID, []string{reference + "@" + i.ID, reference + "@" + i.Config}
	}
	for _, e := range l.Profile.Exceptions {
		if e.Service == service {
			c.Waived[e.Control] = finding.Waiver{Reason: e.Reason, Owner: e.Owner, Expires: e.Expires.String()}
		}
	}
	return c, nil
}

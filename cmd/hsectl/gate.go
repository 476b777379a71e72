package main

import (
	"context"
	"errors"
	"runtime"

	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/image/cache"
)

// gate refuses a deploy whose images do not prove what the profile's supply_chain asks for. Without that section it
// asks nothing. It returns the findings, so that they can be reported, and errFindings when one of them stops the
// deploy.
func gate(ctx context.Context, g *globals, s streams, l loaded, engine *docker.Engine) ([]finding.Finding, error) {
	rules := l.profile.SupplyChain
	if rules == nil {
		return nil, nil
	}
	locked, err := readLock(l)
	if err != nil {
		return nil, err
	}
	policy, err := supplyChain{rules: rules, dir: l.dir()}.policy(scanOptions{}, func(string) bool { return false })
	if err != nil {
		return nil, err
	}
	judge := audit.Gate{RequireLock: rules.Lock == "required", RequireScan: rules.Scan == "required", Scan: policy, Lock: locked, Offline: l.bundled != nil}
	var scanner *imageScanner
	if judge.RequireScan && l.bundled == nil {
		options := scanOptions{db: cache.DefaultURL, maxDBAge: rules.DatabaseAge(), platform: "linux/" + runtime.GOARCH}
		if scanner, err = newImageScanner(g, options); err != nil {
			return nil, err
		}
		defer scanner.close()
	}
	var candidates []audit.Candidate
	for _, service := range l.stack.Services {
		c, err := candidate(ctx, l, engine, service.Name, service.Image)
		if err != nil {
			return nil, err
		}
		if c.Signature, err = signatureOf(ctx, l, locked, c); err != nil {
			return nil, err
		}
		_, policy.Pinned = locked.Entry(c.Service)
		switch {
		case judge.RequireScan && l.bundled != nil:
			c.Report, err = l.bundled.report(c, policy, rules.DatabaseAge())
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

func refuseImages(s streams, findings []finding.Finding) ([]finding.Finding, error) {
	refused := false
	for _, f := range findings {
		switch {
		case audit.Refuses(f):
			refused = true
			s.say("%s: %s %s: %s\n  hint: %s", f.Subject, f.Control, f.Status, f.Detail, f.Remedy)
		case f.Status == finding.Waived:
			s.say("%s: %s is waived until %s: %s", f.Subject, f.Control, f.Waiver.Expires, f.Waiver.Reason)
		}
	}
	if refused {
		s.say("refused: mend the images, or add an exception with a reason and a date; nothing was changed")
		return findings, errFindings
	}
	return findings, nil
}

// candidate is what the engine says about the image of a service.
func candidate(ctx context.Context, l loaded, engine *docker.Engine, service, reference string) (audit.Candidate, error) {
	c := audit.Candidate{Service: l.entryName(service), Reference: reference, Waived: map[string]finding.Waiver{}}
	if e, ok := l.locked.Entry(c.Service); ok { // what is rendered has the digest; the profile does not
		c.Reference = e.Reference
	}
	facts, err := engine.ImageFacts(ctx, reference)
	if err != nil && !errors.Is(err, docker.ErrNoImage) {
		return audit.Candidate{}, err
	}
	c.Present, c.ID, c.RepoDigests = err == nil, facts.ID, facts.RepoDigests
	if l.bundled != nil { // it was compared with the bundle, under whatever id this engine has for it
		i := l.bundled.image(reference)
		c.ID, c.RepoDigests = i.ID, []string{reference + "@" + i.ID, reference + "@" + i.Config}
	}
	for _, e := range l.profile.Exceptions {
		if e.Service == service {
			c.Waived[e.Control] = finding.Waiver{Reason: e.Reason, Owner: e.Owner, Expires: e.Expires.String()}
		}
	}
	return c, nil
}

package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/image/audit"
)

// lintDockerfiles prints what BuildKit's rules and the image controls say about each Dockerfile. Advice stops nothing.
// What would put a secret into a layer, or switch verification off, does: it could not be taken back.
func lintDockerfiles(ctx context.Context, s streams, l loaded, requests []image.BuildRequest) error {
	refused := false
	for _, r := range requests {
		path := filepath.Join(r.Context, r.Dockerfile)
		data, err := host.ReadFile(path, maxProfileBytes)
		if err != nil {
			return &usageError{fmt.Errorf("reading the Dockerfile: %w", err), "name it with build.dockerfile in the profile"}
		}
		warnings, err := docker.LintDockerfile(ctx, path, data, r)
		if err != nil {
			return err
		}
		for _, w := range warnings {
			s.say("%s:%d: %s: %s", path, w.Line, w.Rule, w.Text)
		}
		steps, err := docker.Instructions(path, data)
		if err != nil {
			return err
		}
		for _, f := range audit.JudgeDockerfile(path, steps, r.Target) {
			w, waived := l.waiver(r.Service, f.Control)
			switch {
			case waived:
				s.say("%s: %s is waived until %s: %s", f.Where, f.Control, w.Expires, w.Reason)
				continue
			case f.Severity >= finding.High:
				refused = true
				s.say("%s: %s %s: %s\n  hint: %s", f.Where, f.Control, f.Severity, f.Detail, f.Remedy)
			default:
				s.say("%s: %s %s: %s", f.Where, f.Control, f.Severity, f.Detail)
			}
		}
	}
	if refused {
		s.say("refused: mend the Dockerfile, or add an exception with a reason and a date; nothing was built")
		return errFindings
	}
	return nil
}

// waiver returns the exception of a service for a control.
func (l loaded) waiver(service, control string) (finding.Waiver, bool) {
	for _, e := range l.profile.Exceptions {
		if e.Service == service && e.Control == control {
			return finding.Waiver{Reason: e.Reason, Owner: e.Owner, Expires: e.Expires.String()}, true
		}
	}
	return finding.Waiver{}, false
}

package supply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/engine/buildkit"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/image/audit"
)

// lintDockerfiles prints what BuildKit's rules and the image controls say about each Dockerfile. Advice stops nothing.
// What would put a secret into a layer, or switch verification off, does: it could not be taken back.
func lintDockerfiles(ctx context.Context, s app.Streams, l app.Loaded, requests []image.BuildRequest) error {
	refused := false
	for _, r := range requests {
		findings, err := JudgeDockerfile(ctx, host.ReadFile, r)
		if err != nil {
			return &app.UsageError{Err: err, Hint: "name it with build.dockerfile in the profile, or fix the unreadable file"}
		}
		for _, f := range findings {
			w, waived := waiver(l, r.Service, f.Control)
			switch {
			case waived:
				s.Say("%s: %s is waived until %s: %s", f.Where, f.Control, w.Expires, w.Reason)
				continue
			case f.Severity >= finding.High:
				refused = true
				s.Say("%s: %s %s: %s\n  hint: %s", f.Where, f.Control, f.Severity, f.Detail, f.Remedy)
			default:
				s.Say("%s: %s %s: %s", f.Where, f.Control, f.Severity, f.Detail)
			}
		}
	}
	if refused {
		s.Say("refused: fix the Dockerfile, or add an exception with a reason and a date; nothing was built")
		return app.ErrFindings
	}
	return nil
}

// JudgeDockerfile returns what BuildKit's rules and the image controls say about a Dockerfile, line by line.
func JudgeDockerfile(ctx context.Context, read app.Reader, r image.BuildRequest) ([]finding.Finding, error) {
	path := filepath.Join(r.Context, r.Dockerfile)
	data, err := read(path, app.MaxProfileBytes)
	if err != nil {
		return nil, fmt.Errorf("reading the Dockerfile: %w", err)
	}
	warnings, err := buildkit.LintDockerfile(ctx, path, data, r)
	if err != nil {
		return nil, err
	}
	steps, err := buildkit.Instructions(path, data)
	if err != nil {
		return nil, err
	}
	return append(audit.Hygiene(path, warnings), audit.JudgeDockerfile(path, steps, r.Target)...), nil
}

// LintBuilds judges the Dockerfiles of a profile that are on this machine. As in build, only what could not be taken back
// fails; the rest is advice.
func LintBuilds(ctx context.Context, read app.Reader, l app.Loaded) []finding.Finding {
	var out []finding.Finding
	for _, service := range l.Stack.Services {
		b := service.Build
		if b == nil {
			continue
		}
		r := image.BuildRequest{Service: service.Name, Context: l.Resolve(b.Context), Dockerfile: b.Dockerfile, Target: b.Target, Args: b.Args}
		whole := finding.Finding{Subject: service.Name, Control: audit.HygieneControl, Title: audit.HygieneTitle, Severity: finding.Low, Status: finding.Pass, Tier: finding.Declared,
			Detail: "no finding from BuildKit's rules or the image controls", Where: l.Profile.Written("services." + service.Name + ".build").String(), Owner: service.Owner}
		found, err := JudgeDockerfile(ctx, read, r)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			whole.Status, whole.Detail = finding.NotApplicable, filepath.Join(b.Context, b.Dockerfile)+" not found"
		case err != nil:
			whole.Status, whole.Tier, whole.Detail = finding.Unknown, finding.None, unread(filepath.Join(b.Context, b.Dockerfile), err)
		}
		if len(found) == 0 {
			found = []finding.Finding{whole}
		}
		for i, f := range found {
			found[i].Subject, found[i].Owner = service.Name, service.Owner
			if f.Status == finding.Fail && f.Severity < finding.High {
				found[i].Status = finding.Advice
			}
		}
		out = append(out, service.Waive(found)...)
	}
	return out
}

// unread says why a Dockerfile cannot be judged. What a parser says of it may quote it, and the profile names any file.
func unread(name string, err error) string {
	if read, ok := errors.AsType[*fs.PathError](err); ok {
		return read.Error()
	}
	return name + " is not a valid Dockerfile; see why with hsectl build"
}

// waiver returns the exception of a service for a control.
func waiver(l app.Loaded, service, control string) (finding.Waiver, bool) {
	for _, e := range l.Profile.Exceptions {
		if e.Service == service && e.Control == control && !e.Expires.Over(l.Today) {
			return finding.Waiver{Reason: e.Reason, Question: e.Question, Owner: e.Owner, Expires: e.Expires.String()}, true
		}
	}
	return finding.Waiver{}, false
}

package evidence

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/verify"
)

// renderedOf is what the containers of a stack should have been made from: the release that the stack is at, or else the file
// that generate writes. Records that cannot be read leave the comparison unknown.
func renderedOf(ctx context.Context, engine *docker.Engine, l app.Loaded) (*verify.Rendered, []finding.Finding, error) {
	history, err := engine.History(ctx, l.Stack.Name)
	if err == nil {
		err = history.Newer()
	}
	current, deployed := history.Current()
	if err == nil && deployed {
		err = current.Err
	}
	switch {
	case err != nil:
		return &verify.Rendered{Why: "the releases cannot be read: " + err.Error()}, nil, nil
	case deployed && current.Foreign != nil:
		return &verify.Rendered{Why: fmt.Sprintf("the record of release %d is not that of a deployer: %v", current.Number, current.Foreign)}, signed(history, current, l), nil
	case deployed:
		f, err := outdated(current.Number, func() ([]string, error) { return outdatedRelease(current.Release, l) }, l.Stack.Name)
		return app.RenderedOf(current.Release), append(f, signed(history, current, l)...), err
	}
	file, err := generate.Compose(l.Stack, generate.Source{})
	if err != nil {
		return nil, nil, err
	}
	variables, err := app.Variables(l)
	return &verify.Rendered{File: file, Environment: variables, Plain: true}, nil, err
}

// outdatedRelease says what the profile has otherwise than a release, with what deploy brings from next to the profile. Where that
// cannot be read any more it is left as it was.
func outdatedRelease(r record.Release, l app.Loaded) ([]string, error) {
	attached, _, missing := l.Attached()
	if len(missing) > 0 {
		return missing, nil
	}
	return deploy.Outdated(r, attached)
}

// named is a control of the catalogue, which has all that this package judges.
func named(id string) policy.Control {
	catalogue := controls.Catalogue()
	return catalogue[slices.IndexFunc(catalogue, func(c policy.Control) bool { return c.ID == id })]
}

// signed judges who wrote the record of the release, where the profile says who may.
func signed(history record.History, current record.Entry, l app.Loaded) []finding.Finding {
	if l.Profile.ReleaseSigning == nil {
		return nil
	}
	control := named(policy.SignedRelease)
	f := finding.Finding{Subject: l.Stack.Name, Control: control.ID, Title: control.Title, Severity: control.Severity, Status: finding.Pass, Tier: finding.Effective,
		Detail: fmt.Sprintf("release %d is signed", current.Number)}
	var others []string
	for _, r := range history.Sorted() {
		if r.Number != current.Number && r.Foreign != nil {
			others = append(others, strconv.Itoa(r.Number))
		}
	}
	if len(others) > 0 {
		f.Detail += "; rollback refuses those that are not: " + strings.Join(others, ", ")
	}
	if current.Foreign != nil {
		f.Status, f.Detail, f.Remedy = finding.Fail, fmt.Sprintf("release %d: %v", current.Number, current.Foreign), control.Remedy
	}
	return []finding.Finding{f}
}

// mostChanges bounds how many changes of a profile verify names; plan has all of them.
const mostChanges = 3

// outdated says when a profile has changed since it was deployed. That is no drift: nothing that runs was changed.
func outdated(number int, changes func() ([]string, error), stack string) ([]finding.Finding, error) {
	found, err := changes()
	if err != nil || len(found) == 0 {
		return nil, err
	}
	control := named(policy.NewestProfile)
	shown := found[:min(mostChanges, len(found))]
	text := fmt.Sprintf("the profile has changed since release %d: %s", number, strings.Join(shown, "; "))
	if more := len(found) - len(shown); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return []finding.Finding{{Subject: stack, Control: control.ID, Title: control.Title, Severity: control.Severity, Status: finding.Advice, Tier: finding.Declared,
		Detail: text, Remedy: control.Remedy}}, nil
}

package evidence

import (
	"context"
	"errors"
	"fmt"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/verify/doctor"
	"github.com/hsectl/hsectl/internal/yamldoc"
	"github.com/hsectl/hsectl/profiles"
)

// Doctor diagnoses failing services. With fix it writes the changes into the profile.
func Doctor(ctx context.Context, g *app.Settings, s app.Streams, fix bool) error {
	l, err := app.LoadPinned(g.File)
	if err != nil {
		return err
	}
	engine, err := g.Connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	symptoms, err := engine.Symptoms(ctx, l.Stack)
	if err != nil {
		return err
	}
	symptoms = g.RedactSymptoms(ctx, engine, l, symptoms)
	conditions, err := engine.Conditions(ctx, l.Stack)
	if err != nil {
		return err
	}
	found := doctor.Living(l.Stack, conditions, doctor.Diagnose(l.Stack, symptoms))
	for _, c := range conditions {
		if c.Unseen != "" {
			s.Say("%s: not inspected: %s", c.Service, c.Unseen)
		}
	}
	for _, symptom := range symptoms {
		if symptom.Sick() && symptom.Unread != "" {
			s.Say("%s: log not read: %s", symptom.Service, symptom.Unread)
		}
	}
	for _, d := range found {
		fmt.Fprintf(s.Out, "✗ %s: %s\n    seen   %s\n", d.Service, d.Cause, d.Evidence)
		switch {
		case !d.Patch.Certain() && d.Patch.Path != "":
			fmt.Fprintf(s.Out, "    fix    %s: %s\n", l.Profile.Written(d.Patch.Path), d.Advice)
		case d.Patch.Path == "":
			fmt.Fprintf(s.Out, "    fix    %s\n", d.Advice)
		case d.Patch.Item != "":
			fmt.Fprintf(s.Out, "    fix    %s: add to %s: %s\n", l.Profile.Written(d.Patch.Path), d.Patch.Path, d.Patch.Item)
		default:
			fmt.Fprintf(s.Out, "    fix    %s: set %s: %s\n", l.Profile.Written(d.Patch.Path), d.Patch.Path, d.Patch.Value)
		}
	}
	if len(found) == 0 {
		fmt.Fprintf(s.Out, "✓ %s: no known cause of failure found in %s\n", l.Stack.Name, display.Count(len(symptoms), "service"))
		return nil
	}
	if fix {
		if err := writeFixes(l, s, found); err != nil {
			return err
		}
	}
	return app.ErrFindings
}

// writeFixes changes the profile only when it stays valid.
func writeFixes(l app.Loaded, s app.Streams, found []doctor.Diagnosis) error {
	data, done := l.Data, 0
	for _, d := range found {
		if !d.Patch.Certain() {
			continue
		}
		next, err := yamldoc.Patch(data, yamldoc.Edit(d.Patch))
		if errors.Is(err, yamldoc.ErrUnpatchable) {
			s.Say("%v", err)
			continue
		}
		if err != nil {
			return err
		}
		options := parser.Options{File: l.Path, Library: profiles.Library{}, CheckImage: image.Check}
		if _, err := parser.Parse(next, options); err != nil {
			s.Say("not changing %s: %v", d.Patch.Path, err)
			continue
		}
		data, done = next, done+1
	}
	if done == 0 {
		return nil
	}
	if err := host.Rewrite(l.Path, data); err != nil {
		return err
	}
	s.Say("%s written to %s; next: hsectl deploy", display.Count(done, "change"), l.Path)
	return nil
}

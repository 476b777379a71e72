// Package planfile keeps a plan as a file that is reviewed before it is applied: what would happen, of what it was made, and a
// digest that an edit breaks. It is pure.
package planfile

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
)

// Version is that of a saved plan.
const Version = "hsectl/v1"

// Plan is a plan as a file: what would happen, a fingerprint of everything it was made from, and a digest of the file itself.
// It holds no value of a secret or a variable.
type Plan struct {
	APIVersion  string                  `json:"apiVersion"`
	Kind        string                  `json:"kind"`
	Stack       string                  `json:"stack"`
	Release     int                     `json:"release"` // that the stack was at
	Fingerprint string                  `json:"fingerprint"`
	Steps       []Step                  `json:"steps"`
	Services    []deploy.ServiceChange  `json:"services"`
	Resources   []deploy.ResourceChange `json:"resources,omitempty"`
	Intent      []string                `json:"intent,omitempty"`     // settings that are recorded anew
	Uncompared  string                  `json:"uncompared,omitempty"` // why it is not known whether containers were changed
	Changed     []deploy.Changed        `json:"changed,omitempty"`    // networks and volumes that were changed outside hsectl
	Hooks       []Hook                  `json:"hooks,omitempty"`      // that run on the machine that applies it
	SHA256      string                  `json:"sha256"`               // of all the rest
}

// Step is a step without what it carries.
type Step struct {
	Kind    deploy.Kind `json:"kind"`
	Subject string      `json:"subject"`
	Cause   string      `json:"cause"`
}

// ErrEdited is a saved plan that was changed after it was written: what was reviewed is not what would happen.
var ErrEdited = errors.New("the plan was edited after it was written")

// ErrMoved is a saved plan that no longer fits: the profile, the images, the secrets or the engine have changed.
var ErrMoved = errors.New("the plan is stale: the profile, the images, the secrets or the engine have changed since")

// New turns a plan into a file's content.
func New(d deploy.Desired, o deploy.Observed, p deploy.Plan) (Plan, error) {
	out := Plan{APIVersion: Version, Kind: "Plan", Stack: p.Stack, Steps: []Step{}, Services: p.Services, Resources: p.Resources, Intent: p.Intent, Uncompared: p.Uncompared, Changed: p.Changed, Hooks: hooksOf(d, p)}
	if d.Last != nil {
		out.Release = d.Last.Number
	}
	for _, s := range p.Steps {
		out.Steps = append(out.Steps, Step{s.Kind, s.Subject, s.Cause})
	}
	// Variables and containers count, but only as part of the digest. Secrets count by their version on the engine and by
	// which of them differ: a digest of a weak secret could be guessed from the file.
	data, err := json.Marshal(struct {
		Saved       Plan
		File        []byte
		Environment map[string]string
		Images      map[string]string
		Volumes     map[string]deploy.Volume
		Running     map[string][]deploy.Running
		Delivery    generate.Delivery
	}{out, p.File, d.Environment, o.Images, o.Volumes, o.Running, p.Delivery})
	if err != nil {
		return Plan{}, fmt.Errorf("saving the plan: %w", err)
	}
	out.Fingerprint = record.Digest(data)
	out.SHA256, err = out.sum()
	return out, err
}

// sum is the digest over all of the plan but itself.
func (s Plan) sum() (string, error) {
	s.SHA256 = ""
	data, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("saving the plan: %w", err)
	}
	return record.Digest(data), nil
}

// Fits refuses a saved plan that is not, in all that it shows, the one made now.
func (s Plan) Fits(now Plan) error {
	switch {
	case s.Stack != now.Stack:
		return fmt.Errorf("the plan is for stack %s, not %s", s.Stack, now.Stack)
	case s.Fingerprint != now.Fingerprint:
		return ErrMoved
	case s.SHA256 != now.SHA256: // its steps are others, and its fingerprint is that of the plan made now
		return ErrEdited
	}
	return nil
}

// Decode reads a saved plan.
func Decode(data []byte) (Plan, error) {
	var s Plan
	if err := record.Strict(data, &s); err != nil {
		return s, fmt.Errorf("reading the plan: %w", err)
	}
	if s.APIVersion != Version || s.Kind != "Plan" {
		return s, fmt.Errorf("reading the plan: it is a %s of %s, not a Plan of %s", s.Kind, s.APIVersion, Version)
	}
	sum, err := s.sum()
	if err == nil && s.SHA256 != sum {
		err = ErrEdited
	}
	if err != nil {
		return s, fmt.Errorf("reading the plan: %w", err)
	}
	return s, nil
}

// Hook is a hook that a plan would run on the machine that applies it.
type Hook struct {
	Name    string     `json:"name"`
	When    stack.When `json:"when"`
	Command []string   `json:"command"`
	Secrets []string   `json:"secrets,omitempty"` // names of those whose values it gets
}

// hooksOf are those of a plan that changes something, in the order of a deploy.
func hooksOf(d deploy.Desired, p deploy.Plan) []Hook {
	var out []Hook
	if len(p.Steps) == 0 {
		return out
	}
	for _, when := range []stack.When{stack.Before, stack.After, stack.Failed} {
		for _, h := range d.Stack.Hooks {
			if h.When == when {
				out = append(out, Hook{h.Name, h.When, h.Command, h.Secrets})
			}
		}
	}
	return out
}

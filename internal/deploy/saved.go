package deploy

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/record"
)

// PlanVersion is that of a saved plan.
const PlanVersion = "hsectl/v1"

// Saved is a plan as a file: what would happen, and a fingerprint of everything it was made from. It holds no value of a
// secret or a variable.
type Saved struct {
	APIVersion  string           `json:"apiVersion"`
	Kind        string           `json:"kind"`
	Stack       string           `json:"stack"`
	Release     int              `json:"release"` // that the stack was at
	Fingerprint string           `json:"fingerprint"`
	Steps       []SavedStep      `json:"steps"`
	Services    []ServiceChange  `json:"services"`
	Resources   []ResourceChange `json:"resources,omitempty"`
	Intent      []string         `json:"intent,omitempty"` // settings that are recorded anew
	Hooks       []SavedHook      `json:"hooks,omitempty"`  // that run on the machine that applies it
}

// SavedStep is a step without what it carries.
type SavedStep struct {
	Kind    Kind   `json:"kind"`
	Subject string `json:"subject"`
	Cause   string `json:"cause"`
}

// ErrMoved is a saved plan that no longer fits: the profile, the images, the secrets or the engine have changed.
var ErrMoved = errors.New("the plan is stale: the profile, the images, the secrets or the engine have changed since")

// Save turns a plan into a file's content.
func Save(d Desired, o Observed, p Plan) (Saved, error) {
	out := Saved{APIVersion: PlanVersion, Kind: "Plan", Stack: p.Stack, Steps: []SavedStep{}, Services: p.Services, Resources: p.Resources, Intent: p.Intent, Hooks: savedHooks(d, p)}
	if d.Last != nil {
		out.Release = d.Last.Number
	}
	for _, s := range p.Steps {
		out.Steps = append(out.Steps, SavedStep{s.Kind, s.Subject, s.Cause})
	}
	// Variables and containers count, but only as part of the digest. Secrets count by their version on the engine and by
	// which of them differ: a digest of a weak secret could be guessed from the file.
	data, err := json.Marshal(struct {
		Saved       Saved
		File        []byte
		Environment map[string]string
		Images      map[string]string
		Volumes     map[string]Volume
		Running     map[string][]Running
		Delivery    generate.Delivery
	}{out, p.File, d.Environment, o.Images, o.Volumes, o.Running, p.Delivery})
	if err != nil {
		return Saved{}, fmt.Errorf("saving the plan: %w", err)
	}
	out.Fingerprint = record.Digest(data)
	return out, nil
}

// DecodeSaved reads a saved plan.
func DecodeSaved(data []byte) (Saved, error) {
	var s Saved
	if err := record.Strict(data, &s); err != nil {
		return s, fmt.Errorf("reading the plan: %w", err)
	}
	if s.APIVersion != PlanVersion || s.Kind != "Plan" {
		return s, fmt.Errorf("reading the plan: it is a %s of %s, not a Plan of %s", s.Kind, s.APIVersion, PlanVersion)
	}
	return s, nil
}

package deploy

import "github.com/hsectl/hsectl/internal/stack"

// SavedHook is a hook that a plan would run on the machine that applies it.
type SavedHook struct {
	Name    string     `json:"name"`
	When    stack.When `json:"when"`
	Command []string   `json:"command"`
	Secrets []string   `json:"secrets,omitempty"` // names of those whose values it gets
}

// savedHooks are those of a plan that changes something, in the order of a deploy.
func savedHooks(d Desired, p Plan) []SavedHook {
	var out []SavedHook
	if len(p.Steps) == 0 {
		return out
	}
	for _, when := range []stack.When{stack.Before, stack.After, stack.Failed} {
		for _, h := range d.Stack.Hooks {
			if h.When == when {
				out = append(out, SavedHook{h.Name, h.When, h.Command, h.Secrets})
			}
		}
	}
	return out
}

package review

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/stack"
)

// hooks notes what runs on the machine that deploys: each must be reviewed.
func (c *comparison) hooks() {
	for _, now := range c.head.Stack.Hooks {
		row := Change{Rule: RuleHook, Severity: finding.High, What: "hook " + now.Name, New: hookText(now), Key: "hooks." + now.Name,
			Reason: "it runs on the deploying machine, as the deploying user, outside any container: review the program as well"}
		i := slices.IndexFunc(c.base.Stack.Hooks, func(h stack.Hook) bool { return h.Name == now.Name })
		var given []string
		if i >= 0 {
			given, row.Old = c.base.Stack.Hooks[i].Secrets, hookText(c.base.Stack.Hooks[i])
		}
		if row.Old != row.New {
			c.changes = append(c.changes, row)
		}
		for j, secret := range now.Secrets {
			if !slices.Contains(given, secret) {
				c.changes = append(c.changes, Change{Rule: RuleGrant, Control: "HSE-SEC-001", Direction: Weaker, Severity: finding.High, What: "secret of hook " + now.Name, New: secret,
					Key: fmt.Sprintf("hooks.%s.secrets[%d]", now.Name, j), Reason: "its value is in the environment of a program on the machine that deploys"})
			}
		}
	}
	for _, old := range c.base.Stack.Hooks {
		if !slices.ContainsFunc(c.head.Stack.Hooks, func(h stack.Hook) bool { return h.Name == old.Name }) {
			row := Change{Rule: RuleHook, What: "hook " + old.Name, Old: hookText(old), Key: "hooks", Reason: "it no longer runs"}
			if old.When == stack.Before {
				row.Severity, row.Reason = finding.Low, "it no longer runs, and stops no deploy"
			}
			c.changes = append(c.changes, row)
		}
	}
}

func hookText(h stack.Hook) string {
	return fmt.Sprintf("%s: %s (%s)", h.When, strings.Join(h.Command, " "), h.Timeout)
}

// jobs notes what runs once in a deploy, as its service.
func (c *comparison) jobs() {
	for _, now := range c.head.Stack.Jobs {
		i := slices.IndexFunc(c.base.Stack.Jobs, func(j stack.Job) bool { return j.Name == now.Name })
		row := Change{Rule: RuleImage, Severity: finding.Low, What: "job " + now.Name, New: jobText(now), Key: "jobs." + now.Name,
			Reason: "it runs with the secrets, volumes and networks of " + now.Service}
		if i >= 0 {
			row.Old = jobText(c.base.Stack.Jobs[i])
		}
		if row.Old != row.New {
			c.changes = append(c.changes, row)
		}
	}
	for _, old := range c.base.Stack.Jobs {
		if !slices.ContainsFunc(c.head.Stack.Jobs, func(j stack.Job) bool { return j.Name == old.Name }) {
			c.changes = append(c.changes, Change{Rule: RuleImage, What: "job " + old.Name, Old: jobText(old), Key: "jobs", Reason: "it no longer runs"})
		}
	}
}

func jobText(j stack.Job) string {
	when := "before"
	if j.After {
		when = "after"
	}
	return fmt.Sprintf("%s %s: %s (%s)", when, j.Service, strings.Join(j.Command, " "), j.Timeout)
}

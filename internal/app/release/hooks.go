package release

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/redact"
	"github.com/hsectl/hsectl/internal/stack"
)

// hooks are the programs that a profile runs on this machine around a deploy. Only those of the profile at hand run: what
// an engine has recorded runs nowhere but there.
type hooks struct {
	list    []stack.Hook
	dir     string
	base    []string // the environment of this process, without what holds a secret of the stack
	secrets map[string]deploy.Secret
	skip    bool
	tell    *app.Progress
	runs    []record.HookRun
}

// HookError is a hook that stopped a deploy before anything changed.
type HookError struct {
	name string
	err  error
}

// Error implements error.
func (e *HookError) Error() string {
	return fmt.Sprintf("hook %s: %v; nothing was changed", e.name, e.err)
}

// Unwrap returns why the hook failed.
func (e *HookError) Unwrap() error { return e.err }

func newHooks(l app.Loaded, secrets map[string]deploy.Secret, skip bool, tell *app.Progress) *hooks {
	h := &hooks{list: l.Stack.Hooks, dir: l.Dir(), secrets: secrets, skip: skip, tell: tell, base: withoutSecrets(os.Environ(), l.Stack, secrets)}
	if l.Bundle != nil {
		h.dir = l.Bundle.Dir // its programs are next to it
	}
	return h
}

// withoutSecrets drops the variables from which the stack's secrets come, the key that decrypts them, and every other
// variable that holds the value of one.
func withoutSecrets(environ []string, s stack.Stack, secrets map[string]deploy.Secret) []string {
	sources := []string{"HSECTL_AGE_IDENTITY"}
	for _, secret := range s.Secrets {
		sources = append(sources, secret.Env)
	}
	values := redact.New(app.Reveal(secrets), nil)
	return slices.DeleteFunc(slices.Clone(environ), func(variable string) bool {
		name, value, _ := strings.Cut(variable, "=")
		return slices.Contains(sources, name) || values.Holds(value)
	})
}

// moment is what a hook is told of its deploy.
type moment struct {
	stack, revision string
	release, from   int
	outcome, reason string
}

func (m moment) environment() []string {
	from := ""
	if m.from > 0 {
		from = strconv.Itoa(m.from)
	}
	return []string{"HSECTL_HOOK_STACK=" + m.stack, "HSECTL_HOOK_RELEASE=" + strconv.Itoa(m.release), "HSECTL_HOOK_FROM=" + from,
		"HSECTL_HOOK_REVISION=" + m.revision, "HSECTL_HOOK_OUTCOME=" + m.outcome, "HSECTL_HOOK_REASON=" + m.reason}
}

// run runs the hooks of a moment by name. The first one that fails before a deploy stops it; of others that is only told.
func (h *hooks) run(ctx context.Context, when stack.When, m moment) error {
	if h == nil {
		return nil
	}
	for _, hook := range h.list {
		if hook.When != when {
			continue
		}
		ended, err := h.one(ctx, hook, m)
		h.runs = append(h.runs, record.HookRun{Name: hook.Name, When: hook.When, Ended: h.tell.Known.Text(ended)})
		switch {
		case err != nil && when == stack.Before:
			return &HookError{hook.Name, err}
		case err != nil:
			h.tell.Warn("hook " + hook.Name + ": " + err.Error())
		}
	}
	return nil
}

func (h *hooks) one(ctx context.Context, hook stack.Hook, m moment) (ended string, err error) {
	if h.skip {
		h.tell.Event(deploy.Event{Subject: hook.Name, Text: "hook skipped"})
		return record.HookSkipped, nil
	}
	h.tell.Event(deploy.Event{Subject: hook.Name, Text: "hook runs " + strings.Join(hook.Command, " ")})
	environment := append(slices.Clone(h.base), "HSECTL_HOOK_NAME="+hook.Name, "HSECTL_HOOK_WHEN="+string(hook.When))
	environment = append(environment, m.environment()...)
	for _, name := range hook.Secrets {
		environment = append(environment, "HSECTL_HOOK_SECRET_"+variableName(name)+"="+string(h.secrets[name].Reveal()))
	}
	err = host.Hook{Command: hook.Command, Dir: h.dir, Environment: environment, Timeout: hook.Timeout}.Run(ctx, func(line string) {
		h.tell.Event(deploy.Event{Kind: deploy.LogEvent, Subject: hook.Name, Text: display.Clean(line)})
	})
	if err != nil {
		return err.Error(), err
	}
	h.tell.Event(deploy.Event{Subject: hook.Name, Text: "hook done", Done: true})
	return record.HookDone, nil
}

// variableName is the name of a secret as part of a variable's.
func variableName(secret string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '.' {
			return '_'
		}
		return r
	}, strings.ToUpper(secret))
}

// moment is that of a change before it begins.
func (s *session) moment(c deploy.Change) moment {
	m := moment{stack: s.stack, release: c.Release.Number, revision: c.Release.Made.Revision}
	if c.From != nil {
		m.from = c.From.Number
	}
	return m
}

// before runs the hooks that may stop a change. When one does, those that run after a failure know that nothing changed.
func (s *session) before(ctx context.Context, c deploy.Change) error {
	if len(c.Plan.Steps) == 0 { // nothing that runs is touched
		return nil
	}
	m := s.moment(c)
	err := s.hooks.run(ctx, stack.Before, m)
	if err != nil {
		m.outcome, m.reason = "unchanged", s.hooks.tell.Known.Text(display.Clean(display.FirstLine(err.Error())))
		_ = s.hooks.run(context.WithoutCancel(ctx), stack.Failed, m) // told as warnings
	}
	return err
}

// afterwards runs the hooks that follow a change, however it ended, and adds to its record how they did.
func (s *session) afterwards(ctx context.Context, c deploy.Change, o *record.Outcome, changed error) {
	if s.hooks == nil || len(s.hooks.list) == 0 || len(c.Plan.Steps) == 0 {
		return
	}
	ctx = context.WithoutCancel(ctx)
	m, when := s.moment(c), stack.After
	m.outcome = ending(changed)
	if changed != nil {
		when, m.reason = stack.Failed, s.hooks.tell.Known.Text(display.Clean(display.FirstLine(changed.Error())))
	}
	_ = s.hooks.run(ctx, when, m) // told as warnings
	o.Hooks = s.hooks.runs
	if failed, ok := errors.AsType[*deploy.FailedError](changed); changed != nil && (!ok || failed.Undo != nil) {
		return // how it ended is not known yet
	}
	if err := s.lock.Close(ctx, c.Release, *o); err != nil {
		s.hooks.tell.Warn("recording the hooks: " + err.Error())
	}
}

// ending says in a word what became of a stack.
func ending(err error) string {
	failed, ok := errors.AsType[*deploy.FailedError](err)
	switch {
	case err == nil:
		return "deployed"
	case !ok:
		return "lost" // another deploy has the stack
	case failed.Undo != nil:
		return "broken"
	case failed.Back > 0:
		return "undone"
	case failed.Stopped:
		return "stopped"
	}
	return "left"
}

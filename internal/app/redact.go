package app

import (
	"context"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/engine/tasks"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/redact"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify/doctor"
)

// SecretKeeper is an engine that keeps the values that services were given.
type SecretKeeper interface {
	KeptSecrets(ctx context.Context, stack string) (map[string][]deploy.Secret, error)
}

// readFor bounds how long the values that an engine keeps are waited for before output is hidden.
const readFor = 30 * time.Second

// Reveal returns the values of secrets, for what takes them out of texts.
func Reveal(secrets map[string]deploy.Secret) []string {
	var out []string
	for _, secret := range secrets {
		out = append(out, string(secret.Reveal()))
	}
	return out
}

// keptRedactor hides the values at hand and all that the engine keeps of a stack, of earlier releases too. Where the engine
// does not say what it keeps, output is hidden.
func keptRedactor(ctx context.Context, keeper SecretKeeper, stack string, secrets map[string]deploy.Secret) redact.Redactor {
	ctx, cancel := context.WithTimeout(ctx, readFor)
	defer cancel()
	kept, err := keeper.KeptSecrets(ctx, stack)
	if err != nil {
		return redact.New(Reveal(secrets), []string{"any secret of " + stack})
	}
	return redact.New(append(Reveal(secrets), keptValues(kept)...), nil)
}

func keptValues(kept map[string][]deploy.Secret) []string {
	var out []string
	for _, versions := range kept {
		for _, secret := range versions {
			out = append(out, string(secret.Reveal()))
		}
	}
	return out
}

// Redact takes the values of secrets out of an error, and out of what a container printed before it. What the engine
// keeps is read only where a container may have printed it.
func (p *Progress) Redact(err error) error {
	if IsType[*deploy.UnhealthyError](err) || IsType[*deploy.RefusedError](err) || IsType[*deploy.UnreachableError](err) || IsType[*tasks.TaskError](err) {
		return Redact(err, p.output())
	}
	return Redact(err, p.Known)
}

// Redact takes values out of an error, and out of what a container printed before it.
func Redact(err error, r redact.Redactor) error {
	if unhealthy, ok := asUnhealthy(err); ok {
		unhealthy.Logs, unhealthy.Health = r.Lines(unhealthy.Logs), r.Output(unhealthy.Health)
	}
	return r.Error(err)
}

// RedactSymptoms takes the values of secrets out of what services printed: those that the engine keeps, and those that it
// does not keep but this environment knows. Where a value is not known here, the log is not read at all.
func (g *Settings) RedactSymptoms(ctx context.Context, keeper SecretKeeper, l Loaded, symptoms []doctor.Symptom) []doctor.Symptom {
	kept, err := keeper.KeptSecrets(ctx, l.Stack.Name)
	var missing []string
	if err != nil {
		missing = []string{"any secret of " + l.Stack.Name}
	}
	here, lacking := g.secretsAtHand(ctx, l, kept)
	r := redact.New(append(Reveal(here), keptValues(kept)...), append(missing, lacking...))
	for i, symptom := range symptoms {
		symptoms[i].Logs = r.Lines(symptom.Logs)
		if hidden := strings.Trim(r.Hidden(len(symptom.Logs)), "[]"); len(symptom.Logs) > 0 && hidden != "" {
			symptoms[i].Logs, symptoms[i].Unread = nil, hidden
		}
		symptoms[i].Health, symptoms[i].Error = r.Output(symptom.Health), r.Output(symptom.Error)
	}
	return symptoms
}

// secretsAtHand reads the secrets of a stack that the engine does not keep, and names those that cannot be read here.
func (g *Settings) secretsAtHand(ctx context.Context, l Loaded, kept map[string][]deploy.Secret) (secrets map[string]deploy.Secret, missing []string) {
	v, secrets := g.vault(l), map[string]deploy.Secret{}
	for _, source := range l.Stack.Secrets {
		if _, known := kept[source.Name]; known || source.From != "" {
			continue
		}
		if value, err := v.Value(ctx, source); err == nil && !source.Generate {
			secrets[source.Name] = deploy.NewSecret(value)
		} else {
			missing = append(missing, source.Name)
		}
	}
	derive(l, secrets)
	return secrets, missing
}

// maxTestOutput bounds what is kept of the output of a health test.
const maxTestOutput = 8 << 10

// Failure returns what is kept of a deploy that failed, without values of secrets, or nil where no service showed anything.
func (p *Progress) Failure(err error, r record.Release) *record.Failure {
	unhealthy, ok := asUnhealthy(err)
	if !ok {
		return nil
	}
	_ = p.Redact(err) // in place: what is kept is what is shown
	return &record.Failure{Service: unhealthy.Service, State: unhealthy.State, ExitCode: unhealthy.ExitCode, OOM: unhealthy.OOM,
		Health: unhealthy.Health[max(0, len(unhealthy.Health)-maxTestOutput):], Logs: doctor.Excerpt(r.Model(), SymptomOf(unhealthy))}
}

// SymptomOf returns how a service stood that did not become healthy.
func SymptomOf(e *deploy.UnhealthyError) doctor.Symptom {
	return doctor.Symptom{Service: e.Service, State: e.State, ExitCode: e.ExitCode, OOM: e.OOM, Tested: e.Health != "", Health: e.Health, Logs: e.Logs}
}

// Likely returns the likely cause of a failure and what to do about it, or nothing when none is recognised.
func Likely(e *deploy.UnhealthyError) string {
	found := doctor.Diagnose(stack.Stack{Services: []stack.Service{{Name: e.Service}}}, []doctor.Symptom{SymptomOf(e)})
	switch {
	case len(found) > 0 && found[0].Recognised():
		return strings.TrimSuffix(found[0].Cause+": "+found[0].Advice, ": ")
	case e.ExitCode == 126:
		return "its command cannot be executed: a tmpfs is mounted noexec unless exec: true"
	case e.ExitCode == 127:
		return "a program of its command or health test is not in the image"
	case e.Health != "" && e.ExitCode == 0:
		return "it runs, but its health test fails: compare the port and path in health: with the service's own"
	}
	return ""
}

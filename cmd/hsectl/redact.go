package main

import (
	"context"
	"time"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/redact"
	"github.com/hsectl/hsectl/internal/verify"
)

// secretKeeper is an engine that keeps the values that services were given.
type secretKeeper interface {
	KeptSecrets(ctx context.Context, stack string) (map[string][]deploy.Secret, error)
}

// readFor bounds how long the values that an engine keeps are waited for before output is withheld.
const readFor = 30 * time.Second

func revealed(secrets map[string]deploy.Secret) []string {
	var out []string
	for _, secret := range secrets {
		out = append(out, string(secret.Reveal()))
	}
	return out
}

// keptRedactor hides the values at hand and all that the engine keeps of a stack, of earlier releases too. Where the engine
// does not say what it keeps, output is withheld.
func keptRedactor(ctx context.Context, keeper secretKeeper, stack string, secrets map[string]deploy.Secret) redact.Redactor {
	ctx, cancel := context.WithTimeout(ctx, readFor)
	defer cancel()
	kept, err := keeper.KeptSecrets(ctx, stack)
	if err != nil {
		return redact.New(revealed(secrets), []string{"all that the engine keeps of " + stack})
	}
	return redact.New(append(revealed(secrets), keptValues(kept)...), nil)
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

// redacted takes the values of secrets out of an error, and out of what a container printed before it. What the engine
// keeps is read only where a container may have printed it.
func (p *progress) redacted(err error) error {
	if isType[*deploy.UnhealthyError](err) || isType[*deploy.RefusedError](err) || isType[*docker.TaskError](err) {
		return redacted(err, p.output())
	}
	return redacted(err, p.known)
}

func redacted(err error, r redact.Redactor) error {
	if unhealthy, ok := asUnhealthy(err); ok {
		unhealthy.Logs, unhealthy.Health = r.Lines(unhealthy.Logs), r.Output(unhealthy.Health)
	}
	return r.Error(err)
}

// redactSymptoms takes the values of secrets out of what services printed: those that the engine keeps, and those that it
// does not keep but this environment knows.
func (g *globals) redactSymptoms(ctx context.Context, keeper secretKeeper, l loaded, symptoms []verify.Symptom) []verify.Symptom {
	kept, err := keeper.KeptSecrets(ctx, l.stack.Name)
	var missing []string
	if err != nil {
		missing = []string{"all that the engine keeps of " + l.stack.Name}
	}
	here, lacking := g.secretsAtHand(ctx, l, kept)
	r := redact.New(append(revealed(here), keptValues(kept)...), append(missing, lacking...))
	for i, symptom := range symptoms {
		symptoms[i].Logs = r.Lines(symptom.Logs)
		symptoms[i].Health, symptoms[i].Error = r.Output(symptom.Health), r.Output(symptom.Error)
	}
	return symptoms
}

// secretsAtHand reads the secrets of a stack that the engine does not keep, and names those that cannot be read here.
func (g *globals) secretsAtHand(ctx context.Context, l loaded, kept map[string][]deploy.Secret) (secrets map[string]deploy.Secret, missing []string) {
	v, secrets := g.vault(l), map[string]deploy.Secret{}
	for _, source := range l.stack.Secrets {
		if _, known := kept[source.Name]; known || source.From != "" {
			continue
		}
		if value, err := v.value(ctx, source); err == nil && !source.Generate {
			secrets[source.Name] = deploy.NewSecret(value)
		} else {
			missing = append(missing, source.Name)
		}
	}
	derive(l, secrets)
	return secrets, missing
}

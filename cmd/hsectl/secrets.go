package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/deploy"
)

// gather reads every variable and secret that the stack takes from the deploying environment. What is missing is
// reported all at once, before anything changes. A value never leaves a deploy.Secret.
func (g *globals) gather(ctx context.Context, l loaded) (environment map[string]string, secrets map[string]deploy.Secret, err error) {
	environment, secrets = map[string]string{}, map[string]deploy.Secret{}
	v := g.vault(l)
	var missing []string
	lack := func(path, format string, args ...any) {
		missing = append(missing, fmt.Sprintf("%s: %s", l.profile.Locate(path), fmt.Sprintf(format, args...)))
	}
	for _, service := range l.stack.Services {
		for _, variable := range service.Environment {
			name := variable.Name
			value, ok := os.LookupEnv(name)
			if ok && (variable.Required || variable.Default != nil) {
				environment[name] = value
			}
			if variable.Required && value == "" {
				lack(l.root+"services."+service.Name+".environment."+name, "service %s needs the variable %s, which is not set", service.Name, name)
			}
		}
	}
	for _, source := range l.stack.Secrets {
		if source.From != "" {
			continue
		}
		value, err := v.value(ctx, source)
		if err != nil {
			lack("secrets."+source.Name, "secret %s%s", source.Name, err)
		}
		secrets[source.Name] = deploy.NewSecret(value)
	}
	derive(l, secrets)
	if len(missing) > 0 {
		return nil, nil, &missingError{missing}
	}
	return environment, secrets, nil
}

func (g *globals) vault(l loaded) vault {
	v := vault{dir: l.dir(), identity: g.identity}
	if l.bundled != nil {
		v.beside = l.bundled.dir
	}
	return v
}

// gatherAll gathers for several stacks, and says everything that they miss at once.
func (g *globals) gatherAll(ctx context.Context, stacks []loaded) ([]deploy.Desired, error) {
	var out []deploy.Desired
	var missing []string
	for _, l := range stacks {
		environment, secrets, err := g.gather(ctx, l)
		if m, ok := errors.AsType[*missingError](err); ok {
			missing = append(missing, slices.DeleteFunc(m.lines, func(line string) bool { return slices.Contains(missing, line) })...)
		} else if err != nil {
			return nil, err
		}
		out = append(out, deploy.Desired{Stack: l.stack, Environment: environment, Secrets: secrets})
	}
	if len(missing) > 0 {
		return nil, &missingError{missing}
	}
	return out, nil
}

// derive makes the secrets that are made of others.
func derive(l loaded, secrets map[string]deploy.Secret) {
	for _, secret := range l.stack.Secrets {
		if secret.From != "" {
			source := strings.TrimRight(string(secrets[secret.From].Reveal()), "\r\n")
			secrets[secret.Name] = deploy.NewSecret([]byte(strings.Replace(secret.Format, "{}", source, 1) + "\n"))
		}
	}
}

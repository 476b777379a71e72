package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/sources"
)

// Gather reads every variable and secret that the stack takes from the deploying environment. What is missing is
// reported all at once, before anything changes. A value never leaves a deploy.Secret.
func (g *Settings) Gather(ctx context.Context, l Loaded) (environment map[string]string, secrets map[string]deploy.Secret, err error) {
	if environment, err = Variables(l); err != nil {
		return nil, nil, err
	}
	secrets = map[string]deploy.Secret{}
	v := g.vault(l)
	var missing []string
	lack := func(path, format string, args ...any) {
		missing = append(missing, fmt.Sprintf("%s: %s", l.Profile.Locate(path), fmt.Sprintf(format, args...)))
	}
	said := map[string]bool{}
	for _, service := range l.Stack.Services {
		for _, variable := range service.Environment {
			name := variable.Name
			if variable.Required && environment[name] == "" {
				said[name] = true
				lack(l.Root+"services."+service.Name+".environment."+name, "service %s needs the variable %s, which is not set", service.Name, name)
			}
		}
	}
	all, err := sources.Taken(l.Stack)
	if err != nil {
		return nil, nil, err
	}
	for _, variable := range all {
		if variable.Required && environment[variable.Name] == "" && !said[variable.Name] {
			path, user := "passthrough", "the stack"
			if len(variable.Services) > 0 {
				path, user = l.Root+"services."+variable.Services[0]+".passthrough", "service "+variable.Services[0]
			}
			lack(path, "%s needs the variable %s, which is not set", user, variable.Name)
		}
	}
	for _, source := range l.Stack.Secrets {
		if source.From != "" {
			continue
		}
		value, err := v.Value(ctx, source)
		if err != nil {
			lack("secrets."+source.Name, "secret %s%s", source.Name, err)
		}
		secrets[source.Name] = deploy.NewSecret(value)
	}
	derive(l, secrets)
	if len(missing) > 0 {
		return nil, nil, &MissingError{missing}
	}
	return environment, secrets, nil
}

func (g *Settings) vault(l Loaded) Vault {
	v := Vault{Dir: l.Dir(), Identity: g.Identity, lookup: l.Lookup}
	if l.Bundle != nil {
		v.bundleDir = l.Bundle.Dir
	}
	return v
}

// GatherAll gathers for several stacks, and says everything that they miss at once.
func (g *Settings) GatherAll(ctx context.Context, stacks []Loaded) ([]deploy.Desired, error) {
	var out []deploy.Desired
	var missing []string
	for _, l := range stacks {
		environment, secrets, err := g.Gather(ctx, l)
		attached, values, lacks := l.Attached()
		missing = append(missing, lacks...)
		if m, ok := errors.AsType[*MissingError](err); ok {
			missing = append(missing, slices.DeleteFunc(m.Lines, func(line string) bool { return slices.Contains(missing, line) })...)
		} else if err != nil {
			return nil, err
		}
		if environment == nil {
			environment = map[string]string{}
		}
		maps.Copy(environment, values)
		out = append(out, deploy.Desired{Stack: attached, Environment: environment, Secrets: secrets})
	}
	if len(missing) > 0 {
		return nil, &MissingError{missing}
	}
	return out, nil
}

// ThrowAway gives a copy what it takes from the environment. Secrets that are not at hand here become random ones: the
// copy's database and application are both new, so they agree on any value.
func (g *Settings) ThrowAway(ctx context.Context, l Loaded) (map[string]string, map[string]deploy.Secret) {
	environment, secrets, err := g.Gather(ctx, l)
	if err == nil {
		return environment, secrets
	}
	if environment, err = Variables(l); err != nil {
		environment = map[string]string{}
	}
	secrets = map[string]deploy.Secret{}
	for _, name := range l.Stack.Required() {
		environment[name] = "drill"
	}
	if all, err := sources.Taken(l.Stack); err == nil {
		for _, v := range all {
			if v.Required && environment[v.Name] == "" {
				environment[v.Name] = "drill"
			}
		}
	}
	for _, secret := range l.Stack.Secrets {
		if secret.From == "" {
			secrets[secret.Name] = deploy.NewSecret([]byte(rand.Text()))
		}
	}
	derive(l, secrets)
	return environment, secrets
}

// derive makes the secrets that are made of others.
func derive(l Loaded, secrets map[string]deploy.Secret) {
	for _, secret := range l.Stack.Secrets {
		if secret.From != "" {
			source := strings.TrimRight(string(secrets[secret.From].Reveal()), "\r\n")
			secrets[secret.Name] = deploy.NewSecret([]byte(strings.Replace(secret.Format, "{}", source, 1)))
		}
	}
}

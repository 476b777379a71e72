package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/host"
)

const maxSecretBytes = 1 << 20

// gather reads every variable and secret that the stack takes from the deploying environment. What is missing is
// reported all at once, before anything changes. A value never leaves a deploy.Secret.
func gather(l loaded) (environment map[string]string, secrets map[string]deploy.Secret, err error) {
	environment, secrets = map[string]string{}, map[string]deploy.Secret{}
	var missing []string
	lack := func(path, format string, args ...any) {
		missing = append(missing, fmt.Sprintf("%s: %s", l.profile.Locate(path), fmt.Sprintf(format, args...)))
	}
	for _, service := range l.stack.Services {
		for _, v := range service.Environment {
			value, ok := os.LookupEnv(v.Name)
			if ok && (v.Required || v.Default != nil) {
				environment[v.Name] = value
			}
			if v.Required && value == "" {
				lack(l.root+"services."+service.Name+".environment."+v.Name, "service %s needs the variable %s, which is not set", service.Name, v.Name)
			}
		}
	}
	for _, secret := range l.stack.Secrets {
		switch {
		case secret.Generate:
			secrets[secret.Name] = deploy.NewSecret([]byte(rand.Text())) // used only when the engine keeps none
		case secret.Env != "":
			value := os.Getenv(secret.Env)
			if value == "" {
				lack("secrets."+secret.Name, "secret %s needs the variable %s, which is not set", secret.Name, secret.Env)
			}
			secrets[secret.Name] = deploy.NewSecret([]byte(value))
		case secret.File != "":
			path := secret.File
			if !filepath.IsAbs(path) {
				path = filepath.Join(l.dir(), path)
			}
			value, err := host.ReadFile(path, maxSecretBytes)
			switch {
			case err != nil:
				lack("secrets."+secret.Name, "secret %s: %v", secret.Name, err)
			case len(bytes.TrimSpace(value)) == 0:
				lack("secrets."+secret.Name, "secret %s: the file %s is empty", secret.Name, path)
			}
			secrets[secret.Name] = deploy.NewSecret(value)
		}
	}
	derive(l, secrets)
	if len(missing) > 0 {
		return nil, nil, &missingError{missing}
	}
	return environment, secrets, nil
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

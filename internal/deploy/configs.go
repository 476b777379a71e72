package deploy

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hsectl/hsectl/internal/stack"
)

// ConfigsStep fills a new volume with the configuration files of one service, so that they reach any engine, also one
// on another machine.
type ConfigsStep struct {
	Volume  string
	Stack   string
	Service string
	Owner   stack.User
	Files   []stack.ConfigFile
}

// configsStep returns the volume that will hold the configuration of a service, and the step that fills it unless the
// newest volume already holds the same. A change gives a new volume, so Compose replaces the container of a service that is
// not live.
func configsStep(d Desired, s stack.Service, have SecretState) (*Step, string) {
	if have.Volume != "" && maps.Equal(configDigests(s), settled(have.Digests)) {
		return nil, have.Volume
	}
	cause := "no configuration was delivered yet"
	if have.Volume != "" {
		cause = fmt.Sprintf("the configuration differs from version %d", have.Version)
	}
	files := s.Configs
	if have.Maintenance() && !d.Stack.Reloads(s) { // whose page stays where it is
		files = append(slices.Clip(files), stack.MaintenancePage())
	}
	volume := fmt.Sprintf("%s_%s_config_%d", d.Stack.Name, s.Name, have.Version+1)
	return &Step{Kind: DeliverConfigs, Subject: s.Name, Cause: cause, Configs: &ConfigsStep{
		Volume: volume, Stack: d.Stack.Name, Service: s.Name, Owner: s.User, Files: files,
	}}, volume
}

// Maintenance reports whether an edge with this configuration shows its maintenance page.
func (s SecretState) Maintenance() bool {
	_, on := s.Digests[stack.MaintenancePage().Path]
	return on
}

// newSecrets names the secrets of a service whose value is not the one that it has.
func newSecrets(d Desired, o Observed, s stack.Service) []string {
	digests := secretDigests(d, s, keptSecrets(d, o))
	var out []string
	for _, use := range s.Secrets {
		if o.Secrets[s.Name].Digests[use.Name] != digests[use.Name] {
			out = append(out, use.Name)
		}
	}
	return out
}

// newConfigs names the configuration files that a service has now and did not have like this before, and those that it
// has no more.
func newConfigs(before, now stack.Service) []string {
	content := map[string]string{}
	for _, f := range before.Configs {
		if stack.Moving(f.Path) {
			continue
		}
		content[f.Path] = string(f.Data)
	}
	var out []string
	for _, f := range now.Configs {
		if stack.Moving(f.Path) {
			continue
		}
		if was, ok := content[f.Path]; !ok || was != string(f.Data) {
			out = append(out, f.Path)
		}
		delete(content, f.Path)
	}
	return append(out, slices.Sorted(maps.Keys(content))...)
}

// keptSecrets finds for each generated secret that is not rotated the volume that already holds its value. The first service in the order
// of names decides, so that all services agree.
func keptSecrets(d Desired, o Observed) map[string]SecretState {
	kept := map[string]SecretState{}
	for _, secret := range d.Stack.Secrets {
		if !secret.Generate || slices.Contains(d.Rotate, secret.Name) {
			continue
		}
		for _, service := range slices.Sorted(maps.Keys(o.Secrets)) {
			if _, ok := o.Secrets[service].Digests[secret.Name]; ok {
				kept[secret.Name] = o.Secrets[service]
				break
			}
		}
	}
	return kept
}

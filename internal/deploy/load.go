package deploy

import (
	"maps"
	"slices"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
)

// What a live service reads changes while it runs. Its container has volumes that stay: another version is copied into them
// from the volumes of a release, which never change, and then the service loads it. A file of the version and a file that
// is written when the service has loaded it say how far that came, so that the state is known after a crash.

// LoadedFile is written next to the configuration when the service has loaded it; its content is that of the version.
const LoadedFile = "loaded"

// LoadStep brings what was delivered for a live service to it: the files come into its volumes, and a container that goes on
// running loads them. One that Compose will make or replace finds them when it starts.
type LoadStep struct {
	Compose     ComposeStep // whose only service it is
	Configs     Copied
	Secrets     Copied
	Owner       stack.User
	Version     stack.ConfigFile // by which the service tells what it has loaded
	Maintenance bool             // a new volume begins with the maintenance page
	Calls       []stack.Call     // by which a running edge reaches what the next configuration leads to, before it is loaded
}

// Copied are files that go from one volume into another, which keeps what is not named. Both are empty when there is nothing to copy.
type Copied struct {
	From, To string
	Gone     []string // files of an earlier version, whose content goes
}

// mounted says which volumes the containers have, of those that were delivered.
func mounted(delivered generate.Delivery, live []string) generate.Delivery {
	return generate.Delivery{Secrets: record.Mounted(delivered.Secrets, live), Configs: record.Mounted(delivered.Configs, live)}
}

// Mounts says which volumes the containers of the plan have.
func (p Plan) Mounts() generate.Delivery { return mounted(p.Delivery, p.Live) }

// mounts says which volumes the containers of the release have.
func mounts(r record.Release) generate.Delivery {
	secrets, configs := r.Mounts()
	return generate.Delivery{Secrets: secrets, Configs: configs}
}

// deliveredFiles are the digests of the files that a live service should have loaded.
type deliveredFiles struct{ configs, secrets map[string]string }

// loading returns the step that brings what is delivered to a live service, unless the service has loaded just that.
func loading(s stack.Service, delivered generate.Delivery, want deliveredFiles, o Observed) *Step {
	from := []string{delivered.Configs[s.Name]}
	if volume := delivered.Secrets[s.Name]; volume != "" {
		from = append(from, volume)
	}
	version := s.Version(from...)
	want.configs = settled(want.configs)
	want.configs[version.Path], want.configs[LoadedFile] = record.Digest(version.Data), record.Digest(version.Data)
	step := &LoadStep{Owner: s.User, Version: version}
	same := true
	for _, one := range []struct {
		from string
		want map[string]string
		into *Copied
	}{{delivered.Configs[s.Name], want.configs, &step.Configs}, {delivered.Secrets[s.Name], want.secrets, &step.Secrets}} {
		if one.from == "" {
			continue
		}
		to := record.LiveVolume(one.from)
		has, exists := o.Delivered[to]
		files := settled(has.Digests)
		same = same && exists && has.Owner == FileOwner(s.User) && maps.Equal(files, one.want)
		*one.into = Copied{From: one.from, To: to}
		for _, file := range slices.Sorted(maps.Keys(files)) {
			if _, stays := one.want[file]; !stays {
				one.into.Gone = append(one.into.Gone, file)
			}
		}
	}
	if same {
		return nil
	}
	_, exists := o.Delivered[step.Configs.To]
	step.Maintenance = !exists && o.Configs[s.Name].Maintenance()
	cause := "no configuration is loaded yet"
	if exists {
		cause = "a different configuration version is loaded"
	}
	return &Step{Kind: Load, Subject: s.Name, Cause: cause, Load: step}
}

// settled are files that do not change while a service runs.
func settled(digests map[string]string) map[string]string {
	out := map[string]string{}
	for file, digest := range digests {
		if !stack.Moving(file) {
			out[file] = digest
		}
	}
	return out
}

// configDigests are those of the configuration files that a service should read.
func configDigests(s stack.Service) map[string]string {
	out := map[string]string{}
	for _, f := range s.Configs {
		out[f.Path] = record.Digest(f.Data)
	}
	return settled(out)
}

// secretDigests are those of the secrets that a service should read: kept ones, or those at hand.
func secretDigests(d Desired, s stack.Service, kept map[string]SecretState) map[string]string {
	out := map[string]string{}
	for _, use := range s.Secrets {
		out[use.Name] = d.Secrets[use.Name].Digest()
		if state, ok := kept[use.Name]; ok {
			out[use.Name] = state.Digests[use.Name]
		}
	}
	return out
}

// restoring returns the step by which a live service loads what a release delivered, or nil.
func restoring(r record.Release, s stack.Service, o Observed) *Step {
	if !slices.Contains(r.Live, s.Name) {
		return nil
	}
	want := deliveredFiles{settled(o.Delivered[r.Configs[s.Name]].Digests), o.Delivered[r.Secrets[s.Name]].Digests}
	return loading(s, generate.Delivery{Secrets: r.Secrets, Configs: r.Configs}, want, o)
}

// stays tells whether the containers of a service are what they should be, so that Compose leaves them.
func stays(running []Running, image string) bool {
	for _, r := range running {
		if len(r.Differences) > 0 || !r.Well || r.Image != image {
			return false
		}
	}
	return len(running) > 0
}

// Maintenance reports whether the edge of a release shows its maintenance page.
func (o Observed) Maintenance(r record.Release) bool {
	edge := r.Intent.Edge
	return edge != nil && o.Delivered[mounts(r).Configs[edge.Service]].Maintenance()
}

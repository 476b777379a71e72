// Package composefile reads Compose files that hsectl did not write: it judges them by the controls, and
// adds what is safe to add. It knows no profile and no stack. Loading is the work of compose-go, which reads the files that a file refers to
// (include, extends, env_file); nothing else is read, and nothing remote. All the rest of the package is pure.
package composefile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"
	"go.yaml.in/yaml/v3"
)

// Source says what to load.
type Source struct {
	Files       []string // Compose files, each laid over the ones before it
	EnvFiles    []string // files of variables; .env beside the first file when empty
	Environment []string // NAME=VALUE of the calling process
	AsWritten   bool     // leave env_file and label_file unread
	Read        func(path string, limit int64) ([]byte, error)
}

// Project is a Compose project with everything it refers to, and all its profiles on.
type Project struct {
	Name   string
	Unset  []string // variables without a value, sorted; 1 stands in for required ones
	Blind  string   // why env_file or label_file could not be read; empty when they were
	types  *types.Project
	places []document
}

// document is one of the files as written, for places and comments.
type document struct {
	path string
	root *yaml.Node
	data []byte
}

// maxFile bounds one Compose file.
const maxFile = 8 << 20

// placeholder stands in for a variable that must be set and is not. It reads as a string, a number and a port.
const placeholder = "1"

// Load reads the files as docker compose would, with every profile on.
func Load(ctx context.Context, from Source) (*Project, error) {
	logrus.SetOutput(io.Discard) // compose-go logs what is returned as an error or noted in the project
	p := &Project{}
	for _, name := range from.Files {
		data, err := from.Read(name, maxFile)
		if err != nil {
			return nil, fmt.Errorf("reading the Compose file: %w", err)
		}
		var root yaml.Node
		if err := yaml.Unmarshal(data, &root); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		p.places = append(p.places, document{name, &root, data})
	}
	if err := p.boundedAll(from); err != nil {
		return nil, err
	}
	loaded, err := p.project(ctx, from)
	if err != nil {
		return nil, err
	}
	p.types, p.Name = loaded, loaded.Name
	slices.Sort(p.Unset)
	p.Unset = slices.Compact(p.Unset)
	return p, nil
}

// project tries again without the files of variables, so that one that is missing does not hide all the rest.
func (p *Project) project(ctx context.Context, from Source) (*types.Project, error) {
	if from.AsWritten {
		loaded, err := p.load(ctx, from, cli.WithoutEnvironmentResolution, cli.WithoutLabelsResolution)
		if err != nil {
			return nil, fmt.Errorf("loading the Compose file: %w", err)
		}
		return loaded, nil
	}
	loaded, err := p.load(ctx, from)
	if err == nil {
		return loaded, nil
	}
	again, second := p.load(ctx, from, cli.WithoutEnvironmentResolution, cli.WithoutLabelsResolution)
	if second != nil {
		return nil, fmt.Errorf("loading the Compose file: %w", err)
	}
	p.Blind = err.Error()
	return again, nil
}

func (p *Project) load(ctx context.Context, from Source, more ...cli.ProjectOptionsFn) (*types.Project, error) {
	options := []cli.ProjectOptionsFn{
		cli.WithEnv(from.Environment), cli.WithEnvFiles(from.EnvFiles...), cli.WithDotEnv,
		cli.WithProfiles([]string{"*"}), cli.WithResolvedPaths(true), cli.WithResourceLoader(remote{}),
		cli.WithLoadOptions(func(o *loader.Options) {
			if o.Interpolate != nil { // the options are applied once before they are filled
				o.Interpolate.Substitute = p.substitute
			}
		}),
	}
	o, err := cli.NewProjectOptions(from.Files, append(options, more...)...)
	if err != nil {
		return nil, err
	}
	return o.LoadProject(ctx)
}

// substitute replaces variables. What is not set is noted, and never a reason to stop looking.
func (p *Project) substitute(text string, lookup template.Mapping) (string, error) {
	stand := map[string]string{}
	mapping := func(name string) (string, bool) {
		if v, ok := lookup(name); ok {
			return v, true
		}
		if v, ok := stand[name]; ok {
			return v, true
		}
		if !provided(text, name) {
			p.Unset = append(p.Unset, name)
		}
		return "", false
	}
	for {
		out, err := template.SubstituteWithOptions(text, mapping, template.WithoutLogging)
		var missing *template.MissingRequiredError
		if !errors.As(err, &missing) || stand[missing.Variable] != "" {
			return out, err
		}
		if _, set := lookup(missing.Variable); set {
			return out, err // set, but empty: nothing can stand in for it
		}
		p.Unset = append(p.Unset, missing.Variable)
		stand[missing.Variable] = placeholder
	}
}

// provided reports whether a text says itself what an unset variable stands for: ${NAME:-default}, ${NAME-default}, and
// ${NAME:+value} or ${NAME+value}, which mean nothing without it.
func provided(text, name string) bool {
	for _, form := range []string{":-", "-", ":+", "+"} {
		if strings.Contains(text, "${"+name+form) {
			return true
		}
	}
	return false
}

// remote refuses what would have to be fetched.
type remote struct{}

// Accept reports whether a path is not one of this machine.
func (remote) Accept(path string) bool {
	return strings.Contains(path, "://") || strings.HasPrefix(path, "git@") || strings.HasPrefix(path, "oci:")
}

// Load refuses it.
func (remote) Load(_ context.Context, path string) (string, error) {
	return "", fmt.Errorf("%s is not on this machine; hsectl fetches nothing: copy it here and name the copy", path)
}

// Dir is never asked.
func (remote) Dir(path string) string { return path }

// IsCompose tells a Compose file from a profile: it has no apiVersion, and names services, an include or volumes.
func IsCompose(data []byte) bool {
	var top map[string]yaml.Node
	if err := yaml.Unmarshal(data, &top); err != nil {
		return false
	}
	if _, ok := top["apiVersion"]; ok {
		return false
	}
	for _, key := range []string{"services", "include", "version", "jobs"} {
		if _, ok := top[key]; ok {
			return true
		}
	}
	return false
}

// Types returns the project as compose-go has it. It is not to be changed.
func (p *Project) Types() *types.Project { return p.types }

// ServiceConfigs are the services and jobs of the project, sorted by name. A job is judged as the service it would be.
func (p *Project) ServiceConfigs() []types.ServiceConfig {
	var out []types.ServiceConfig
	for _, name := range p.types.ServiceNames() {
		out = append(out, p.types.Services[name])
	}
	for name, job := range p.types.Jobs {
		out = append(out, types.ServiceConfig{Name: name, ContainerSpec: job.ContainerSpec, WorkloadSpec: job.WorkloadSpec})
	}
	slices.SortFunc(out, func(a, b types.ServiceConfig) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Whole reports whether the project is the same with and without AsWritten: no service takes anything from another file.
func (p *Project) Whole() bool {
	return !slices.ContainsFunc(p.ServiceConfigs(), func(s types.ServiceConfig) bool { return len(s.EnvFiles) > 0 || len(s.LabelFiles) > 0 })
}

// Values returns the resolved project as plain values.
func (p *Project) Values() (map[string]any, error) {
	data, err := p.Types().MarshalYAML()
	if err != nil {
		return nil, fmt.Errorf("reading the project: %w", err)
	}
	out := map[string]any{}
	if err := yaml.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("reading the project: %w", err)
	}
	return out, nil
}

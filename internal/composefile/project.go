package composefile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"

	"github.com/hsectl/hsectl/internal/policy"
)

// Services returns the names of the services and jobs, sorted.
func (p *Project) Services() []string {
	var out []string
	for _, s := range p.ServiceConfigs() {
		out = append(out, s.Name)
	}
	return out
}

// Facts returns what a service is declared to be; all of it is unknown for a service that the project does not have.
func (p *Project) Facts(service string) policy.Facts {
	s, ok := p.config(service)
	if !ok {
		return policy.Facts{Service: service}
	}
	return p.facts(s)
}

// Intent returns what the file itself decides for a service, where no profile says what it is granted.
func (p *Project) Intent(service string) policy.Intent {
	s, _ := p.config(service)
	return p.intent(s)
}

// Decisive returns the keys of a service that decide a control, the most likely first.
func (p *Project) Decisive(c policy.Control, service string) []string {
	return decisive(c, p.Facts(service))
}

// config returns a service, or a job as the service it would be.
func (p *Project) config(name string) (types.ServiceConfig, bool) {
	if s, ok := p.types.Services[name]; ok {
		return s, true
	}
	job, ok := p.types.Jobs[name]
	return types.ServiceConfig{Name: name, ContainerSpec: job.ContainerSpec, WorkloadSpec: job.WorkloadSpec}, ok
}

// Types returns the project as compose-go has it. It is not to be changed.
func (p *Project) Types() *types.Project { return p.types }

// ServiceConfigs are the services and jobs of the project, sorted by name. A job is judged as the service it would be.
func (p *Project) ServiceConfigs() []types.ServiceConfig {
	var out []types.ServiceConfig
	for name := range p.types.Services {
		s, _ := p.config(name)
		out = append(out, s)
	}
	for name := range p.types.Jobs {
		if _, service := p.types.Services[name]; !service {
			job, _ := p.config(name)
			out = append(out, job)
		}
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

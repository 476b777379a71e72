package stack

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/hsectl/hsectl/internal/profile"
)

// Job is a program that runs once in each deploy that changes its service: before the service is replaced, or after.
type Job struct {
	Name    string
	Service string
	Command []string
	After   bool
	Timeout time.Duration
}

const jobTimeout = 5 * time.Minute

func newJobs(p *profile.Profile) []Job {
	var out []Job
	for _, name := range slices.Sorted(maps.Keys(p.Jobs)) {
		j := p.Jobs[name]
		out = append(out, Job{name, j.Service, j.Command, j.When == "after", cmp.Or(j.Timeout.D, jobTimeout)})
	}
	return out
}

// Running returns a stack whose only service is the job: as hardened as the service that it works for, but with the job's
// name and command. It publishes nothing, has no health test and is not started again.
func (s Stack) Running(j Job) Stack {
	service, _ := s.Service(j.Service)
	service.Name, service.Command, service.Entrypoint = j.Name, j.Command, nil
	service.Ports, service.Health, service.DependsOn, service.Build = nil, nil, nil, nil
	service.Hostname, service.Restart, service.Replicas = "", "no", 1
	out := s
	out.Services, out.Jobs, out.Edge = []Service{service}, nil, nil
	return out
}

// Needs returns the services that a service needs to be there first, and those that they need, sorted by name.
func (s Stack) Needs(service string) []string {
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		found, _ := s.Service(name)
		for _, d := range found.DependsOn {
			if !seen[d.Service] {
				seen[d.Service] = true
				visit(d.Service)
			}
		}
	}
	visit(service)
	delete(seen, service)
	return slices.Sorted(maps.Keys(seen))
}

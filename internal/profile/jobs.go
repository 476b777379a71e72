package profile

import (
	"maps"
	"slices"

	"github.com/hsectl/hsectl/internal/yamldoc"
)

// Job is a program that runs once in each deploy that changes its service, such as a migration of a database.
type Job struct {
	Service string   `yaml:"service" doc:"service whose image, user, secrets, volumes and networks the job has"`
	Command []string `yaml:"command" doc:"what the job runs, in place of the service's command"`
	When    string   `yaml:"when" doc:"before the service is replaced, or after; before unless written"`
	Timeout Duration `yaml:"timeout" doc:"time until the job counts as failed; 5m unless written"`
}

func (v *validator) jobs() {
	for _, name := range slices.Sorted(maps.Keys(v.p.Jobs)) {
		j, path := v.p.Jobs[name], "jobs."+name
		if !namePattern.MatchString(name) {
			v.bad(path+"#key", "use lower-case letters, digits, - and _", "%q cannot name a job", name)
		}
		if _, taken := v.p.Services[name]; taken {
			v.bad(path+"#key", "choose another name", "%q names a service already", name)
		}
		if _, ok := v.p.Services[j.Service]; !ok {
			v.bad(path+".service", yamldoc.DidYouMean(j.Service, slices.Collect(maps.Keys(v.p.Services))), "there is no service %q", j.Service)
		}
		if len(j.Command) == 0 {
			v.bad(path+".command", "write it as a list: [program, argument]", "job %q has no command", name)
		}
		if j.When != "" && j.When != "before" && j.When != "after" {
			v.bad(path+".when", "write before or after", "when is %q", j.When)
		}
	}
}

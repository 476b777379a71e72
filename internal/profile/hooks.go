package profile

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hsectl/hsectl/internal/yamldoc"
)

// Hook is a program that runs on the machine that deploys, such as one that tells a team or asks whether now is the time.
type Hook struct {
	When    string   `yaml:"when" doc:"before anything changes, and what fails there stops the deploy; after it has succeeded; or failed, when it has not"`
	Command []string `yaml:"command" doc:"program and arguments, run in the profile's directory without a shell"`
	Timeout Duration `yaml:"timeout" doc:"time after which it is ended and counts as failed; 1m unless written"`
	Secrets []string `yaml:"secrets" doc:"secrets whose values it gets, each as the variable HSECTL_HOOK_SECRET_NAME; without an entry it gets none"`
}

func (v *validator) hooks() {
	for _, name := range slices.Sorted(maps.Keys(v.p.Hooks)) {
		h, path := v.p.Hooks[name], "hooks."+name
		if !namePattern.MatchString(name) {
			v.bad(path+"#key", "use lower-case letters, digits, - and _", "%q cannot name a hook", name)
		}
		if len(h.Command) == 0 || h.Command[0] == "" {
			v.bad(path+".command", "write it as a list: [program, argument]", "hook %q has no command", name)
		}
		switch h.When {
		case "before", "after", "failed":
		case "":
			v.bad(path, "write when: before, when: after or when: failed", "hook %q does not say when it runs", name)
		default:
			v.bad(path+".when", "write before, after or failed", "when is %q", h.When)
		}
		for i, secret := range h.Secrets {
			source, ok := v.p.Secrets[secret]
			switch {
			case !ok:
				v.bad(fmt.Sprintf("%s.secrets[%d]", path, i), yamldoc.DidYouMean(secret, slices.Collect(maps.Keys(v.p.Secrets))), "there is no secret %q", secret)
			case source.Generate:
				v.bad(fmt.Sprintf("%s.secrets[%d]", path, i), "give that secret an env, a file or another source", "secret %q is generated on the engine; its value is not here", secret)
			}
		}
	}
}

// Package validation is what a profile may hold beyond what its types say: as checks, each with the place of the mistake and
// a hint, and as a JSON Schema for editors.
package validation

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/hsectl/hsectl/internal/policy/controls"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/yamldoc"
)

var (
	namePattern    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`) })
	volumePattern  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$`) })
	reservedVolume = regexp.MustCompile(`^hsectl-|_secrets_\d+$`)
	envPattern     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// settingPattern allows the dots by which some programs name their settings: discovery.type.
	settingPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)
	restartPattern = regexp.MustCompile(`^(no|always|unless-stopped|on-failure:[1-9]\d{0,2})$`)
)

// IsName reports whether a name can be that of a stack, a service or a network.
func IsName(name string) bool { return namePattern().MatchString(name) }

// validator checks what the types cannot say. It reports every problem it finds.
type validator struct {
	p      *profile.Profile
	o      Check
	c      *yamldoc.Collector
	failed map[string]bool // paths whose value could not be read
	around map[string]bool // these, and every path that one of them lies in
	root   string          // of the paths of services and exceptions: empty, or "monitoring."
}

// Check is what a check must know besides the profile.
type Check struct {
	Failed map[string]bool    // paths whose value could not be read; nothing more is said about them
	Image  func(string) error // tells whether an image reference is well formed; nil when any is
}

// Profile reports to c everything that is wrong with a profile and that its types cannot say.
func (o Check) Profile(p *profile.Profile, c *yamldoc.Collector) {
	v := &validator{p: p, o: o, c: c, failed: o.Failed, around: map[string]bool{}}
	for path := range o.Failed {
		for ; path != ""; path = yamldoc.Parent(path) {
			v.around[path] = true
		}
	}
	v.profile()
}

// bad reports a problem with the value at path, unless that value could not even be read.
func (v *validator) bad(path, hint, format string, args ...any) {
	if v.around[path] {
		return
	}
	for p := path; p != ""; p = yamldoc.Parent(p) {
		if v.failed[p] {
			return
		}
	}
	if v.presetGives(path) {
		return
	}
	v.c.Add(v.p.Written(path), hint, format, args...)
}

// presetGives reports whether the value at path is missing only because its service names a preset that does not exist.
func (v *validator) presetGives(path string) bool {
	words := strings.SplitN(path, ".", 3)
	if words[0] != "services" || len(words) < 3 || !v.failed[words[0]+"."+words[1]+".preset"] {
		return false
	}
	at, ok := v.p.Places[path]
	return !ok || at.Layer == profile.LayerBuiltIn
}

func (v *validator) profile() {
	p := v.p
	if p.APIVersion != profile.APIVersion {
		v.bad("apiVersion", "write: apiVersion: "+profile.APIVersion, "apiVersion is %q; this hsectl reads %s", p.APIVersion, profile.APIVersion)
	}
	if p.Kind != "Profile" {
		v.bad("kind", "write: kind: Profile", "kind is %q", p.Kind)
	}
	if !namePattern().MatchString(p.Name) {
		v.bad("name", "use lower-case letters, digits, - and _", "name %q cannot name a Compose project", p.Name)
	}
	v.passedThrough()
	if len(p.Services) == 0 {
		v.bad("services", "add a service with a preset, such as: services: {cache: {preset: redis}}", "the profile has no services")
	}
	if p.Defaults != nil {
		v.defaults()
	}
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		if !namePattern().MatchString(name) {
			v.bad("services."+name+"#key", "use lower-case letters, digits, - and _", "%q cannot name a service", name)
		}
		v.service(name)
	}
	v.secrets()
	v.hostPorts()
	v.sharedVolumes()
	v.cycles()
	v.jobs()
	v.backups()
	v.hooks()
	v.exceptions()
	edgeValidator{v}.edge()
	edgeValidator{v}.firewall()
	monitoringValidator{v}.monitoring()
	supplyValidator{v}.supplyChain()
	supplyValidator{v}.releaseSigning()
	for _, name := range slices.Sorted(maps.Keys(p.Volumes)) {
		if !volumePattern().MatchString(name) {
			v.bad("volumes."+name+"#key", "use letters, digits, -, _ and .", "%q cannot name a volume", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Networks)) {
		if !namePattern().MatchString(name) {
			v.bad("networks."+name+"#key", "use lower-case letters, digits, - and _", "%q cannot name a network", name)
		}
	}
}

func (v *validator) service(name string) {
	(&serviceValidator{validator: v, name: name, path: v.root + "services." + name, s: v.p.Services[name]}).service()
}

// defaults refuses what makes no sense for every service at once.
func (v *validator) defaults() {
	d := v.p.Defaults
	for key, set := range map[string]bool{
		"preset": d.Preset != "", "image": d.Image != "", "build": d.Build != nil, "command": d.Command != nil,
		"entrypoint": d.Entrypoint != nil, "ports": d.Ports != nil, "hostname": d.Hostname != "", "probes": d.Probes != nil,
		"host_paths": d.HostPaths != nil, "metrics": d.Metrics != nil, "slo": d.SLO != nil,
		"secret_files": d.SecretFiles != nil, "first_start": d.FirstStart != nil, "speaks": d.Speaks != nil, "single": d.Single != "",
	} {
		if set {
			v.bad("defaults."+key, "set it in each service that needs it", "defaults cannot have %s", key)
		}
	}
}

func (v *validator) secrets() {
	for _, name := range slices.Sorted(maps.Keys(v.p.Secrets)) {
		s, path := v.p.Secrets[name], "secrets."+name
		if !volumePattern().MatchString(name) {
			v.bad(path+"#key", "use letters, digits, -, _ and .", "%q cannot name a secret", name)
		}
		sources := 0
		for _, set := range []bool{s.Env != "", s.File != "", s.Age != "", len(s.Command) > 0, s.From != "", s.Generate} {
			if set {
				sources++
			}
		}
		if sources != 1 {
			v.bad(path, "write env: VARIABLE, file: PATH, age: PATH, command: [PROGRAM, ARGUMENT], from: SECRET or generate: true", "secret %q needs exactly one source", name)
		}
		if strings.ContainsFunc(s.File, unicode.IsControl) {
			v.bad(path+".file", "", "the path %q holds a control character", s.File)
		}
		if s.Env != "" && !envPattern.MatchString(s.Env) {
			v.bad(path+".env", "", "%q cannot name an environment variable", s.Env)
		}
		if s.From == "" {
			if s.Format != "" {
				v.bad(path+".format", "format goes with from", "secret %q has a format but is not made from another", name)
			}
			continue
		}
		source, ok := v.p.Secrets[s.From]
		switch {
		case !ok:
			v.bad(path+".from", yamldoc.DidYouMean(s.From, slices.Collect(maps.Keys(v.p.Secrets))), "secret %q not found", s.From)
		case source.From != "":
			v.bad(path+".from", "name the secret that has an env or a file", "secret %q is itself made from another", s.From)
		case source.Generate:
			v.bad(path+".from", "give that secret an env or a file", "secret %q is generated on the engine; no other secret can be derived from it", s.From)
		}
		if strings.Count(s.Format, "{}") != 1 {
			v.bad(path+".format", `write format: "requirepass {}"`, "the format of secret %q must contain {} once", name)
		}
	}
}

// hostPorts refuses two services on one port of the host. An unspecified address takes the port on all of them.
func (v *validator) hostPorts() {
	type taken struct{ address, service string }
	ports := map[string][]taken{}
	for _, name := range slices.Sorted(maps.Keys(v.p.Services)) {
		for i, port := range v.p.Services[name].Ports {
			key := fmt.Sprintf("%d/%s", port.Host, port.Protocol)
			for _, t := range ports[key] {
				if t.address == port.Address || unspecified(t.address) || unspecified(port.Address) {
					v.bad(fmt.Sprintf("services.%s.ports[%d]", name, i), "choose another host port",
						"port %s of the host is already taken by service %q", key, t.service)
				}
			}
			ports[key] = append(ports[key], taken{port.Address, name})
		}
	}
}

func unspecified(address string) bool {
	return address == "0.0.0.0" || address == "::" || address == profile.EveryAddress
}

// sharedVolumes refuses a volume that would change hands at every deploy.
func (v *validator) sharedVolumes() {
	first := map[string]string{}
	owners := map[string]profile.User{}
	for _, name := range slices.Sorted(maps.Keys(v.p.Services)) {
		s := v.p.Services[name]
		for i, w := range s.Writable {
			owner := w.Owner
			if !owner.Set {
				owner = s.User
			}
			if w.Volume == "" || !owner.Set {
				continue
			}
			if other, ok := first[w.Volume]; ok && other != name && owners[w.Volume] != owner {
				v.bad(fmt.Sprintf("services.%s.writable[%d]", name, i), "write the same owner: in both, with a group that both have",
					"volume %q belongs to %s in service %q and to %s here", w.Volume, owners[w.Volume], other, owner)
			}
			if _, ok := first[w.Volume]; !ok {
				first[w.Volume], owners[w.Volume] = name, owner
			}
		}
	}
}

// cycles reports each cycle of depends_on once, at its first service in the order of names.
func (v *validator) cycles() {
	const visiting, done = 1, 2
	state := map[string]int{}
	var visit func(name string, trail []string)
	visit = func(name string, trail []string) {
		if state[name] == visiting {
			trail = append(trail[slices.Index(trail, name):], name)
			v.bad("services."+trail[len(trail)-2]+".depends_on", "drop one of these dependencies",
				"dependency cycle in depends_on: %s", strings.Join(trail, " → "))
			return
		}
		if state[name] == done {
			return
		}
		state[name] = visiting
		for _, d := range v.p.Services[name].DependsOn {
			if _, ok := v.p.Services[d.Service]; ok {
				visit(d.Service, append(slices.Clone(trail), name))
			}
		}
		state[name] = done
	}
	for _, name := range slices.Sorted(maps.Keys(v.p.Services)) {
		visit(name, nil)
	}
}

func (v *validator) exceptions() {
	var known []string
	for _, c := range controls.All() {
		known = append(known, c.ID)
	}
	known = slices.Concat(known, imageControls, watchControls)
	for i, e := range v.p.Exceptions {
		path := fmt.Sprintf("%sexceptions[%d]", v.root, i)
		if !slices.Contains(known, e.Control) {
			v.bad(path+".control", yamldoc.DidYouMean(e.Control, known), "%q is not the id of a control", e.Control)
		}
		if _, ok := v.p.Services[e.Service]; !ok {
			v.bad(path+".service", yamldoc.DidYouMean(e.Service, slices.Collect(maps.Keys(v.p.Services))), "service %q not found", e.Service)
		}
		switch {
		case strings.TrimSpace(e.Reason) != "" && e.Question != "":
			v.bad(path+".question", "drop the question: the reason answers it", "the exception for %s has a reason and a question", e.Control)
		case strings.TrimSpace(e.Reason) == "" && strings.TrimSpace(e.Question) == "":
			v.bad(path+".reason", "say why the control cannot hold", "the exception for %s has no reason", e.Control)
		}
		if e.Expires.T.IsZero() {
			v.bad(path+".expires", "write the last day on which it holds, such as 2027-06-30", "the exception for %s has no expiry", e.Control)
		}
	}
}

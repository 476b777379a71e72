package composefile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/hsectl/hsectl/internal/composefile/resources"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

func declared[T any](v T) policy.Fact[T] { return policy.Seen(v, finding.Declared) }

// defaults are the capabilities that the engine leaves a container: moby's profile, unchanged since Docker 1.12.
func defaultCapabilities() uint64 {
	return policy.CapabilityMask(policy.DefaultCapabilities()...)
}

// Facts returns what a service is declared to be, as far as its file tells. What only the image or the engine knows is unknown.
func (p *Project) facts(s types.ServiceConfig) policy.Facts {
	if s.Provider != nil { // an external program makes it, in its own way
		return policy.Facts{Service: s.Name, Surface: policy.Surface{Unjudged: declared(p.unjudged(s))}}
	}
	f := policy.Facts{
		Service:      s.Name,
		RootReadOnly: declared(s.ReadOnly),
		Mounts:       declared(p.Mounts(s)),
		Privileged:   declared(s.Privileged || slices.ContainsFunc(hooks(s), func(h hook) bool { return h.privileged })),
		Masked:       declared(masked(s)),
		Namespaces: declared(policy.Namespaces{HostPID: s.Pid == "host", HostIPC: s.Ipc == "host", HostNetwork: p.onHost(s),
			HostUTS: s.Uts == "host", HostUser: s.UserNSMode == "host"}),
		Devices:     declared(devices(s)),
		Ports:       p.Published(s),
		Networks:    p.networks(s),
		Memory:      declared(resources.Memory(s)),
		MemorySwap:  declared(resources.Swap(s)),
		CPUs:        declared(resources.CPUs(s)),
		PIDs:        declared(max(0, resources.PIDs(s))),
		Stop:        stop(s),
		Restart:     declared(Restart(s)),
		Health:      health(s),
		Environment: p.environment(s),
		Arguments:   p.arguments(s),
		Secrets:     policy.Unseen[[]policy.Secret]("Compose mounts the file with its permissions on the host"),
		Log:         declared(Logging(s)),
		Image:       declared(policy.Image{Reference: s.Image}),
		Declaration: declared(declaration(p, s)),
	}
	f.OpenFiles, f.CoreSize = resources.Ulimits(s)
	f.Processes = declared(processes(s))
	f.Surface = surface(s)
	f.Unjudged = declared(p.unjudged(s))
	f.Keeping = declared(keeping(s))
	return f
}

// keeping are the named volumes of a service. A Compose file has no place to say how they are backed up.
func keeping(s types.ServiceConfig) policy.Keeping {
	out := policy.Keeping{Silent: true}
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeVolume && v.Source != "" && !v.ReadOnly {
			out.Volumes = append(out.Volumes, policy.Kept{Volume: v.Source})
		}
	}
	return out
}

// declaration is the text of the service, for the controls that judge what is written.
func declaration(p *Project, s types.ServiceConfig) policy.Declaration {
	d := policy.Declaration{Pull: s.PullPolicy, User: s.User, Hostname: s.Hostname, Target: "compose", Keys: slices.Sorted(maps.Keys(p.keys(s.Name)))}
	for _, use := range s.Secrets {
		if source, ok := p.types.Secrets[use.Source]; ok && source.File == "" {
			d.Loose = append(d.Loose, use.Source)
		}
	}
	for _, use := range s.Configs {
		if source, ok := p.types.Configs[use.Source]; ok && source.File == "" {
			d.Loose = append(d.Loose, use.Source)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.DependsOn)) {
		other, ok := p.types.Services[name]
		if ok && s.DependsOn[name].Condition == types.ServiceConditionHealthy && other.HealthCheck != nil && other.HealthCheck.Disable {
			d.Waits = append(d.Waits, name)
		}
	}
	return d
}

// hook is a command that Compose runs in, or before, the container of a service.
type hook struct {
	name, user   string
	privileged   bool
	add, command []string
	environment  types.MappingWithEquals
}

func hooks(s types.ServiceConfig) []hook {
	var out []hook
	for i, h := range s.PostStart {
		out = append(out, hook{fmt.Sprintf("of post_start hook %d", i+1), h.User, h.Privileged, nil, h.Command, h.Environment})
	}
	for i, h := range s.PreStop {
		out = append(out, hook{fmt.Sprintf("of pre_stop hook %d", i+1), h.User, h.Privileged, nil, h.Command, h.Environment})
	}
	for i, h := range s.PreStart {
		out = append(out, hook{fmt.Sprintf("of pre_start hook %d", i+1), h.User, h.Privileged, h.CapAdd, slices.Concat(h.Entrypoint, h.Command), h.Environment})
	}
	return out
}

// processes stand for all that run: the service itself, and its hooks.
func processes(s types.ServiceConfig) []policy.Process {
	own := policy.Process{Name: "of the service", Bounding: Bounding(s), NoNewPrivs: options(s).NoNewPrivileges(), Seccomp: seccomp(s)}
	own.UIDs, own.GIDs = IDs(s.User)
	own.NoUser, own.NoGroup = unknownUser(s.User)
	for _, g := range s.GroupAdd {
		if gid, err := strconv.Atoi(g); err == nil {
			own.Groups = append(own.Groups, gid)
		} else if g == "root" {
			own.Groups = append(own.Groups, 0)
		} else {
			own.GroupNames = append(own.GroupNames, g)
			own.NoGroup = fmt.Sprintf("group %q is a name that only the image knows", g)
		}
	}
	out := []policy.Process{own}
	for _, h := range hooks(s) {
		p := own
		p.Name, p.Entered = h.name, true
		if h.user != "" {
			p.UIDs, p.GIDs = IDs(h.user)
			noUser, noGroup := unknownUser(h.user)
			p.NoUser, p.NoGroup = noUser, cmp.Or(noGroup, own.NoGroup)
		}
		p.Bounding |= policy.CapabilityMask(CapabilityNames(h.add)...)
		if h.privileged {
			p.Bounding, p.Seccomp, p.NoNewPrivs = everything(), 0, false
		}
		out = append(out, p)
	}
	return out
}

func everything() uint64 { return policy.CapabilityMask(policy.Capabilities()...) }

// unknownID stands for a user that only the image knows. The controls that ask for it are told so.
const unknownID = -1

// unknownUser says why the ids of a user are not in the text; what it says is empty when they are.
func unknownUser(user string) (noUser, noGroup string) {
	_, group, _ := strings.Cut(user, ":")
	_, err := strconv.Atoi(group)
	switch {
	case user == "":
		return "user: is not set, so the image decides; most run as root", ""
	case !UserKnown(user):
		return fmt.Sprintf("user %q is a name that only the image knows", user), ""
	case group != "" && group != "root" && err != nil:
		return "", fmt.Sprintf("group %q is a name that only the image knows", group)
	}
	return "", ""
}

// UserKnown reports whether the ids of a user are in the text.
func UserKnown(user string) bool {
	name, _, _ := strings.Cut(user, ":")
	_, err := strconv.Atoi(name)
	return err == nil || name == "root"
}

// IDs returns the ids of a user as written. Without a group it is 0, unless the image's passwd knows the user.
func IDs(user string) (uids, gids [4]int) {
	name, group, _ := strings.Cut(user, ":")
	uid, err := strconv.Atoi(name)
	if err != nil {
		uid = unknownID
	}
	if name == "root" {
		uid = 0
	}
	gid, err := strconv.Atoi(group)
	if err != nil {
		gid = 0
	}
	if uid == unknownID || group != "" && err != nil && group != "root" {
		gid = unknownID
	}
	return [4]int{uid, uid, uid, uid}, [4]int{gid, gid, gid, gid}
}

// CapabilityNames returns the names of capabilities as the kernel has them.
func CapabilityNames(names []string) []string {
	var out []string
	for _, n := range names {
		out = append(out, strings.TrimPrefix(strings.ToUpper(n), "CAP_"))
	}
	return out
}

// Bounding follows the engine: a privileged container has all; ALL in one list makes the other one count from there.
func Bounding(s types.ServiceConfig) uint64 {
	add, drop := CapabilityNames(s.CapAdd), CapabilityNames(s.CapDrop)
	set := defaultCapabilities()
	switch {
	case s.Privileged:
		return everything()
	case slices.Contains(add, "ALL"):
		set = everything()
	case slices.Contains(drop, "ALL"):
		set = 0
	}
	return set&^policy.CapabilityMask(drop...) | policy.CapabilityMask(add...)
}

// options are the security options, as controls read them.
func options(s types.ServiceConfig) policy.SecurityOptions { return s.SecurityOpt }

func seccomp(s types.ServiceConfig) int {
	if s.Privileged || options(s).Filter(false) == "unconfined" {
		return 0
	}
	return 2
}

func masked(s types.ServiceConfig) []string {
	if s.Privileged || options(s).SystemPaths() {
		return nil
	}
	return []string{"/proc/kcore", "/proc/keys", "/proc/timer_list"}
}

func devices(s types.ServiceConfig) []string {
	var out []string
	for _, d := range s.Devices {
		out = append(out, d.Source)
	}
	for _, g := range s.Gpus {
		out = append(out, "gpu "+strings.TrimSpace(g.Driver+" "+strings.Join(g.IDs, ",")))
	}
	for _, rule := range s.DeviceCgroupRules {
		out = append(out, "rule "+rule)
	}
	for _, r := range []types.Resource{resources.Limits(s), resources.Reservations(s)} {
		for _, d := range r.Devices {
			out = append(out, "device "+strings.Join(d.Capabilities, ","))
		}
		for _, g := range r.GenericResources {
			if g.DiscreteResourceSpec != nil {
				out = append(out, "resource "+g.DiscreteResourceSpec.Kind)
			}
		}
	}
	return out
}

func stop(s types.ServiceConfig) policy.Fact[policy.Stop] {
	if s.StopGracePeriod == nil {
		return policy.Unseen[policy.Stop]("stop_grace_period is not set, so the engine kills after 10 s, whatever the image needs")
	}
	return declared(policy.Stop{Signal: s.StopSignal, Grace: time.Duration(*s.StopGracePeriod), Init: s.Init != nil && *s.Init})
}

// Restart prefers deploy.restart_policy, as Compose does.
func Restart(s types.ServiceConfig) policy.Restart {
	if s.Deploy != nil && s.Deploy.RestartPolicy != nil {
		r := policy.Restart{Policy: map[string]string{"none": "no", "on-failure": "on-failure", "any": "always", "": "always"}[s.Deploy.RestartPolicy.Condition]}
		if n := s.Deploy.RestartPolicy.MaxAttempts; n != nil {
			r.Retries = int(min(*n, 1<<20))
		}
		return r
	}
	name, n, _ := strings.Cut(s.Restart, ":")
	retries, _ := strconv.Atoi(n) // compose-go has checked it
	return policy.Restart{Policy: name, Retries: retries}
}

func health(s types.ServiceConfig) policy.Fact[policy.Health] {
	switch h := s.HealthCheck; {
	case h == nil || len(h.Test) == 0 && !h.Disable:
		return policy.Unseen[policy.Health]("the file has none; the image may bring one")
	case h.Disable || h.Test[0] == "NONE":
		return declared(policy.Health{})
	default:
		return declared(policy.Health{Test: h.Test})
	}
}

// Logging is the log driver with its bounds; the engine's default where none is written.
func Logging(s types.ServiceConfig) policy.Log {
	if s.Logging == nil || s.Logging.Driver == "" {
		bounded := s.Logging != nil && s.Logging.Options["max-size"] != ""
		return policy.Log{Driver: "json-file", Bounded: bounded}
	}
	return policy.Log{Driver: s.Logging.Driver, Bounded: s.Logging.Driver != "json-file" || s.Logging.Options["max-size"] != "",
		NonBlocking: s.Logging.Options["mode"] == "non-blocking"}
}

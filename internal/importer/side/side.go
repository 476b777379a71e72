// Package side is a Compose project as one side of a review: what its services are granted, in the terms of a stack.
package side

import (
	"cmp"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"

	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/composefile/resources"
	"github.com/hsectl/hsectl/internal/importer"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/review"
	"github.com/hsectl/hsectl/internal/stack"
)

// What the engine and Compose do when nothing is written: https://docs.docker.com/reference/dockerfile/#healthcheck.
const (
	testInterval = 30 * time.Second
	testRetries  = 3
)

// Of returns the project as one of the two versions that a review compares: what its services are granted, in the terms
// of a stack, and what the controls say of them. Paths below root are relative to dir, so that two checkouts can be compared.
func Of(p *composefile.Project, dir, root string) (review.Side, error) {
	at := checkout{dir, root}
	written, err := p.Values()
	if err != nil {
		return review.Side{}, err
	}
	plain, _ := at.shortened(written).(map[string]any)
	services, _ := plain["services"].(map[string]any)
	rendered, err := importer.Document(plain)
	if err != nil {
		return review.Side{}, err
	}
	s := stack.Stack{Name: p.Name, Networks: reviewedNetworks(p)}
	for _, service := range p.ServiceConfigs() {
		raw, _ := services[service.Name].(map[string]any)
		s.Services = append(s.Services, reviewed(p, at, service, raw))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Types().Secrets)) {
		source := p.Types().Secrets[name]
		s.Secrets = append(s.Secrets, stack.Secret{Name: name, Env: source.Environment, File: at.path(source.File)})
	}
	for _, name := range slices.Sorted(maps.Keys(p.Types().Volumes)) {
		s.Volumes = append(s.Volumes, stack.Volume{Name: name, External: bool(p.Types().Volumes[name].External)})
	}
	for _, key := range []string{"name", "services", "secrets"} {
		delete(plain, key)
	}
	for _, section := range []string{"networks", "volumes"} {
		all, _ := plain[section].(map[string]any)
		for _, v := range all {
			options, _ := v.(map[string]any)
			delete(options, "internal")
			delete(options, "external")
		}
	}
	s.Extra = plain
	judged := p.Check()
	for i, f := range judged {
		judged[i].Detail = strings.NewReplacer(strings.TrimSuffix(dir, "/")+"/", "./", dir, "./").Replace(f.Detail)
	}
	open := map[string][]string{}
	for _, service := range p.Services() {
		for _, what := range p.Facts(service).Unjudged.Value {
			key, _, _ := strings.Cut(what, " ")
			open[service] = append(open[service], key)
		}
	}
	return review.Side{Stack: s, Rendered: rendered, Judged: judged, Open: open}, nil
}

// checkout is where a version of the files lies.
type checkout struct{ dir, root string }

// path returns a path as it would be written in dir, when it is one of the checkout.
func (c checkout) path(p string) string {
	if !filepath.IsAbs(p) || p != c.root && !strings.HasPrefix(p, strings.TrimSuffix(c.root, "/")+"/") {
		return p
	}
	rel, err := filepath.Rel(c.dir, p)
	if err != nil {
		return p
	}
	if filepath.IsLocal(rel) {
		if rel == "." {
			rel = ""
		}
		rel = "./" + rel
	}
	return filepath.ToSlash(rel)
}

// shortened returns values with their paths as they would be written.
func (c checkout) shortened(v any) any {
	switch v := v.(type) {
	case string:
		return c.path(v)
	case []any:
		for i, item := range v {
			v[i] = c.shortened(item)
		}
	case map[string]any:
		for k, item := range v {
			v[k] = c.shortened(item)
		}
	}
	return v
}

func reviewedNetworks(p *composefile.Project) []stack.Network {
	var out []stack.Network
	for _, name := range slices.Sorted(maps.Keys(p.Types().Networks)) {
		external := bool(p.Types().Networks[name].External)
		out = append(out, stack.Network{Name: name, Internal: p.Types().Networks[name].Internal, External: external, Egress: !external && !p.Closed(name)})
	}
	return out
}

// reviewed is a service as far as a stack can say it. Everything else is in Extra, as it is written.
func reviewed(p *composefile.Project, at checkout, s types.ServiceConfig, raw map[string]any) stack.Service {
	out := stack.Service{
		Name: s.Name, Image: s.Image, Build: built(at, s.Build), Entrypoint: s.Entrypoint, Command: s.Command, Hostname: s.Hostname,
		User: userOf(s.User), Init: s.Init != nil && *s.Init, Writable: writable(p, at, s), Limits: limitsOf(s), ShmSize: sizeOf(int64(s.ShmSize)),
		Shutdown: shutdownOf(s), Replicas: s.GetScale(), Health: testOf(s), Networks: slices.Sorted(maps.Keys(s.Networks)), Restart: restartOf(s), Log: logOf(s), Extra: raw,
	}
	for _, c := range policy.CapabilityList(composefile.Bounding(s)) {
		out.Capabilities = append(out.Capabilities, stack.Capability{Name: c})
	}
	for _, port := range composefile.Ports(s) {
		out.Ports = append(out.Ports, stack.Port(port))
	}
	for _, use := range s.Secrets {
		out.Secrets = append(out.Secrets, stack.SecretFile{Name: use.Source})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		v := stack.Variable{Name: name, Required: s.Environment[name] == nil}
		if !v.Required {
			v.Value = *s.Environment[name]
		}
		out.Environment = append(out.Environment, v)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
		out.Labels = append(out.Labels, stack.Label{Name: name, Value: s.Labels[name]})
	}
	for _, r := range composefile.Dependencies(s) {
		out.DependsOn = append(out.DependsOn, stack.Dependency{Service: r.Service, Condition: r.Condition, Restart: s.DependsOn[r.Service].Restart})
	}
	said(raw, s.GetScale() > 0)
	return out
}

// said takes out of a written service what the fields of a stack or the controls have said. User stays where only the
// image knows who it is, and the number of containers where it is none.
func said(raw map[string]any, many bool) {
	for _, key := range strings.Fields(`image entrypoint command hostname init cap_add cap_drop ports environment labels read_only tmpfs privileged
		mem_limit memswap_limit cpus cpu_quota cpu_period pids_limit shm_size stop_signal stop_grace_period restart`) {
		delete(raw, key)
	}
	if user, _ := raw["user"].(string); user == "" || composefile.UserKnown(user) {
		delete(raw, "user")
	}
	inner := func(key string, names ...string) {
		m, _ := raw[key].(map[string]any)
		for _, name := range names {
			delete(m, name)
		}
		importer.Prune(raw, key)
	}
	inner("build", "context", "dockerfile", "target", "args")
	inner("healthcheck", "test", "interval", "timeout", "retries", "start_period", "disable")
	inner("deploy", "restart_policy")
	if many {
		delete(raw, "scale")
		inner("deploy", "replicas")
	}
	if d, ok := raw["deploy"].(map[string]any); ok {
		if r, ok := d["resources"].(map[string]any); ok {
			delete(r, "limits")
			importer.Prune(d, "resources")
		}
		importer.Prune(raw, "deploy")
	}
	for _, key := range []string{"networks", "depends_on"} {
		m, _ := raw[key].(map[string]any)
		for name, v := range m {
			options, _ := v.(map[string]any)
			delete(options, "condition")
			if options["required"] == true {
				delete(options, "required")
			}
			if len(options) == 0 {
				delete(m, name)
			}
		}
		importer.Prune(raw, key)
	}
	if l, ok := raw["logging"].(map[string]any); ok {
		delete(l, "driver")
		if o, ok := l["options"].(map[string]any); ok {
			delete(o, "max-size")
			delete(o, "max-file")
		}
		importer.Prune(l, "options")
		importer.Prune(raw, "logging")
	}
	raw["volumes"] = slices.DeleteFunc(asItems(raw["volumes"]), plainMount)
	raw["secrets"] = slices.DeleteFunc(asItems(raw["secrets"]), func(v any) bool { m, _ := v.(map[string]any); return len(m) == 2 && m["target"] != nil || len(m) == 1 })
	for _, key := range []string{"volumes", "secrets"} {
		if len(asItems(raw[key])) == 0 {
			delete(raw, key)
		}
	}
	maps.DeleteFunc(raw, func(_ string, v any) bool { return v == nil })
}

func asItems(v any) []any {
	items, _ := v.([]any)
	return items
}

// plainMount reports whether a mount is writable and has no options: then it is among the writable paths.
func plainMount(v any) bool {
	m, _ := v.(map[string]any)
	for key, value := range m {
		options, nested := value.(map[string]any)
		simple := slices.Contains([]string{"type", "source", "target"}, key) ||
			nested && !slices.ContainsFunc(slices.Collect(maps.Keys(options)), func(o string) bool { return o != "create_host_path" && o != "size" })
		if !simple {
			return false
		}
	}
	return true
}

func built(at checkout, b *types.BuildConfig) *stack.Build {
	if b == nil {
		return nil
	}
	out := &stack.Build{Context: at.path(b.Context), Dockerfile: b.Dockerfile, Target: b.Target, Args: map[string]string{}}
	for name, v := range b.Args {
		if v != nil {
			out.Args[name] = *v
		}
	}
	return out
}

func userOf(user string) stack.User {
	uids, gids := composefile.IDs(user)
	return stack.User{UID: uids[0], GID: gids[0]}
}

func sizeOf(bytes int64) stack.Size {
	if bytes <= 0 {
		return stack.Size{}
	}
	return stack.Size{Bytes: bytes, Text: units.BytesSize(float64(bytes))}
}

func limitsOf(s types.ServiceConfig) stack.Resources {
	out := stack.Resources{Memory: sizeOf(resources.Memory(s)), PIDs: int(max(0, resources.PIDs(s)))}
	if n := resources.CPUs(s); n > 0 {
		out.CPUs, out.Nano = strconv.FormatFloat(n, 'f', -1, 64), int64(n*1e9)
	}
	return out
}

func shutdownOf(s types.ServiceConfig) stack.Shutdown {
	grace := composefile.EngineGrace
	if s.StopGracePeriod != nil {
		grace = time.Duration(*s.StopGracePeriod)
	}
	return stack.Shutdown{Signal: s.StopSignal, Grace: grace}
}

func restartOf(s types.ServiceConfig) string {
	r := composefile.Restart(s)
	if r.Retries > 0 {
		return r.Policy + ":" + strconv.Itoa(r.Retries)
	}
	return cmp.Or(r.Policy, "no")
}

func testOf(s types.ServiceConfig) *stack.Health {
	h := s.HealthCheck
	if h == nil || h.Disable || len(h.Test) == 0 || h.Test[0] == "NONE" {
		return nil
	}
	or := func(d *types.Duration, otherwise time.Duration) time.Duration {
		if d == nil {
			return otherwise
		}
		return time.Duration(*d)
	}
	out := &stack.Health{Test: h.Test, Interval: or(h.Interval, testInterval), Timeout: or(h.Timeout, testInterval), StartPeriod: or(h.StartPeriod, 0), Retries: testRetries}
	if h.Retries != nil {
		out.Retries = int(min(*h.Retries, 1<<20))
	}
	return out
}

func logOf(s types.ServiceConfig) stack.Log {
	out := stack.Log{Driver: composefile.Logging(s).Driver, MaxFiles: 1}
	if s.Logging != nil {
		if n, err := units.RAMInBytes(s.Logging.Options["max-size"]); err == nil {
			out.MaxSize = sizeOf(n)
		}
		if n, err := strconv.Atoi(s.Logging.Options["max-file"]); err == nil {
			out.MaxFiles = n
		}
	}
	return out
}

// writable are the paths that a service can write: volumes, binds and tmpfs, and what is mounted to be read only but lies
// on the host beneath something that a service of the project can write.
func writable(p *composefile.Project, at checkout, s types.ServiceConfig) []stack.Writable {
	var out []stack.Writable
	for _, m := range p.Mounts(s) {
		w := stack.Writable{Path: m.Path, Volume: m.Source}
		switch {
		case m.Kind == "tmpfs":
			w = stack.Writable{Path: m.Path, Size: sizeOf(m.Size), Exec: m.Exec}
		case m.Kind == "bind":
			w.Volume = at.path(m.Source)
		case m.Source == "":
			w.Volume = "without a name"
		}
		if !m.Writable {
			through := throughParent(p, m)
			if through == "" {
				continue
			}
			w.Volume += ", read-only, but writable through " + through
		}
		out = append(out, w)
	}
	return out
}

// throughParent names who can write what is beneath a read-only bind mount: a mount of a directory above it.
func throughParent(p *composefile.Project, readOnly policy.Mount) string {
	if readOnly.Kind != "bind" {
		return ""
	}
	for _, s := range p.ServiceConfigs() {
		for _, m := range p.Mounts(s) {
			source := path.Clean(filepath.ToSlash(m.Source))
			if m.Kind == "bind" && m.Writable && strings.HasPrefix(path.Clean(filepath.ToSlash(readOnly.Source))+"/", strings.TrimSuffix(source, "/")+"/") {
				return m.Path + " of " + s.Name
			}
		}
	}
	return ""
}

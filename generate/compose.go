package generate

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hsectl/hsectl/internal/stack"
)

// The types below are the part of the Compose specification that a hardened stack uses, in the order in which a
// reviewer reads it. Amounts keep the text of the profile; compose-go loads the result in the tests and in deploy.
type (
	composeFile struct {
		Name     string                  `yaml:"name"`
		Services mapping[composeService] `yaml:"services"`
		Networks mapping[composeNetwork] `yaml:"networks,omitempty"`
		Volumes  mapping[composeVolume]  `yaml:"volumes,omitempty"`
		Configs  mapping[composeFileDef] `yaml:"configs,omitempty"`
		Secrets  mapping[composeFileDef] `yaml:"secrets,omitempty"`
	}

	composeService struct {
		Image       text                       `yaml:"image"`
		Build       *composeBuild              `yaml:"build,omitempty"`
		Profiles    []string                   `yaml:"profiles,omitempty,flow"`
		Entrypoint  []text                     `yaml:"entrypoint,omitempty"`
		Command     []text                     `yaml:"command,omitempty"`
		Hostname    text                       `yaml:"hostname,omitempty"`
		User        quoted                     `yaml:"user,omitempty"`
		ReadOnly    bool                       `yaml:"read_only"`
		Init        bool                       `yaml:"init"`
		SecurityOpt []string                   `yaml:"security_opt,omitempty"`
		CapDrop     []string                   `yaml:"cap_drop,omitempty"`
		CapAdd      []string                   `yaml:"cap_add,omitempty"`
		IPC         string                     `yaml:"ipc"`
		Tmpfs       []string                   `yaml:"tmpfs,omitempty"`
		Volumes     []composeMount             `yaml:"volumes,omitempty"`
		Configs     []composeConfigUse         `yaml:"configs,omitempty"`
		Secrets     []string                   `yaml:"secrets,omitempty"`
		Environment mapping[text]              `yaml:"environment,omitempty"`
		Ports       []quoted                   `yaml:"ports,omitempty"`
		Networks    []string                   `yaml:"networks,omitempty"`
		DependsOn   mapping[composeDependency] `yaml:"depends_on,omitempty"`
		Healthcheck *composeHealthcheck        `yaml:"healthcheck,omitempty"`
		StopSignal  string                     `yaml:"stop_signal,omitempty"`
		StopGrace   string                     `yaml:"stop_grace_period"`
		Restart     string                     `yaml:"restart"`
		Deploy      composeDeploy              `yaml:"deploy,omitempty"`
		MemswapMax  string                     `yaml:"memswap_limit,omitempty"`
		ShmSize     string                     `yaml:"shm_size,omitempty"`
		Ulimits     composeUlimits             `yaml:"ulimits"`
		Sysctls     mapping[quoted]            `yaml:"sysctls,omitempty"`
		Logging     composeLogging             `yaml:"logging"`
		Labels      mapping[text]              `yaml:"labels,omitempty"`
	}

	composeBuild struct {
		Context    text          `yaml:"context"`
		Dockerfile text          `yaml:"dockerfile,omitempty"`
		Target     text          `yaml:"target,omitempty"`
		Args       mapping[text] `yaml:"args,omitempty"`
	}

	composeMount struct {
		Type     string             `yaml:"type"`
		Source   string             `yaml:"source"`
		Target   text               `yaml:"target"`
		ReadOnly bool               `yaml:"read_only,omitempty"`
		Volume   *composeMountExtra `yaml:"volume,omitempty"`
		Bind     *composeBindExtra  `yaml:"bind,omitempty"`
	}

	// The path must exist: the engine would otherwise make a directory on the host. Propagation is left to the engine: it
	// takes private, and within its own directory, where it refuses private, slave. Neither is a way onto the host.
	composeBindExtra struct {
		CreateHostPath bool `yaml:"create_host_path"`
	}

	composeConfigUse struct {
		Source string `yaml:"source"`
		Target string `yaml:"target"`
	}

	composeMountExtra struct {
		NoCopy  bool   `yaml:"nocopy"`
		Subpath string `yaml:"subpath,omitempty"`
	}

	composeDependency struct {
		Condition string `yaml:"condition"`
		Restart   bool   `yaml:"restart,omitempty"`
	}

	composeHealthcheck struct {
		Test        []text `yaml:"test,flow"`
		Interval    string `yaml:"interval"`
		Timeout     string `yaml:"timeout"`
		Retries     int    `yaml:"retries"`
		StartPeriod string `yaml:"start_period,omitempty"`
	}

	composeDeploy struct {
		Replicas  int              `yaml:"replicas,omitempty"` // left out for one
		Resources composeResources `yaml:"resources,omitempty"`
	}

	composeResources struct {
		Limits       composeAmounts  `yaml:"limits,omitempty"`
		Reservations *composeAmounts `yaml:"reservations,omitempty"`
	}

	composeAmounts struct {
		CPUs   quoted `yaml:"cpus,omitempty"`
		Memory string `yaml:"memory,omitempty"`
		PIDs   int    `yaml:"pids,omitempty"`
	}

	composeUlimits struct {
		Nofile int `yaml:"nofile,omitempty"`
		Core   int `yaml:"core"`
	}

	composeLogging struct {
		Driver  string         `yaml:"driver"`
		Options composeLogOpts `yaml:"options,omitempty"`
	}

	composeLogOpts struct {
		MaxSize string `yaml:"max-size,omitempty"`
		MaxFile quoted `yaml:"max-file,omitempty"`
		Labels  string `yaml:"labels,omitempty"`
	}

	composeNetwork struct {
		Internal   bool            `yaml:"internal,omitempty"`
		External   bool            `yaml:"external,omitempty"`
		DriverOpts mapping[string] `yaml:"driver_opts,omitempty"`
	}

	composeVolume struct {
		Name     string `yaml:"name,omitempty"`
		External bool   `yaml:"external,omitempty"`
	}

	composeFileDef struct {
		File string `yaml:"file"`
	}
)

func newComposeFile(s stack.Stack, from Source, delivered *Delivery) composeFile {
	out := composeFile{Name: s.Name}
	for _, service := range s.Services {
		out.Services = append(out.Services, entry[composeService]{service.Name, newComposeService(service, from, delivered)})
	}
	for _, n := range s.Networks {
		out.Networks = append(out.Networks, entry[composeNetwork]{n.Name, newComposeNetwork(n)})
	}
	for _, v := range s.Volumes {
		out.Volumes = append(out.Volumes, entry[composeVolume]{v.Name, composeVolume{External: v.External}})
	}
	if delivered == nil {
		for _, secret := range s.Secrets {
			out.Secrets = append(out.Secrets, entry[composeFileDef]{secret.Name, composeFileDef{string(literal(from.secretFile(secret)))}})
		}
		for _, service := range s.Services {
			for _, c := range service.Own() {
				out.Configs = append(out.Configs, entry[composeFileDef]{configKey(service.Name, c), composeFileDef{"./" + configPath(s, service.Name, c)}})
			}
		}
		return out
	}
	for _, service := range s.Services {
		if volume, ok := delivered.Secrets[service.Name]; ok {
			out.Volumes = append(out.Volumes, entry[composeVolume]{secretVolumeKey(service.Name), composeVolume{Name: volume, External: true}})
		}
		if volume, ok := delivered.Configs[service.Name]; ok {
			out.Volumes = append(out.Volumes, entry[composeVolume]{configVolumeKey(service.Name), composeVolume{Name: volume, External: true}})
		}
	}
	return out
}

// secretVolumeKey cannot collide with a volume of a profile: profile names have no leading underscore.
func secretVolumeKey(service string) string { return "hsectl-secrets-" + service }

func newComposeService(s stack.Service, from Source, delivered *Delivery) composeService {
	_, rootWritable := s.Excepted("HSE-FS-001")
	out := composeService{
		Image: literal(s.Image), Profiles: s.Profiles, Entrypoint: literals(s.Entrypoint), Command: literals(s.Command), Hostname: literal(s.Hostname),
		ReadOnly: !rootWritable, Init: s.Init, IPC: "private",
		Environment: environment(s), Networks: s.Networks,
		StopSignal: s.Shutdown.Signal, StopGrace: duration(s.Shutdown.Grace), Restart: s.Restart,
		MemswapMax: s.Limits.Memory.Text, Ulimits: composeUlimits{Nofile: s.OpenFiles},
		Deploy: composeDeploy{Resources: composeResources{
			Limits: composeAmounts{quoted(s.Limits.CPUs), s.Limits.Memory.Text, s.Limits.PIDs},
		}},
		Logging: composeLogging{Driver: s.Log.Driver},
	}
	if s.User.Known() {
		out.User = quoted(fmt.Sprintf("%d:%d", s.User.UID, s.User.GID))
	}
	if !s.Gains {
		out.SecurityOpt = []string{"no-new-privileges:true"}
	}
	if !s.Default {
		out.CapDrop = []string{"ALL"}
	}
	if n := s.Wanted(); n > 1 {
		out.Deploy.Replicas = n
	}
	if s.Reservations.Nano > 0 || s.Reservations.Memory.Bytes > 0 {
		out.Deploy.Resources.Reservations = &composeAmounts{CPUs: quoted(s.Reservations.CPUs), Memory: s.Reservations.Memory.Text}
	}
	if s.Log.Driver != "journald" {
		out.Logging.Options = composeLogOpts{MaxSize: s.Log.MaxSize.Text, MaxFile: quoted(strconv.Itoa(s.Log.MaxFiles))}
	}
	if s.Log.Driver == "json-file" {
		out.Logging.Options.Labels = strings.Join(s.Log.Labels, ",")
	}
	if s.Build != nil && delivered == nil {
		out.Build = newComposeBuild(s.Build, from)
	}
	for _, c := range s.Capabilities {
		out.CapAdd = append(out.CapAdd, c.Name)
	}
	for _, w := range s.Writable {
		if w.Volume == "" {
			out.Tmpfs = append(out.Tmpfs, tmpfs(w))
		} else {
			m := composeMount{Type: "volume", Source: w.Volume, Target: literal(w.Path)}
			if delivered != nil && w.Owner.Known() {
				m.Volume = &composeMountExtra{NoCopy: true} // the engine's copy would undo whose the prepared volume is
			}
			out.Volumes = append(out.Volumes, m)
		}
	}
	for _, h := range s.HostPaths {
		out.Volumes = append(out.Volumes, composeMount{Type: "bind", Source: string(literal(h.Host)), Target: literal(h.Path), ReadOnly: true,
			Bind: &composeBindExtra{}})
	}
	out.configs(s, delivered)
	out.secrets(s, delivered)
	out.taken(s, delivered)
	if delivered != nil && slices.Contains(delivered.HandOver, s.Name) {
		// What listens while the edge loads another configuration takes over from what did before: connections that are not
		// accepted yet are not reset (Linux, Documentation/networking/ip-sysctl.rst).
		out.Sysctls = mapping[quoted]{{"net.ipv4.tcp_migrate_req", "1"}}
	}
	for _, p := range s.Ports {
		four := p
		four.Address = "0.0.0.0"
		switch six := (stack.Port{Address: "::", Host: p.Host, Container: p.Container, Protocol: p.Protocol}); {
		case s.Paired(p):
		case p == four && slices.Contains(s.Ports, six):
			out.Ports = append(out.Ports, quoted(strings.TrimPrefix(string(port(p)), four.Address+":"))) // every address
		default:
			out.Ports = append(out.Ports, port(p))
		}
	}
	for _, d := range s.DependsOn {
		condition := map[string]string{"completed": "service_completed_successfully"}[d.Condition]
		if condition == "" {
			condition = "service_" + d.Condition
		}
		out.DependsOn = append(out.DependsOn, entry[composeDependency]{d.Service, composeDependency{condition, d.Restart}})
	}
	if h := s.Health; h != nil {
		out.Healthcheck = &composeHealthcheck{Test: literals(h.Test), Interval: duration(h.Interval), Timeout: duration(h.Timeout),
			Retries: h.Retries, StartPeriod: duration(h.StartPeriod)}
	}
	if s.ShmSize.Bytes > 0 {
		out.ShmSize = s.ShmSize.Text
	}
	for _, l := range s.Labels {
		out.Labels = append(out.Labels, entry[text]{l.Name, literal(l.Value)})
	}
	return out
}

// secrets mounts them as Compose does, or from the volume that deploy has filled.
func (c *composeService) secrets(s stack.Service, delivered *Delivery) {
	if delivered == nil {
		for _, use := range s.Secrets {
			c.Secrets = append(c.Secrets, use.Name)
		}
		return
	}
	if _, ok := delivered.Secrets[s.Name]; ok {
		c.Volumes = append(c.Volumes, composeMount{Type: "volume", Source: secretVolumeKey(s.Name), Target: stack.SecretDir,
			ReadOnly: true, Volume: &composeMountExtra{NoCopy: true}})
	}
}

// taken gives the service what it takes from files: deploy has read them, and the values are among its variables.
func (c *composeService) taken(s stack.Service, delivered *Delivery) {
	for _, name := range s.Taken {
		if delivered != nil && !slices.ContainsFunc(c.Environment, func(e entry[text]) bool { return e.key == name }) {
			c.Environment = append(c.Environment, entry[text]{name, text("${" + stack.TakenAs(s.Name, name) + "}")})
		}
	}
	c.Environment = c.Environment.sorted()
}

func newComposeBuild(b *stack.Build, from Source) *composeBuild {
	out := &composeBuild{Context: literal(from.place(b.Context)), Target: literal(b.Target)}
	if b.Dockerfile != "Dockerfile" {
		out.Dockerfile = literal(b.Dockerfile)
	}
	for _, k := range slices.Sorted(maps.Keys(b.Args)) {
		out.Args = append(out.Args, entry[text]{k, literal(b.Args[k])})
	}
	return out
}

func newComposeNetwork(n stack.Network) composeNetwork {
	out := composeNetwork{Internal: n.Internal, External: n.External}
	if !n.Internal && !n.Egress {
		// Ports can be published, but without masquerading nothing outside answers: no way out.
		out.DriverOpts = mapping[string]{{"com.docker.network.bridge.enable_ip_masquerade", "false"}}
	}
	return out
}

func environment(s stack.Service) mapping[text] {
	var out mapping[text]
	for _, v := range s.Environment {
		value := literal(v.Value)
		switch {
		case v.Required:
			value = text(fmt.Sprintf("${%s:?hsectl: %s needs it}", v.Name, s.Name))
		case v.Default != nil:
			value = text(fmt.Sprintf("${%s:-%s}", v.Name, literal(*v.Default)))
		}
		out = append(out, entry[text]{v.Name, value})
	}
	for _, use := range s.Secrets {
		if use.Env != "" {
			out = append(out, entry[text]{use.Env, text(stack.SecretDir + "/" + use.Name)})
		}
	}
	return out.sorted()
}

// tmpfs renders the short form: the long form has no uid and gid, and then a non-root user cannot write.
func tmpfs(w stack.Writable) string {
	exec := "noexec"
	if w.Exec {
		exec = "exec"
	}
	if !w.Owner.Known() {
		return fmt.Sprintf("%s:rw,%s,nosuid,nodev,size=%s,mode=%04o", literal(w.Path), exec, mountSize(w.Size), w.Mode)
	}
	return fmt.Sprintf("%s:rw,%s,nosuid,nodev,size=%s,uid=%d,gid=%d,mode=%04o", literal(w.Path), exec, mountSize(w.Size), w.Owner.UID, w.Owner.GID, w.Mode)
}

var kernelSize = regexp.MustCompile(`^\d+[kmgKMG]$`)

// mountSize returns a size as mount options take it: the text as written where the kernel reads it the same way.
func mountSize(s stack.Size) string {
	if kernelSize.MatchString(s.Text) {
		return strings.ToLower(s.Text)
	}
	return strconv.FormatInt(s.Bytes, 10)
}

func port(p stack.Port) quoted {
	address := p.Address
	if strings.Contains(address, ":") {
		address = "[" + address + "]"
	}
	out := fmt.Sprintf("%s:%d:%d", address, p.Host, p.Container)
	if p.Protocol != "tcp" {
		out += "/" + p.Protocol
	}
	return quoted(out)
}

// literal doubles every dollar sign, which Compose would otherwise take for a variable.
func literal(s string) text { return text(strings.ReplaceAll(s, "$", "$$")) }

func literals(list []string) []text {
	var out []text
	for _, s := range list {
		out = append(out, literal(s))
	}
	return out
}

// duration drops the zero parts that time.Duration prints: 2m0s is written 2m.
func duration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("writing the Compose file: %w", err)
	}
	if err := encoder.Close(); err != nil {
		return nil, fmt.Errorf("writing the Compose file: %w", err)
	}
	return b.Bytes(), nil
}

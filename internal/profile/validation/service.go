package validation

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/yamldoc"
)

// checkPort says what is wrong with a published port.
func checkPort(p profile.Port) error {
	if _, err := netip.ParseAddr(p.Address); err != nil && p.Address != profile.EveryAddress {
		return yamldoc.BadValue("write an IP address, such as 127.0.0.1, or * for all", "%q is not an address of the host", p.Address)
	}
	for _, port := range []int{p.Host, p.Container} {
		if port < 1 || port > 65535 {
			return yamldoc.BadValue("", "port %d is out of range 1 to 65535", port)
		}
	}
	if p.Protocol != "tcp" && p.Protocol != "udp" {
		return yamldoc.BadValue("", "protocol %q is neither tcp nor udp", p.Protocol)
	}
	return nil
}

// signals returns the signals that may ask a service to stop.
func signals() []string {
	return []string{"SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGRTMIN+3"}
}

// serviceValidator checks one service after its layers are merged.
type serviceValidator struct {
	*validator
	name, path string
	s          profile.Service
}

func (v *serviceValidator) at(key string) string { return v.path + "." + key }

func (v *serviceValidator) service() {
	v.owner()
	v.image()
	v.user()
	v.writable()
	v.hostPaths()
	v.capabilities()
	v.resources()
	v.shutdown()
	v.replicas()
	v.rollout()
	v.health()
	v.secretUses()
	v.environment()
	v.ports()
	v.networks()
	v.dependencies()
	v.observation()
	v.passthrough()
	v.rest()
}

// owner becomes a label of alerts and a word in tables, so it holds nothing that ends either.
func (v *serviceValidator) owner() {
	if strings.ContainsFunc(v.s.Owner, unicode.IsControl) || strings.ContainsAny(v.s.Owner, "{}\"\\`<>|") || len(v.s.Owner) > 100 {
		v.bad(v.at("owner"), "write the name of a team or an address, such as team-web or ops@example.com", "%q cannot name an owner", v.s.Owner)
	}
}

func (v *serviceValidator) image() {
	if v.s.Image == "" && v.s.Build == nil {
		v.bad(v.at("image"), "add a preset, an image or a build", "service %q has no image", v.name)
		return
	}
	if v.s.Image != "" && v.o.Image != nil {
		if err := v.o.Image(v.s.Image); err != nil {
			v.bad(v.at("image"), "", "%v", err)
		}
	}
	if b := v.s.Build; b != nil && b.Context == "" {
		v.bad(v.at("build"), "write: build: {context: .}", "the build of service %q has no context", v.name)
	}
}

func (v *serviceValidator) excepted(control string) bool { return v.p.Excepted(control, v.name) != nil }

func (v *serviceValidator) user() {
	switch {
	case !v.s.User.Set && v.excepted("HSE-USR-001"):
	case !v.s.User.Set:
		v.bad(v.at("user"), `write user: "1000:1000" with the ids of the image's user, or name a preset`, "service %q has no user", v.name)
	case v.s.User.UID == 0 && !v.excepted("HSE-USR-001"):
		v.bad(v.at("user"), "add an exception for HSE-USR-001 with a reason, if it must be", "service %q runs as root", v.name)
	}
}

func (v *serviceValidator) writable() {
	for i, w := range v.s.Writable {
		at := fmt.Sprintf("%s[%d]", v.at("writable"), i)
		switch {
		case !path.IsAbs(w.Path):
			v.bad(at+".path", "write the whole path, beginning with /", "writable path %q is not absolute", w.Path)
		case slices.Contains(strings.Split(w.Path, "/"), ".."):
			v.bad(at+".path", "write the path without ..", "writable path %q contains ..", w.Path)
		case path.Clean(w.Path) == "/":
			v.bad(at+".path", "name the directory the service writes to", "the root of the file system cannot be writable")
		case strings.ContainsAny(w.Path, ":,\n"):
			v.bad(at+".path", "", "writable path %q contains a character that separates mount options", w.Path)
		case path.Clean(w.Path) != w.Path:
			v.bad(at+".path", "write "+path.Clean(w.Path), "writable path %q is not clean", w.Path)
		case within(w.Path, "/proc", "/sys", "/dev", "/run/secrets"):
			v.bad(at+".path", "shared memory has a key of its own: shm_size", "writable path %q belongs to the kernel or to hsectl", w.Path)
		}
		switch {
		case (w.Volume == "") == (w.Tmpfs.N == 0):
			v.bad(at, "write volume: NAME to keep the data, or tmpfs: 64M", "writable path %q must be either a volume or a tmpfs", w.Path)
		case w.Volume != "" && !volumePattern().MatchString(w.Volume):
			v.bad(at+".volume", "use a name; host paths are not mounted", "%q cannot name a volume", w.Volume)
		case reservedVolume.MatchString(w.Volume):
			v.bad(at+".volume", "choose another name", "volume %q has a name that hsectl uses for secrets", w.Volume)
		case w.Volume != "" && w.Exec:
			v.bad(at+".exec", "exec is for a tmpfs", "volume %q cannot be marked exec", w.Volume)
		}
		v.nested(v.s.Writable, i, at)
	}
}

// nested refuses a path inside a volume. What lies inside a tmpfs is mounted over it: a volume whose data outlives a restart beneath
// a directory that does not, or another tmpfs, as in /run and /run/lock.
func (v *validator) nested(all []profile.Writable, i int, at string) {
	w := all[i]
	for j, other := range all {
		if i == j || path.Clean(w.Path) != w.Path || path.Clean(other.Path) == "/" {
			continue
		}
		if w.Path == other.Path && j < i {
			v.bad(at+".path", "keep one of the two", "writable path %q is declared twice", w.Path)
		}
		if w.Path != other.Path && within(w.Path, other.Path) && other.Tmpfs.N == 0 {
			v.bad(at+".path", "drop one of the two", "writable path %q lies within writable path %q", w.Path, other.Path)
			return
		}
	}
}

// within reports whether p is one of the directories or lies in one.
func within(p string, directories ...string) bool {
	for _, d := range directories {
		if p == d || strings.HasPrefix(p, strings.TrimSuffix(d, "/")+"/") {
			return true
		}
	}
	return false
}

func (v *serviceValidator) capabilities() {
	if v.s.NewPrivileges && !v.excepted("HSE-PRV-002") {
		v.bad(v.at("new_privileges"), "drop it, or add an exception for HSE-PRV-002 with a reason", "programs cannot gain privileges without an exception")
	}
	seen := map[string]bool{}
	for i, c := range v.s.Capabilities {
		at := fmt.Sprintf("%s[%d]", v.at("capabilities"), i)
		switch {
		case c.Name == profile.DefaultCapabilities:
			if !v.excepted("HSE-CAP-001") {
				v.bad(at+".name", "name the few that are needed, or add an exception for HSE-CAP-001 with a reason", "the engine's default capabilities cannot be kept without an exception")
			}
		case c.Name == "ALL":
			v.bad(at, "name the few that are needed, each with its reason", "all capabilities cannot be added")
		case !slices.Contains(policy.Capabilities(), c.Name):
			v.bad(at+".name", yamldoc.DidYouMean(c.Name, policy.Capabilities()), "unknown capability %q", c.Name)
		case seen[c.Name]:
			v.bad(at+".name", "keep one of the two", "capability %s is added twice", c.Name)
		case strings.TrimSpace(c.Reason) == "":
			v.bad(at, "add reason: why the service cannot do without it", "capability %s has no reason", c.Name)
		}
		seen[c.Name] = true
	}
}

func (v *serviceValidator) resources() {
	l, r := v.s.Limits, v.s.Reservations
	if l.Memory.N == 0 && !v.excepted("HSE-RES-001") {
		v.bad(v.at("limits.memory"), "write limits: {memory: 512M}", "service %q has no memory limit", v.name)
	} else if l.Memory.N > 0 && l.Memory.N < 6<<20 {
		v.bad(v.at("limits.memory"), "the engine requires at least 6M", "the memory limit %s is too small", l.Memory)
	}
	if l.CPUs.Nano == 0 && !v.excepted("HSE-RES-003") {
		v.bad(v.at("limits.cpus"), `write limits: {cpus: "1.0"}`, "service %q has no cpu limit", v.name)
	}
	if l.PIDs < 1 && (l.PIDs < 0 || !v.excepted("HSE-RES-004")) {
		v.bad(v.at("limits.pids"), "write limits: {pids: 200}", "the limit of processes must be above zero, not %d", l.PIDs)
	}
	if r.PIDs != 0 {
		v.bad(v.at("reservations.pids"), "", "processes can be limited, not reserved")
	}
	if l.Memory.N > 0 && r.Memory.N > l.Memory.N {
		v.bad(v.at("reservations.memory"), "lower it, or raise limits.memory", "the reservation of %s memory is above the limit of %s", r.Memory, l.Memory)
	}
	if l.CPUs.Nano > 0 && r.CPUs.Nano > l.CPUs.Nano {
		v.bad(v.at("reservations.cpus"), "lower it, or raise limits.cpus", "the reservation of %s cpus is above the limit of %s", r.CPUs, l.CPUs)
	}
	if v.s.OpenFiles < 0 {
		v.bad(v.at("open_files"), "", "open_files must be above zero, not %d", v.s.OpenFiles)
	}
	if v.s.ShmSize.N > l.Memory.N && l.Memory.N > 0 {
		v.bad(v.at("shm_size"), "shared memory counts in the memory limit", "shm_size %s is above the memory limit of %s", v.s.ShmSize, l.Memory)
	}
}

func (v *serviceValidator) shutdown() {
	s := v.s.Shutdown
	if s.Signal != "" && !slices.Contains(signals(), s.Signal) { // without one the image decides
		v.bad(v.at("shutdown.signal"), yamldoc.DidYouMean(s.Signal, signals()), "unknown stop signal %q", s.Signal)
	}
	if s.Timeout.D > 0 && s.Timeout.D >= s.Grace.D {
		v.bad(v.at("shutdown.timeout"), "the engine kills at the end of grace; leave a few seconds",
			"the inner time-out of %s is not shorter than the grace period of %s", s.Timeout, s.Grace)
	}
}

func (v *serviceValidator) health() {
	h := v.s.Health
	excepted := v.p.Excepted("HSE-HLT-001", v.name) != nil || v.p.Once(v.name) || v.s.Passthrough.Mapping("healthcheck")["test"] != nil
	tests := 0
	if h != nil {
		for _, set := range []bool{len(h.Command) > 0, h.Shell != "", h.HTTP != nil, h.TCP != 0} {
			if set {
				tests++
			}
		}
	}
	switch {
	case h != nil && h.None != "" && profile.Own(v.p.Layer(v.at("health.none"))):
		v.bad(v.at("health.none"), "add an exception for HSE-HLT-001 with a reason and a date", "only a preset may say that an image cannot test itself")
		return
	case h != nil && h.None != "" && tests == 0:
		return
	case tests == 0 && !excepted:
		v.bad(v.at("health"), "write health: {http: {port: 8080, path: /health}}, or an exception for HSE-HLT-001", "service %q has no health test", v.name)
		return
	case tests > 1:
		v.bad(v.at("health"), "keep one of command, shell, http and tcp", "service %q has more than one health test", v.name)
		return
	case tests == 0:
		return
	}
	if h.HTTP != nil && (h.HTTP.Port < 1 || h.HTTP.Port > 65535) {
		v.bad(v.at("health.http.port"), "", "port %d is out of range 1 to 65535", h.HTTP.Port)
	}
	if h.HTTP != nil && (!strings.HasPrefix(h.HTTP.Path, "/") || strings.ContainsAny(h.HTTP.Path, "'\"\\ \n`$")) {
		v.bad(v.at("health.http.path"), "write a path such as /health", "health path %q is not a plain path", h.HTTP.Path)
	}
	if h.TCP < 0 || h.TCP > 65535 {
		v.bad(v.at("health.tcp"), "", "port %d is out of range 1 to 65535", h.TCP)
	}
	if _, ok := v.s.ProbeCommand(); !ok && (h.HTTP != nil || h.TCP != 0) {
		v.bad(v.at("health"), "name a preset that knows the image's tools, or write health.command",
			"hsectl does not know which tool in the image of service %q can test this", v.name)
	}
	if h.Timeout.D > h.Interval.D {
		v.bad(v.at("health.timeout"), "", "the health time-out of %s is longer than the interval of %s", h.Timeout, h.Interval)
	}
	if h.Retries < 1 {
		v.bad(v.at("health.retries"), "", "health.retries must be above zero, not %d", h.Retries)
	}
}

func (v *serviceValidator) secretUses() {
	seen := map[string]bool{}
	for i, use := range v.s.Secrets {
		at := fmt.Sprintf("%s[%d]", v.at("secrets"), i)
		if _, ok := v.p.Secrets[use.Name]; !ok {
			v.bad(at, yamldoc.DidYouMean(use.Name, slices.Collect(maps.Keys(v.p.Secrets))), "secret %q not found", use.Name)
		}
		if seen[use.Name] {
			v.bad(at, "keep one of the two", "secret %q is given twice", use.Name)
		}
		seen[use.Name] = true
		if use.Env != "" && !envPattern.MatchString(use.Env) {
			v.bad(at+".env", "", "%q cannot name an environment variable", use.Env)
		}
		if _, ok := v.s.Environment[use.Env]; ok && use.Env != "" {
			v.bad(at+".env", "drop it from environment", "%s is also set in environment", use.Env)
		}
	}
}

func (v *serviceValidator) environment() {
	for _, name := range slices.Sorted(maps.Keys(v.s.Environment)) {
		e, at := v.s.Environment[name], v.at("environment."+name)
		taken := e.Required || e.Default != nil
		if !settingPattern.MatchString(name) || taken && !envPattern.MatchString(name) {
			v.bad(at+"#key", "use letters, digits and _", "%q cannot name an environment variable", name)
		}
		if e.Required && (e.Value != "" || e.Default != nil) {
			v.bad(at, "keep one of value, required and default", "%s is required and has a value", name)
		}
		if e.Default != nil && e.Value != "" {
			v.bad(at, "keep one of value and default", "%s has a value and a default", name)
		}
		if e.Default != nil && strings.ContainsAny(string(*e.Default), "}\n") {
			v.bad(at+".default", "", "the default of %s cannot contain } or a line break", name)
		}
	}
}

func (v *serviceValidator) ports() {
	for i, port := range v.s.Ports {
		if err := checkPort(port); err != nil {
			v.bad(fmt.Sprintf("%s[%d]", v.at("ports"), i), yamldoc.Hint(err), "%v", err)
		}
	}
}

func (v *serviceValidator) networks() {
	publish := len(v.s.Ports) == 0
	for i, name := range v.s.Networks {
		network, ok := v.p.Networks[name]
		if !ok {
			v.bad(fmt.Sprintf("%s[%d]", v.at("networks"), i), yamldoc.DidYouMean(name, slices.Collect(maps.Keys(v.p.Networks))), "network %q not found", name)
		}
		publish = publish || !ok || network.Publish || network.Egress || network.External
	}
	if !publish {
		v.bad(v.at("ports"), "add the network edge, or set publish: true on one of its networks",
			"service %q publishes a port but is on internal networks only, where the engine silently drops it", v.name)
	}
}

func (v *serviceValidator) dependencies() {
	v.choices()
	for i, d := range v.s.DependsOn {
		at := fmt.Sprintf("%s[%d]", v.at("depends_on"), i)
		other, ok := v.p.Services[d.Service]
		switch {
		case !ok:
			v.bad(at, yamldoc.DidYouMean(d.Service, slices.Collect(maps.Keys(v.p.Services))), "service %q not found", d.Service)
		case !slices.Contains(conditions(), d.Condition):
			v.bad(at+".condition", "", "condition %q is none of healthy, started, completed", d.Condition)
		case d.Condition == "healthy" && !tests(other.Health) && other.Passthrough.Mapping("healthcheck")["test"] == nil && (other.Health == nil || other.Health.None != "" || v.p.Excepted("HSE-HLT-001", d.Service) != nil):
			v.bad(at, "use condition: started", "service %q has no health test to wait for", d.Service)
		}
	}
}

// conditions are what may be waited for of another service.
func conditions() []string { return []string{"healthy", "started", "completed"} }

// logDrivers are those whose logs are bounded and can be read back.
func logDrivers() []string { return []string{"json-file", "local", "journald"} }

// tests reports whether a service is tested by itself.
func tests(h *profile.Health) bool {
	return h != nil && (len(h.Command) > 0 || h.Shell != "" || h.HTTP != nil || h.TCP != 0)
}

func (v *serviceValidator) rest() {
	if !restartPattern.MatchString(v.s.Restart) {
		v.bad(v.at("restart"), "", "restart %q is none of unless-stopped, always, on-failure:N, no", v.s.Restart)
	}
	if !slices.Contains(logDrivers(), v.s.Logging.Driver) {
		v.bad(v.at("logging.driver"), "", "log driver %q is none of json-file, local, journald", v.s.Logging.Driver)
	}
	if v.s.Logging.MaxFiles < 1 {
		v.bad(v.at("logging.max_files"), "", "max_files must be above zero, not %d", v.s.Logging.MaxFiles)
	}
	for i, p := range v.s.Verify.Denied {
		if !path.IsAbs(p) {
			v.bad(fmt.Sprintf("%s[%d]", v.at("verify.denied"), i), "write the whole path", "path %q is not absolute", p)
		}
	}
	for key, ports := range map[string][]int{"verify.listen": v.s.Verify.Listen, "verify.listen_udp": v.s.Verify.ListenUDP} {
		for i, p := range ports {
			if p < 1 || p > 65535 {
				v.bad(fmt.Sprintf("%s[%d]", v.at(key), i), "", "port %d is out of range 1 to 65535", p)
			}
		}
	}
	v.reach()
	if v.s.Probes != nil && decided(v.p, v.at("probes")) {
		v.bad(v.at("probes"), "write health.command instead", "probes belong to presets")
	}
	if v.s.Single != "" && decided(v.p, v.at("single")) {
		v.bad(v.at("single"), "drop it; one container is what a service has unless replicas: says more", "single belongs to presets")
	}
	if v.s.SecretFiles != nil && decided(v.p, v.at("secret_files")) {
		v.bad(v.at("secret_files"), "name the secret under secrets: with env:", "secret_files belong to presets")
	}
	if v.s.FirstStart != nil && decided(v.p, v.at("first_start")) {
		v.bad(v.at("first_start"), "write first_start: NAME at the secret that the preset's entry is about", "first_start belongs to presets")
	}
	if v.s.Speaks != nil && decided(v.p, v.at("speaks")) {
		v.bad(v.at("speaks"), "write a question under verify.reach", "speaks belongs to presets")
	}
	for i, use := range v.s.Secrets {
		if known := firstStarts(v.s); use.FirstStart != "" && !slices.Contains(known, use.FirstStart) {
			v.bad(fmt.Sprintf("%s[%d].first_start", v.at("secrets"), i), "known entries: "+cmp.Or(strings.Join(known, ", "), "none"), "the preset has no first_start %q", use.FirstStart)
		}
	}
}

// firstStarts are the names of a preset's entries of secrets that are read at the first start only.
func firstStarts(s profile.Service) []string {
	var out []string
	for _, f := range s.FirstStart {
		out = append(out, f.Name)
	}
	return out
}

// reach checks the questions of a service, and that those who ask them exist.
func (v *serviceValidator) reach() {
	for i, r := range v.s.Verify.Reach {
		at := fmt.Sprintf("%s[%d]", v.at("verify.reach"), i)
		u, err := url.Parse(r.URL)
		switch {
		case err != nil || u.Host == "" || !slices.Contains(profile.ReachSchemes(), u.Scheme):
			v.bad(at, "write scheme://host:port with one of: "+strings.Join(profile.ReachSchemes(), ", "), "%q is not a question", r.URL)
		case u.User != nil:
			v.bad(at, "ask what needs no password", "the URL has a password, which would be seen by everybody who sees the profile")
		case r.Status != 0 && (u.Scheme != "http" && u.Scheme != "https" || r.Status < 100 || r.Status > 599):
			v.bad(at+".status", "", "status %d is none that %s can answer with", r.Status, u.Scheme)
		}
		if _, exists := v.p.Services[r.From]; r.From != "" && r.From != profile.ReachHost && !exists {
			v.bad(at+".from", yamldoc.DidYouMean(r.From, slices.Collect(maps.Keys(v.p.Services))), "service %q not found", r.From)
		}
	}
}

// decided reports whether the service itself has a key, and not only its preset; defaults are judged once, as defaults.
func decided(p *profile.Profile, key string) bool {
	layer := p.Layer(key)
	return profile.Own(layer) && layer != profile.LayerDefaults
}

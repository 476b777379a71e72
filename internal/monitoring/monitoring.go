// Package monitoring turns the monitoring section of a profile into a hardened stack of its own, next to the stack that
// it watches: which parts there are, how they are wired, and every file that they read.
//
// It is pure. Dashboards, rules and scrape settings are derived from the same model as the Compose file, so they know
// each service's limits, objectives and names. Nothing here is run; the tests run the rules on Prometheus' own engine.
package monitoring

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/stack"
)

// Names of the networks of the monitoring stack.
const (
	networkInside = profile.NetworkBackend
	networkEdge   = profile.NetworkEdge
	networkOut    = "out" // the only way out, for the parts that connect to the outside
)

// suite is what all parts are made from.
type suite struct {
	p   *profile.Profile
	m   *profile.Monitoring
	app stack.Stack
}

// New returns the monitoring stack of a profile that has a monitoring section. App is the stack that it watches.
func New(p *profile.Profile, app stack.Stack) (stack.Stack, error) {
	s := suite{p: p, m: p.Monitoring, app: app}
	base := stack.New(p.MonitoringProfile())
	out := stack.Stack{Name: base.Name, Volumes: slices.Clone(base.Volumes)}
	for i := range out.Volumes {
		out.Volumes[i].Ephemeral = "what was measured; rules and dashboards come from the profile"
	}
	for _, service := range base.Services {
		part, err := s.wire(service)
		if err != nil {
			return stack.Stack{}, fmt.Errorf("wiring %s: %w", service.Name, err)
		}
		out.Services = append(out.Services, part)
	}
	out.Networks = s.networks(out.Services)
	out.Secrets = s.secrets(out.Services)
	return out, nil
}

// meets returns the networks, as Compose names them, on which services are watched for which wanted is true.
func (s suite) meets(wanted func(stack.Service) bool) []string {
	var out []string
	for _, service := range s.app.Services {
		for _, n := range service.Networks {
			name := s.app.Name + "_" + n
			if strings.HasPrefix(n, profile.NetworkMonitoring) && wanted(service) && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

func (s suite) networks(services []stack.Service) []stack.Network {
	known := []stack.Network{
		{Name: networkInside, Internal: true},
		{Name: networkEdge},
		{Name: networkOut, Egress: true},
	}
	for _, name := range s.meets(func(stack.Service) bool { return true }) {
		known = append(known, stack.Network{Name: name, External: true}) // internal: the stack that is watched made it so
	}
	var out []stack.Network
	for _, n := range known {
		if slices.ContainsFunc(services, func(service stack.Service) bool { return slices.Contains(service.Networks, n.Name) }) {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b stack.Network) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// secrets returns those that a part reads, and those they are made of.
func (s suite) secrets(services []stack.Service) []stack.Secret {
	var out []stack.Secret
	add := func(secret stack.Secret) {
		if !slices.ContainsFunc(out, func(have stack.Secret) bool { return have.Name == secret.Name }) {
			out = append(out, secret)
		}
	}
	for _, service := range services {
		for _, use := range service.Secrets {
			secret := stack.NewSecret(use.Name, s.p.Secrets[use.Name])
			if made := (exporterParts{s}).redisPasswords(service.Name); use.Name == made.Name {
				secret = made
			}
			add(secret)
			if secret.From != "" {
				add(stack.NewSecret(secret.From, s.p.Secrets[secret.From]))
			}
		}
	}
	slices.SortFunc(out, func(a, b stack.Secret) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// wire completes a part: its networks, what it reads, and how it is started.
func (s suite) wire(part stack.Service) (stack.Service, error) {
	part.Networks = s.joins(part)
	if s.p.On(profile.PartAlloy) && part.Log.Driver == "json-file" {
		part.Log.Labels = logLabels()
	}
	wiring := map[string]func(*stack.Service) error{
		profile.PartPrometheus:       storeParts{s}.prometheus,
		profile.PartAlertmanager:     storeParts{s}.alertmanager,
		profile.PartGrafana:          storeParts{s}.grafana,
		profile.PartLoki:             storeParts{s}.loki,
		profile.PartAlloy:            storeParts{s}.alloy,
		profile.PartPostgresExporter: exporterParts{s}.postgresExporter,
		profile.PartRedisExporter:    exporterParts{s}.redisExporter,
		profile.PartBlackbox:         exporterParts{s}.blackbox,
		profile.PartCollector:        storeParts{s}.collector,
		profile.PartTempo:            storeParts{s}.tempo,
		profile.PartContainers:       exporterParts{s}.containers,
	}
	if f := wiring[profile.PartOf(part.Name)]; f != nil {
		if err := f(&part); err != nil {
			return part, err
		}
	}
	slices.SortFunc(part.Environment, func(a, b stack.Variable) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(part.Configs, func(a, b stack.ConfigFile) int { return strings.Compare(a.Path, b.Path) })
	return part, nil
}

// joins gives a part the networks that its work needs, and no other.
func (s suite) joins(part stack.Service) []string {
	out := []string{networkInside}
	if asks := s.asks(part.Name); asks != nil {
		out = append(out, s.meets(asks)...)
	}
	if len(part.Ports) > 0 {
		out = append(out, networkEdge)
	}
	if part.Name == profile.PartAlertmanager && len(s.m.Receivers) > 0 ||
		part.Name == profile.PartBlackbox && len(s.m.Probes) > 0 ||
		part.Name == profile.PartCollector && s.m.Logs.To != "loki" {
		out = append(out, networkOut)
	}
	slices.Sort(out)
	return out
}

// asks says which services a part speaks to, or nil when it speaks to none.
func (s suite) asks(part string) func(stack.Service) bool {
	switch profile.PartOf(part) {
	case profile.PartPrometheus:
		return func(service stack.Service) bool { return service.Metrics != nil }
	case profile.PartPostgresExporter, profile.PartRedisExporter:
		measured := exporterParts{s}.measured(part).Name
		return func(service stack.Service) bool { return service.Name == measured }
	case profile.PartBlackbox:
		return func(service stack.Service) bool {
			return slices.ContainsFunc(exporterParts{s}.probes(), func(p probe) bool { return p.service == service.Name })
		}
	case profile.PartCollector: // services send it their traces
		return func(stack.Service) bool { return true }
	}
	return nil
}

// watched returns the services of the stack that show metrics of their own.
func (s suite) watched() []stack.Service {
	var out []stack.Service
	for _, service := range s.app.Services {
		if service.Metrics != nil {
			out = append(out, service)
		}
	}
	return out
}

func variable(s stack.Service, name, otherwise string) string {
	for _, v := range s.Environment {
		if v.Name == name && v.Value != "" {
			return v.Value
		}
	}
	return otherwise
}

func config(path string) string { return stack.ConfigDir + "/" + path }

func secretFile(name string) string { return stack.SecretDir + "/" + name }

// logLabels are the labels by which the log shipper knows whose line it reads.
func logLabels() []string { return []string{labelProject, labelService} }

const (
	labelProject = "com.docker.compose.project"
	labelService = "com.docker.compose.service"
)

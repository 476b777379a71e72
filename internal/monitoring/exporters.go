package monitoring

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/templates"
)

// redisPasswords is the secret from which an exporter takes the password of its server. Where there are several exporters,
// the name of the server follows.
const redisPasswords = "redis_exporter_passwords"

const redisPort, postgresPort = 6379, 5432

// The container exporter is busybox httpd with one script.
const (
	containersPort = 9119
	fileContainers = "metrics.cgi"
)

// exporterParts are the parts that measure what cannot show its own metrics.
type exporterParts struct{ suite }

func (s exporterParts) containers(part *stack.Service) error {
	part.Configs = append(part.Configs,
		stack.ConfigFile{Path: fileContainers, Data: templates.Containers()},
		stack.ConfigFile{Path: "httpd.conf", Data: []byte("*.cgi:/bin/sh\n")})
	part.Environment = append(part.Environment, stack.Variable{Name: "HSE_STACK", Value: s.app.Name})
	part.Command = append(part.Command, "httpd", "-f", "-p", strconv.Itoa(containersPort), "-h", stack.ConfigDir, "-c", config("httpd.conf"))
	return nil
}

// exporters returns those of a part that are on.
func (s exporterParts) exporters(part string) []profile.Exporter {
	var out []profile.Exporter
	for _, e := range s.p.Exporters() {
		if e.Part == part && s.p.On(part) {
			out = append(out, e)
		}
	}
	return out
}

// measured returns the service that an exporter measures.
func (s exporterParts) measured(exporter string) stack.Service {
	for _, e := range s.p.Exporters() {
		if e.Name == exporter {
			service, _ := s.app.Service(e.Service) // the exporter is there only because the service is
			return service
		}
	}
	return stack.Service{}
}

func (s exporterParts) postgresExporter(part *stack.Service) error {
	database := s.measured(part.Name)
	user := variable(database, "POSTGRES_USER", "postgres")
	part.Environment = append(part.Environment,
		stack.Variable{Name: "DATA_SOURCE_URI", Value: fmt.Sprintf("%s:%d/%s?sslmode=disable", database.Name, postgresPort, variable(database, "POSTGRES_DB", user))},
		stack.Variable{Name: "DATA_SOURCE_USER", Value: user},
	)
	for _, use := range database.Secrets {
		if use.Env == "POSTGRES_PASSWORD_FILE" {
			part.Secrets = append(part.Secrets, stack.SecretFile{Name: use.Name, Env: "DATA_SOURCE_PASS_FILE"})
		}
	}
	return nil
}

func (s exporterParts) redisExporter(part *stack.Service) error {
	part.Environment = append(part.Environment, stack.Variable{Name: "REDIS_ADDR", Value: redisAddress(s.measured(part.Name))})
	if made := s.redisPasswords(part.Name); made.From != "" {
		part.Secrets = append(part.Secrets, stack.SecretFile{Name: made.Name, Env: "REDIS_PASSWORD_FILE"})
	}
	return nil
}

func redisAddress(cache stack.Service) string {
	return fmt.Sprintf("redis://%s:%d", cache.Name, redisPort)
}

// redisPasswords makes the file of an exporter of Redis from the password that the server's own configuration is made of. It is
// nothing for every other part.
func (s exporterParts) redisPasswords(exporter string) stack.Secret {
	if profile.PartOf(exporter) != profile.PartRedisExporter {
		return stack.Secret{}
	}
	cache := s.measured(exporter)
	out := stack.Secret{Name: redisPasswords, Format: fmt.Sprintf(`{"%s":"{}"}`, redisAddress(cache))}
	if exporter != profile.PartRedisExporter {
		out.Name += "_" + cache.Name
	}
	for _, use := range cache.Secrets {
		if source := s.p.Secrets[use.Name]; strings.HasPrefix(source.Format, "requirepass ") {
			out.From = source.From
		}
	}
	return out
}

type (
	blackboxConfig struct {
		Modules map[string]blackboxModule `yaml:"modules"`
	}

	blackboxModule struct {
		Prober  string        `yaml:"prober"`
		Timeout string        `yaml:"timeout"`
		HTTP    *blackboxHTTP `yaml:"http,omitempty"`
	}

	blackboxHTTP struct {
		IPProtocol string `yaml:"preferred_ip_protocol"`
	}
)

// Modules of the blackbox exporter.
const (
	moduleHTTP = "http"
	moduleTCP  = "tcp"
)

func (s exporterParts) blackbox(part *stack.Service) error {
	data, err := generate.YAML(blackboxConfig{Modules: map[string]blackboxModule{
		moduleHTTP: {Prober: "http", Timeout: "5s", HTTP: &blackboxHTTP{IPProtocol: "ip4"}},
		moduleTCP:  {Prober: "tcp", Timeout: "5s"},
	}})
	part.Command = append(part.Command, "--config.file="+config("blackbox.yml"))
	part.Configs = append(part.Configs, stack.ConfigFile{Path: "blackbox.yml", Data: data})
	return err
}

// probe is a service, or an address outside, that the blackbox exporter asks.
type probe struct{ target, module, service string }

// probes asks each service that is on the common network for its health, from outside its container.
func (s exporterParts) probes() []probe {
	var out []probe
	for _, service := range s.app.Services {
		from := s.p.Services[service.Name]
		switch {
		case from.Health != nil && from.Health.HTTP != nil:
			out = append(out, probe{fmt.Sprintf("http://%s:%d%s", service.Name, from.Health.HTTP.Port, from.Health.HTTP.Path), moduleHTTP, service.Name})
		case service.Preset == "postgres" && s.p.On(profile.PartPostgresExporter):
			out = append(out, probe{fmt.Sprintf("%s:%d", service.Name, postgresPort), moduleTCP, service.Name})
		case service.Preset == "redis" && s.p.On(profile.PartRedisExporter):
			out = append(out, probe{fmt.Sprintf("%s:%d", service.Name, redisPort), moduleTCP, service.Name})
		}
	}
	return out
}

package generate

import (
	"strings"

	"github.com/hsectl/hsectl/internal/stack"
)

func configVolumeKey(service string) string { return "hsectl-config-" + service }

// configKey names a file among the configs of a Compose file.
func configKey(service string, c stack.ConfigFile) string {
	return service + "-" + strings.NewReplacer("/", "-", ".", "-").Replace(c.Path)
}

// configPath is where the file lies in the output directory: those of the edge next to the stack, all others with what
// watches it.
func configPath(s stack.Stack, service string, c stack.ConfigFile) string {
	if s.Edge != nil && service == s.Edge.Service {
		return service + "/" + c.Path
	}
	return "monitoring/" + service + "/" + c.Path
}

// configFiles returns the configuration files that the Compose file of a stack names.
func configFiles(s stack.Stack) []File {
	var files []File
	for _, service := range s.Services {
		for _, c := range service.Own() {
			files = append(files, File{configPath(s, service.Name, c), c.Data})
		}
	}
	return files
}

// configs mounts them as Compose does, or from the volume that deploy has filled.
func (c *composeService) configs(s stack.Service, delivered *Delivery) {
	if delivered == nil {
		for _, f := range s.Own() {
			c.Configs = append(c.Configs, composeConfigUse{configKey(s.Name, f), stack.ConfigDir + "/" + f.Path})
		}
		return
	}
	if _, ok := delivered.Configs[s.Name]; !ok {
		return
	}
	for _, d := range s.Delivered {
		c.Volumes = append(c.Volumes, composeMount{Type: "volume", Source: configVolumeKey(s.Name), Target: literal(d.Target), ReadOnly: true,
			Volume: &composeMountExtra{NoCopy: true, Subpath: d.Path}})
	}
	if len(s.Own()) > 0 {
		c.Volumes = append(c.Volumes, composeMount{Type: "volume", Source: configVolumeKey(s.Name), Target: stack.ConfigDir,
			ReadOnly: true, Volume: &composeMountExtra{NoCopy: true}})
	}
}

// Names of the files of the monitoring stack, next to the directory monitoring.
const (
	MonitoringFile    = "docker-compose.monitoring.yml"
	MonitoringEnvFile = ".env.monitoring.example"
)

// monitoringFiles returns the Compose file of the monitoring stack and the configuration files that it names.
func monitoringFiles(s stack.Stack, from Source) ([]File, error) {
	body, err := marshal(newComposeFile(s, from, nil))
	if err != nil {
		return nil, err
	}
	example, err := envExample(s, from)
	if err != nil {
		return nil, err
	}
	files := []File{
		{MonitoringFile, append([]byte(header(from)), body...)},
		{MonitoringEnvFile, example},
	}
	return append(files, configFiles(s)...), nil
}

// YAML writes a value as YAML, for configuration files that other packages describe as typed values.
func YAML(v any) ([]byte, error) { return marshal(v) }

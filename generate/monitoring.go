package generate

import (
	"github.com/hsectl/hsectl/internal/stack"
)

// MonitoringFile is the Compose file of the monitoring stack.
const MonitoringFile = "docker-compose.monitoring.yml"

// monitoringFiles returns the Compose file of the monitoring stack and the configuration files that it names.
func monitoringFiles(s stack.Stack, from Source) ([]File, error) {
	body, err := marshal(newComposeFile(s, from, nil))
	if err != nil {
		return nil, err
	}
	files := []File{{MonitoringFile, append([]byte(header(from)), body...)}}
	for _, service := range s.Services {
		for _, c := range service.Configs {
			files = append(files, File{configPath(service.Name, c), c.Data})
		}
	}
	return files, nil
}

// YAML writes a value as YAML, for configuration files that other packages describe as typed values.
func YAML(v any) ([]byte, error) { return marshal(v) }

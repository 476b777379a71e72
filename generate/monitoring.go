package generate

import (
	"github.com/hsectl/hsectl/internal/stack"
)

// Names of the files of the monitoring stack, beside the directory monitoring.
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
	files := []File{
		{MonitoringFile, append([]byte(header(from)), body...)},
		{MonitoringEnvFile, envExample(s, from)},
	}
	return append(files, configFiles(s)...), nil
}

// YAML writes a value as YAML, for configuration files that other packages describe as typed values.
func YAML(v any) ([]byte, error) { return marshal(v) }

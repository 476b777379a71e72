package monitoring

import (
	"fmt"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/stack"
)

// settings are the configuration of a program whose schema is its own: keys are written in sorted order.
type settings = map[string]any

// storeParts are the parts that collect, keep and show what is measured.
type storeParts struct{ suite }

// loki keeps logs on its own volume: https://grafana.com/docs/loki/latest/configure/
func (s storeParts) loki(part *stack.Service) error {
	data, err := generate.YAML(settings{
		"auth_enabled": false,
		"server":       settings{"http_listen_port": 3100, "log_level": "warn"},
		"common": settings{
			"path_prefix": "/loki", "replication_factor": 1, "instance_addr": "127.0.0.1",
			"ring":    settings{"kvstore": settings{"store": "inmemory"}},
			"storage": settings{"filesystem": settings{"chunks_directory": "/loki/chunks", "rules_directory": "/loki/rules"}},
		},
		"schema_config": settings{"configs": []settings{{
			"from": "2024-01-01", "store": "tsdb", "object_store": "filesystem", "schema": "v13",
			"index": settings{"prefix": "index_", "period": "24h"},
		}}},
		"limits_config": settings{"retention_period": hours(s.m.Retention.Logs), "reject_old_samples_max_age": hours(s.m.Retention.Logs)},
		"compactor":     settings{"working_directory": "/loki/compactor", "retention_enabled": true, "delete_request_store": "filesystem"},
		"analytics":     settings{"reporting_enabled": false},
	})
	part.Configs = append(part.Configs, stack.ConfigFile{Path: "loki.yml", Data: data})
	part.Command = append(part.Command, "-config.file="+config("loki.yml"))
	return err
}

func hours(days int) string { return fmt.Sprintf("%dh", days*24) }

// tempo keeps traces on its own volume: https://grafana.com/docs/tempo/latest/configuration/
func (s storeParts) tempo(part *stack.Service) error {
	data, err := generate.YAML(settings{
		"server":       settings{"http_listen_port": 3200, "log_level": "warn"},
		"distributor":  settings{"receivers": settings{"otlp": settings{"protocols": settings{"grpc": settings{"endpoint": "0.0.0.0:4317"}}}}},
		"compactor":    settings{"compaction": settings{"block_retention": hours(s.m.Retention.Traces)}},
		"storage":      settings{"trace": settings{"backend": "local", "local": settings{"path": "/var/tempo/blocks"}, "wal": settings{"path": "/var/tempo/wal"}}},
		"usage_report": settings{"reporting_enabled": false},
	})
	part.Configs = append(part.Configs, stack.ConfigFile{Path: "tempo.yml", Data: data})
	part.Command = append(part.Command, "-config.file="+config("tempo.yml"))
	return err
}

// collector takes traces from the services, and logs from the shipper when they leave the stack:
// https://opentelemetry.io/docs/collector/configuration/
func (s storeParts) collector(part *stack.Service) error {
	exporters, pipelines := settings{}, settings{}
	pipeline := func(exporter string) settings {
		return settings{"receivers": []string{"otlp"}, "processors": []string{"memory_limiter", "batch"}, "exporters": []string{exporter}}
	}
	if s.p.On(profile.PartTempo) {
		exporters["otlp_grpc/tempo"] = settings{"endpoint": "tempo:4317", "tls": settings{"insecure": true}}
		pipelines["traces"] = pipeline("otlp_grpc/tempo")
	} else {
		exporters["nop"] = settings{}
		pipelines["traces"] = pipeline("nop")
	}
	extensions := settings{}
	if sink := s.m.Logs; sink.To != "loki" {
		exporter, auth := s.logExporter()
		exporters[sink.To] = exporter
		pipelines["logs"] = pipeline(sink.To)
		if auth != nil {
			extensions["basicauth/logs"] = auth
			part.Secrets = append(part.Secrets, stack.SecretFile{Name: sink.Password})
		}
	}
	service := settings{"pipelines": pipelines, "telemetry": settings{"metrics": settings{"readers": []settings{{
		"pull": settings{"exporter": settings{"prometheus": settings{"host": "0.0.0.0", "port": 8888}}},
	}}}}}
	c := settings{
		"receivers":  settings{"otlp": settings{"protocols": settings{"grpc": settings{"endpoint": "0.0.0.0:4317"}, "http": settings{"endpoint": "0.0.0.0:4318"}}}},
		"processors": settings{"memory_limiter": settings{"check_interval": "1s", "limit_percentage": 75, "spike_limit_percentage": 20}, "batch": settings{}},
		"exporters":  exporters, "service": service,
	}
	if len(extensions) > 0 {
		c["extensions"] = extensions
		service["extensions"] = []string{"basicauth/logs"}
	}
	data, err := generate.YAML(c)
	part.Configs = append(part.Configs, stack.ConfigFile{Path: "collector.yml", Data: data})
	part.Command = append(part.Command, "--config="+config("collector.yml"))
	return err
}

// logExporter sends logs to a search engine. The two exporters of the collector differ in where the address stands.
func (s storeParts) logExporter() (exporter, auth settings) {
	sink := s.m.Logs
	transport := settings{}
	if sink.Password != "" {
		transport["auth"] = settings{"authenticator": "basicauth/logs"}
		auth = settings{"client_auth": settings{"username": sink.User, "password": fmt.Sprintf("${file:%s}", secretFile(sink.Password))}}
	}
	if sink.To == "opensearch" {
		transport["endpoint"] = sink.URL
		return settings{"http": transport}, auth
	}
	transport["endpoints"] = []string{sink.URL}
	return transport, auth
}

package monitoring

import (
	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/stack"
)

// Stable names of data sources: dashboards refer to them.
const (
	uidMetrics = "hse-prometheus"
	uidLogs    = "hse-loki"
	uidTraces  = "hse-tempo"
	uidAlerts  = "hse-alertmanager"
)

// Provisioning of Grafana: https://grafana.com/docs/grafana/latest/administration/provisioning/
type (
	grafanaSources struct {
		APIVersion int             `yaml:"apiVersion"`
		Prune      bool            `yaml:"prune"`
		Sources    []grafanaSource `yaml:"datasources"`
	}

	grafanaSource struct {
		Name     string   `yaml:"name"`
		UID      string   `yaml:"uid"`
		Type     string   `yaml:"type"`
		Access   string   `yaml:"access"`
		URL      string   `yaml:"url"`
		Default  bool     `yaml:"isDefault"`
		Editable bool     `yaml:"editable"`
		Data     settings `yaml:"jsonData,omitempty"`
	}

	grafanaProviders struct {
		APIVersion int               `yaml:"apiVersion"`
		Providers  []grafanaProvider `yaml:"providers"`
	}

	grafanaProvider struct {
		Name            string            `yaml:"name"`
		Folder          string            `yaml:"folder"`
		FolderUID       string            `yaml:"folderUid"`
		Type            string            `yaml:"type"`
		DisableDeletion bool              `yaml:"disableDeletion"`
		AllowUpdates    bool              `yaml:"allowUiUpdates"`
		Options         map[string]string `yaml:"options"`
	}
)

func (s storeParts) grafana(part *stack.Service) error {
	part.Secrets = append(part.Secrets, stack.SecretFile{Name: s.m.GrafanaPassword, Env: "GF_SECURITY_ADMIN_PASSWORD__FILE"})
	part.Environment = append(part.Environment,
		stack.Variable{Name: "GF_SECURITY_ADMIN_USER", Value: "admin"},
		stack.Variable{Name: "GF_PATHS_PROVISIONING", Value: config("provisioning")},
		stack.Variable{Name: "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH", Value: config("dashboards/" + fileOverview)},
	)
	provisioning := []struct {
		path    string
		content any
	}{
		{"provisioning/datasources/hsectl.yml", s.sources()},
		{"provisioning/dashboards/hsectl.yml", grafanaProviders{APIVersion: 1, Providers: []grafanaProvider{{
			Name: "hsectl", Folder: s.app.Name, FolderUID: "hse-" + s.app.Name, Type: "file", DisableDeletion: true,
			Options: map[string]string{"path": config("dashboards")},
		}}}},
	}
	for _, file := range provisioning {
		data, err := generate.YAML(file.content)
		if err != nil {
			return err
		}
		part.Configs = append(part.Configs, stack.ConfigFile{Path: file.path, Data: data})
	}
	dashboards, err := dashboardSet{s.suite}.dashboards()
	for _, d := range dashboards {
		part.Configs = append(part.Configs, stack.ConfigFile{Path: "dashboards/" + d.Path, Data: d.Data})
	}
	return err
}

func (s storeParts) sources() grafanaSources {
	out := grafanaSources{APIVersion: 1, Prune: true}
	for _, source := range []struct {
		part string
		grafanaSource
	}{
		{profile.PartPrometheus, grafanaSource{Name: "Prometheus", UID: uidMetrics, Type: "prometheus", URL: "http://prometheus:9090", Default: true,
			Data: settings{"timeInterval": seconds(s.m.Interval.D), "httpMethod": "POST"}}},
		{profile.PartAlertmanager, grafanaSource{Name: "Alertmanager", UID: uidAlerts, Type: "alertmanager", URL: "http://alertmanager:9093",
			Data: settings{"implementation": "prometheus"}}},
		{profile.PartLoki, grafanaSource{Name: "Loki", UID: uidLogs, Type: "loki", URL: "http://loki:3100"}},
		{profile.PartTempo, grafanaSource{Name: "Tempo", UID: uidTraces, Type: "tempo", URL: "http://tempo:3200"}},
	} {
		if s.p.On(source.part) {
			one := source.grafanaSource
			one.Access = "proxy"
			out.Sources = append(out.Sources, one)
		}
	}
	return out
}

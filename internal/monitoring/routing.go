package monitoring

import (
	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/stack"
)

// The part of Alertmanager's configuration that is used: https://prometheus.io/docs/alerting/latest/configuration/
type (
	alertmanagerConfig struct {
		Route     route      `yaml:"route"`
		Inhibit   []inhibit  `yaml:"inhibit_rules"`
		Receivers []receiver `yaml:"receivers"`
	}

	route struct {
		Receiver       string   `yaml:"receiver"`
		GroupBy        []string `yaml:"group_by,flow,omitempty"`
		GroupWait      string   `yaml:"group_wait,omitempty"`
		GroupInterval  string   `yaml:"group_interval,omitempty"`
		RepeatInterval string   `yaml:"repeat_interval,omitempty"`
		Matchers       []string `yaml:"matchers,flow,omitempty"`
		Continue       bool     `yaml:"continue,omitempty"`
		Routes         []route  `yaml:"routes,omitempty"`
	}

	inhibit struct {
		Source []string `yaml:"source_matchers,flow"`
		Target []string `yaml:"target_matchers,flow"`
		Equal  []string `yaml:"equal,flow"`
	}

	receiver struct {
		Name    string          `yaml:"name"`
		Webhook []webhookConfig `yaml:"webhook_configs,omitempty"`
		Slack   []slackConfig   `yaml:"slack_configs,omitempty"`
		Email   []emailConfig   `yaml:"email_configs,omitempty"`
	}

	webhookConfig struct {
		URLFile      string `yaml:"url_file"`
		SendResolved bool   `yaml:"send_resolved"`
	}

	slackConfig struct {
		URLFile      string `yaml:"api_url_file"`
		Channel      string `yaml:"channel"`
		SendResolved bool   `yaml:"send_resolved"`
		Title        string `yaml:"title"`
		Text         string `yaml:"text"`
	}

	emailConfig struct {
		To           string `yaml:"to"`
		From         string `yaml:"from"`
		Smarthost    string `yaml:"smarthost"`
		User         string `yaml:"auth_username,omitempty"`
		PasswordFile string `yaml:"auth_password_file,omitempty"`
		RequireTLS   bool   `yaml:"require_tls"`
		SendResolved bool   `yaml:"send_resolved"`
	}
)

// noReceiver takes the alerts that no receiver wants.
const noReceiver = "nobody"

func (s storeParts) alertmanager(part *stack.Service) error {
	c := alertmanagerConfig{
		Route: route{Receiver: noReceiver, GroupBy: []string{"stack", "alertname", "service"}, GroupWait: "10s", GroupInterval: "1m", RepeatInterval: "4h"},
		// An alert that a service is down suppresses the alert that it is slow.
		Inhibit: []inhibit{{
			Source: []string{`alertname=~"TargetDown|ServiceUnhealthy"`}, Target: []string{`severity="warning"`}, Equal: []string{"stack", "service"},
		}},
		Receivers: []receiver{{Name: noReceiver}},
	}
	for _, r := range s.m.Receivers {
		to := route{Receiver: r.Name, Continue: true}
		if r.Severity == severityCritical {
			to.Matchers = []string{`severity="critical"`}
		}
		c.Route.Routes = append(c.Route.Routes, to)
		c.Receivers = append(c.Receivers, newReceiver(r))
		for _, name := range secretsOf(r) {
			part.Secrets = append(part.Secrets, stack.SecretFile{Name: name})
		}
	}
	data, err := generate.YAML(c)
	part.Configs = append(part.Configs, stack.ConfigFile{Path: "alertmanager.yml", Data: data})
	part.Command = append(part.Command, "--config.file="+config("alertmanager.yml"), "--storage.path=/alertmanager", "--cluster.listen-address=")
	return err
}

func newReceiver(r profile.Receiver) receiver {
	out := receiver{Name: r.Name}
	switch {
	case r.Webhook != "":
		out.Webhook = []webhookConfig{{URLFile: secretFile(r.Webhook), SendResolved: true}}
	case r.Slack != nil:
		out.Slack = []slackConfig{{URLFile: secretFile(r.Slack.URL), Channel: r.Slack.Channel, SendResolved: true,
			Title: `{{ .Status }}: {{ .CommonLabels.alertname }} {{ .CommonLabels.service }}`,
			Text:  `{{ range .Alerts }}{{ .Annotations.summary }} {{ .Annotations.runbook_url }}{{ "\n" }}{{ end }}`}}
	case r.Email != nil:
		mail := emailConfig{To: r.Email.To, From: r.Email.From, Smarthost: r.Email.Server, User: r.Email.User, RequireTLS: true, SendResolved: true}
		if r.Email.Password != "" {
			mail.PasswordFile = secretFile(r.Email.Password)
		}
		out.Email = []emailConfig{mail}
	}
	return out
}

func secretsOf(r profile.Receiver) []string {
	switch {
	case r.Webhook != "":
		return []string{r.Webhook}
	case r.Slack != nil:
		return []string{r.Slack.URL}
	case r.Email != nil && r.Email.Password != "":
		return []string{r.Email.Password}
	}
	return nil
}

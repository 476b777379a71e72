package monitoring

import (
	"bytes"
	"fmt"
	"strconv"
	"text/template"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/templates"
)

// alloy ships the log files of both stacks. Its configuration is a language of its own, so this one file is a template;
// every value in it is quoted.
func (s storeParts) alloy(part *stack.Service) error {
	t, err := template.New("config.alloy").Funcs(template.FuncMap{"quote": strconv.Quote}).Parse(templates.Alloy())
	if err != nil {
		return fmt.Errorf("reading the shipper's template: %w", err)
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct{ Stacks, Project, Service, Loki, Collector string }{
		Stacks:    s.app.Name + "|" + s.p.MonitoringProfile().Name,
		Project:   fmt.Sprintf("attrs.%q", labelProject),
		Service:   fmt.Sprintf("attrs.%q", labelService),
		Loki:      map[bool]string{true: "http://loki:3100/loki/api/v1/push"}[s.p.On(profile.PartLoki)],
		Collector: map[bool]string{true: "otel-collector:4317"}[s.m.Logs.To != "loki"],
	})
	if err != nil {
		return fmt.Errorf("writing the shipper's configuration: %w", err)
	}
	part.Configs = append(part.Configs, stack.ConfigFile{Path: "config.alloy", Data: b.Bytes()})
	part.Command = append(part.Command, "run", "--server.http.listen-addr=0.0.0.0:12345", "--storage.path=/var/lib/alloy",
		"--disable-reporting", config("config.alloy"))
	return nil
}

package monitoring_test

import (
	"log/slog"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

var promql = parser.NewParser(parser.Options{})

// ruleFile reads a rule file with Prometheus' own loader.
func ruleFile(t *testing.T, data []byte) *rulefmt.RuleGroups {
	t.Helper()
	groups, errs := rulefmt.Parse(data, false, model.UTF8Validation, promql, slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Error(err)
	}
	if t.Failed() {
		t.FailNow()
	}
	return groups
}

// Every selector in a query must be bound to the stack: one Prometheus may see more than one.
func bound(t *testing.T, expr, where string) {
	t.Helper()
	e, err := promql.ParseExpr(expr)
	if err != nil {
		t.Errorf("%s: %s: %v", where, expr, err)
		return
	}
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		v, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		for _, m := range v.LabelMatchers {
			if m.Name == "stack" && m.Type == labels.MatchEqual && m.Value == "hse-digital" {
				return nil
			}
		}
		t.Errorf("%s: %s is not bound to the stack", where, v)
		return nil
	})
}

func TestRulesAreLoadedByPrometheusAndBoundToTheStack(t *testing.T) {
	_, s := watch(t)
	for _, path := range []string{"recording.rules.yml", "alerts.rules.yml"} {
		for _, group := range ruleFile(t, file(t, s, "prometheus", path)).Groups {
			for _, r := range group.Rules {
				bound(t, r.Expr, path+" "+r.Record+r.Alert)
			}
		}
	}
}

func TestEveryAlertSaysWhatToDo(t *testing.T) {
	_, s := watch(t)
	for _, group := range ruleFile(t, file(t, s, "prometheus", "alerts.rules.yml")).Groups {
		for _, r := range group.Rules {
			for _, key := range []string{"summary", "description", "runbook_url"} {
				if r.Annotations[key] == "" {
					t.Errorf("%s has no %s", r.Alert, key)
				}
			}
			if severity := r.Labels["severity"]; severity != "critical" && severity != "warning" {
				t.Errorf("%s has severity %q", r.Alert, severity)
			}
		}
	}
}

func TestPrometheusLoadsItsConfiguration(t *testing.T) {
	_, s := watch(t)
	c, err := config.Load(string(file(t, s, "prometheus", "prometheus.yml")), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	jobs := map[string]bool{}
	for _, scrape := range c.ScrapeConfigs {
		jobs[scrape.JobName] = true
	}
	for _, job := range []string{"services", "cadvisor", "node-exporter", "postgres-exporter", "redis-exporter", "probes", "alertmanager", "grafana", "loki", "alloy", "tempo", "otel-collector", "prometheus"} {
		if !jobs[job] {
			t.Errorf("nothing scrapes %s", job)
		}
	}
}

func TestEveryPanelQueryIsValidAndBoundToTheStack(t *testing.T) {
	_, s := watch(t)
	for name, b := range boards(t, s) {
		for _, p := range b.Panels {
			for _, q := range p.Targets {
				bound(t, q.Expr, name+" "+p.Title)
			}
		}
	}
}

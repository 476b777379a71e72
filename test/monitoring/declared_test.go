package monitoring_test

import (
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/monitoring"
	"github.com/hsectl/hsectl/internal/policy/platform"
	"github.com/hsectl/hsectl/internal/stack"
)

// The reference profile has its stack watched; what is taken away from it is missed.
func TestDeclared(t *testing.T) {
	text := string(reference(t))
	judge := func(from, to string) map[string]finding.Finding {
		t.Helper()
		if !strings.Contains(text, from) {
			t.Fatalf("the profile has no %q", from)
		}
		p := parse(t, []byte(strings.Replace(text, from, to, 1)))
		out := map[string]finding.Finding{}
		for _, f := range platform.CheckMonitoring(monitoring.Declared(p, stack.New(p))) {
			out[f.Subject+" "+f.Control] = f
		}
		return out
	}
	const app, all, again = "app HSE-MON-001", "hse-digital-monitoring HSE-MON-002", "hse-digital-monitoring HSE-MON-003"
	for name, c := range map[string]struct {
		from, to, subject string
		want              finding.Status
	}{
		"as it is":              {"name: hse-digital", "name: hse-digital", app, finding.Pass},
		"the database":          {"name: hse-digital", "name: hse-digital", "postgres HSE-MON-001", finding.Pass},
		"a receiver":            {"name: hse-digital", "name: hse-digital", all, finding.Pass},
		"metrics for everybody": {`- "3001:3001"`, `- "0.0.0.0:3001:3001"`, app, finding.Fail},
		"no receiver":           {"    - {name: operators, webhook: alert_webhook}", "    []", all, finding.Fail},
		"no alertmanager":       {"monitoring:\n", "monitoring:\n  off: [alertmanager]\n", all, finding.Fail},
		"no schedule":           {"name: hse-digital", "name: hse-digital", again, finding.Advice},
		"a schedule":            {"monitoring:\n", "monitoring:\n  verify: 6h\n", again, finding.Pass},
	} {
		if f, ok := judge(c.from, c.to)[c.subject]; !ok || f.Status != c.want || f.Tier != finding.Declared {
			t.Errorf("%s: %s is %s on %s: %s", name, c.subject, f.Status, f.Tier, f.Detail)
		}
	}
}

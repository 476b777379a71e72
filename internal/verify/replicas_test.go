package verify

import (
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
)

// Three containers of one service: what they have in common is said once, and what one of them has alone names it.
func TestReplicasAreJudgedTogether(t *testing.T) {
	s := parse(t, small)
	s.Services[0].Replicas = 3
	named := func(name string) Container {
		c := container(s)
		c.Name = name
		return c
	}
	all := []Container{named("shop-app-1"), named("shop-app-2"), named("shop-app-3")}
	evidence := judged(t, s, all...)
	if !finding.Proven(evidence.Findings) || len(evidence.Findings) != askable() || evidence.Containers != 3 {
		t.Errorf("%d findings on %d containers", len(evidence.Findings), evidence.Containers)
	}
	for _, f := range evidence.Findings {
		if !f.Proven() || strings.Contains(f.Detail, "shop-app") {
			t.Errorf("%s: %s: %s", f.Control, f.Status, f.Detail)
		}
	}

	all[1].Engine.State.Value.Running = false
	all[2].Engine.Privileged.Value = true
	evidence = judged(t, s, all...)
	rows := map[string]string{}
	for _, f := range evidence.Findings {
		rows[f.Control+" "+f.Status.String()] = f.Detail
	}
	for row, want := range map[string]string{
		"HSE-LIF-005 fail":  "shop-app-2: the container does not run",
		"HSE-LIF-005 pass":  "runs, never restarted (shop-app-1; same for 2 of 3)",
		"HSE-PRV-001 drift": "shop-app-3: ",
		"HSE-LIF-007 pass":  "3 of 3 containers",
	} {
		if !strings.HasPrefix(rows[row], want) {
			t.Errorf("%s: %q, not %q", row, rows[row], want)
		}
	}

	for n, want := range map[int]string{2: "2 of 3 containers: shop-app-1, shop-app-2", 4: "4 containers, not 3: shop-app-1, shop-app-2, shop-app-3, shop-app-4"} {
		some := append(all[:2:2], named("shop-app-3"), named("shop-app-4"))[:n]
		some[1] = named("shop-app-2")
		if f := byControl(judged(t, s, some...).Findings)["HSE-LIF-007"]; f.Status != finding.Drift || f.Detail != want {
			t.Errorf("with %d containers: %+v", n, f)
		}
	}
}

// A control that fails in many ways does not flood the reader.
func TestManyDetails(t *testing.T) {
	var all []found
	for _, name := range strings.Fields("a b c d e f") {
		all = append(all, found{name, []finding.Finding{{Control: "X", Status: finding.Fail, Tier: finding.Applied, Detail: "detail of " + name}}})
	}
	out := together(all)
	if len(out) != 1 || out[0].Detail != "a: detail of a; b: detail of b; c: detail of c; d: detail of d; and 2 more" {
		t.Errorf("%+v", out)
	}
}

package drills

import (
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/profiles"
)

func TestJudgeDrills(t *testing.T) {
	s := stack.Service{Name: "app", Limits: stack.Resources{Memory: stack.Size{Bytes: 1 << 30}},
		Environment: []stack.Variable{{Name: "NODE_OPTIONS", Value: "--max-old-space-size=512"}}}
	good := Recovered{Healthy: true, Took: 3 * time.Second}
	held := Exhausted{Limit: 1 << 30, ExitCode: 137, OOM: true}
	answered := Loaded{Requests: 100, Success: 1, P95: 10 * time.Millisecond, Samples: []Sample{{Used: map[string]Usage{"app": {Memory: 100 << 20}}}}}
	budget := Budget{P95: 50 * time.Millisecond, Memory: 0.9}
	for name, c := range map[string]struct {
		got  []finding.Finding
		want finding.Status
	}{
		"restart":                 {[]finding.Finding{JudgeRestart(s, good, time.Minute)}, finding.Pass},
		"restart, too slow":       {[]finding.Finding{JudgeRestart(s, good, time.Second)}, finding.Fail},
		"restart, never":          {[]finding.Finding{JudgeRestart(s, Recovered{State: "exited"}, time.Minute)}, finding.Fail},
		"dependency":              {[]finding.Finding{JudgeDependency(s, Outage{"db", true, "", time.Second, good}, time.Minute)}, finding.Pass},
		"dependency, unnoticed":   {[]finding.Finding{JudgeDependency(s, Outage{"db", false, "healthy", time.Second, good}, time.Minute)}, finding.Fail},
		"dependency, stays down":  {[]finding.Finding{JudgeDependency(s, Outage{"db", true, "", time.Second, Recovered{}}, time.Minute)}, finding.Fail},
		"memory":                  {JudgeMemory(s, held)[:1], finding.Pass},
		"memory, no kill":         {JudgeMemory(s, Exhausted{Limit: 1 << 30})[:1], finding.Fail},
		"memory, another limit":   {JudgeMemory(s, Exhausted{Limit: 2 << 30, ExitCode: 137, OOM: true})[:1], finding.Fail},
		"heap":                    {JudgeMemory(s, held)[1:], finding.Pass},
		"heap, Go, headroom":      {JudgeMemory(stack.Service{Limits: s.Limits, Command: []string{"GOMEMLIMIT=921MiB"}}, held)[1:], finding.Pass},
		"heap, Go, none left":     {JudgeMemory(stack.Service{Limits: s.Limits, Command: []string{"GOMEMLIMIT=1GiB"}}, held)[1:], finding.Fail},
		"heap, Node.js, too much": {JudgeMemory(stack.Service{Limits: s.Limits, Command: []string{"--max-old-space-size=900"}}, held)[1:], finding.Fail},
		"heap, unknown":           {JudgeMemory(stack.Service{Limits: s.Limits}, held)[1:], finding.NotApplicable},
		"load, errors":            {JudgeLoad(s, Loaded{Requests: 100, Success: 0.9, Errors: []string{"503"}}, budget)[:1], finding.Fail},
		"load, nothing was asked": {JudgeLoad(s, Loaded{}, budget), finding.Unknown},
		"load, answered":          {JudgeLoad(s, answered, budget)[:1], finding.Pass},
		"load, latency":           {JudgeLoad(s, answered, Budget{P95: time.Millisecond})[1:2], finding.Fail},
		"load, memory":            {JudgeLoad(s, answered, Budget{Memory: 0.05})[2:], finding.Fail},
	} {
		if len(c.got) != 1 || c.got[0].Status != c.want {
			t.Errorf("%s: %+v", name, c.got)
		}
	}
}

func TestHeapLimit(t *testing.T) {
	for text, want := range map[string]int64{"--max-old-space-size=512": 512 << 20, "java -Xmx2g -jar x": 2 << 30, "GOMEMLIMIT=400MiB": 400 << 20,
		"redis-server --maxmemory 300mb": 300 << 20, "nothing": 0} {
		if heap, _ := heapLimit(stack.Service{Command: []string{text}}); heap.Bytes != want {
			t.Errorf("%s: %d, want %d", text, heap.Bytes, want)
		}
	}
}

// What presets give a runtime fits the limit that they give the service.
func TestHeapLimitsOfPresets(t *testing.T) {
	fits := 0
	for _, name := range (profiles.Library{}).Presets() {
		text := "apiVersion: hsectl/v1\nkind: Profile\nname: x\nservices: {x: {preset: " + name + "}}\n"
		p, err := parser.Parse([]byte(text), parser.Options{File: "x.yaml", Library: profiles.Library{}})
		if err != nil {
			continue // it needs something of its user first
		}
		s := stack.New(p).Services[0]
		switch f := JudgeMemory(s, Exhausted{})[1]; f.Status {
		case finding.Fail:
			t.Errorf("%s: %s", name, f.Detail)
		case finding.Pass:
			fits++
		}
	}
	if fits < 15 {
		t.Errorf("only %d presets have a heap limit that is known", fits)
	}
}

func TestPatience(t *testing.T) {
	if got := Patience(stack.Service{Health: &stack.Health{Interval: 10 * time.Second, Timeout: 5 * time.Second, Retries: 3}}); got != 65*time.Second {
		t.Errorf("got %s", got)
	}
}

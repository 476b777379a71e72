// Package drills judges what came of a drill: a restart, a stop, a lost dependency, memory that ran out, load, a restore.
package drills

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/size"
	"github.com/hsectl/hsectl/internal/stack"
)

// drilled makes a finding of something that was tried.
func drilled(s stack.Service, control, title string, ok bool, detail string) finding.Finding {
	f := finding.Finding{Subject: s.Name, Control: control, Title: title, Severity: finding.Medium, Status: finding.Fail, Tier: finding.Behaved, Detail: detail}
	if ok {
		f.Status = finding.Pass
	}
	return f
}

// Recovered is how a service came back.
type Recovered struct {
	Healthy bool
	Took    time.Duration
	State   string        // where it stood when the time was over
	Steady  time.Duration // for which it has stayed up since; only of a service without a health test, which cannot be healthy
}

// well says how it came back.
func (r Recovered) well() string {
	if r.Steady > 0 {
		return fmt.Sprintf("up after %.1fs and still %.0fs later, without a health test,", r.Took.Seconds(), r.Steady.Seconds())
	}
	return fmt.Sprintf("healthy after %.1fs", r.Took.Seconds())
}

// ill says where it stood instead.
func (r Recovered) ill() string {
	if r.Steady > 0 {
		return fmt.Sprintf("%s, but only for the last %.1fs,", r.State, r.Steady.Seconds())
	}
	return r.State
}

// JudgeRestart wants the service healthy again within its budget.
func JudgeRestart(s stack.Service, o Recovered, budget time.Duration) finding.Finding {
	detail := fmt.Sprintf("%s of %s", o.well(), budget)
	if !o.Healthy {
		detail = fmt.Sprintf("%s after %s", o.ill(), budget)
	}
	f := drilled(s, "HSE-LIF-014", "The service restarts with its data intact", o.Healthy && o.Took <= budget, detail)
	f.Severity, f.Where, f.Remedy = finding.High, "restart", "let the program clean up after itself when it starts; raise --budget if it needs longer"
	return f
}

// Outage is what a service did while a dependency was gone, and after it came back.
type Outage struct {
	Dependency string
	Noticed    bool   // it became unhealthy, or ended
	Still      string // how it was when it was not noticed
	After      time.Duration
	Recovered  Recovered
}

// JudgeDependency wants the loss detected, and a recovery without help.
func JudgeDependency(s stack.Service, o Outage, budget time.Duration) finding.Finding {
	f := drilled(s, "HSE-LIF-015", "The service detects a lost dependency and recovers", false, "")
	f.Where, f.Remedy = "health", "let the health test ask what the service needs, and let the service connect again"
	switch {
	case !o.Noticed:
		f.Detail = fmt.Sprintf("still %s %.0fs after %s was stopped", cmp.Or(o.Still, "up"), o.After.Seconds(), o.Dependency)
	case !o.Recovered.Healthy:
		f.Detail = fmt.Sprintf("noticed after %.1fs that %s was gone, but is %s %s after it came back", o.After.Seconds(), o.Dependency, o.Recovered.ill(), budget)
	default:
		f.Status = finding.Pass
		f.Detail = fmt.Sprintf("noticed after %.1fs that %s was gone; %s once that was back", o.After.Seconds(), o.Dependency, strings.TrimSuffix(o.Recovered.well(), ","))
	}
	return f
}

// Patience is how long a service may take to notice that its health test fails.
func Patience(s stack.Service) time.Duration {
	if s.Health == nil {
		return time.Minute
	}
	return time.Duration(s.Health.Retries+1)*(s.Health.Interval+s.Health.Timeout) + 5*time.Second
}

// Exhausted is what happened to a container with the service's limits that asked for more memory than it may have.
type Exhausted struct {
	Limit    int64 // bytes, as the engine has them
	ExitCode int
	OOM      bool
	Taken    []Taken // on the way there
}

// Taken is what a process had in memory at one moment.
type Taken struct {
	At    float64 `json:"at"` // seconds after it began
	Bytes int64   `json:"bytes"`
}

// JudgeMemory wants the limit to be the declared one and to have a consequence, and the runtime's own heap limit to
// fit it.
func JudgeMemory(s stack.Service, o Exhausted) []finding.Finding {
	text := func(n int64) string { return units.BytesSize(float64(n)) }
	want := s.Limits.Memory.Bytes
	hold := drilled(s, "HSE-RES-010", "The kernel kills the service at its memory limit", o.OOM && o.ExitCode == 137 && o.Limit == want,
		fmt.Sprintf("a copy with %s ended with code %d; killed for memory: %v; declared is %s", text(o.Limit), o.ExitCode, o.OOM, text(want)))
	hold.Severity, hold.Where, hold.Remedy = finding.High, "limits", "deploy again; enable the memory controller on the host"
	heap, found := heapLimit(s)
	fit := drilled(s, "HSE-RES-011", "The runtime's own heap limit fits the memory limit", found && heap.Bytes <= want/100*heap.Share, fmt.Sprintf("%s: %s of %s", heap.Text, text(heap.Bytes), text(want)))
	fit.Where, fit.Remedy = "limits", fmt.Sprintf("set it to at most %d%% of limits.memory", heap.Share)
	if !found {
		fit.Remedy = ""
		fit.Status, fit.Tier, fit.Detail = finding.NotApplicable, finding.Declared, "neither environment nor command sets a heap limit that hsectl knows"
	}
	return []finding.Finding{hold, fit}
}

// heapLimit finds the limit that a service gives its own runtime, without which the kernel ends it.
func heapLimit(s stack.Service) (size.Promise, bool) {
	for _, p := range size.Promises(s) {
		if p.Hard {
			return p, true
		}
	}
	return size.Promise{}, false
}

// Loaded is how a service answered under load.
type Loaded struct {
	Requests  uint64
	Success   float64 // share from 0 to 1
	Rate      float64 // answers that were good, per second
	P50, P95  time.Duration
	P99, Most time.Duration
	Errors    []string
	Samples   []Sample

	Unanswered bool   // nothing answered, so no latency is known
	Ended      string // how a script failed by its own judgement, or empty
}

// Sample is what the containers of a stack used at one time.
type Sample struct {
	At   float64          // seconds after the first
	Used map[string]Usage // by service
}

// Usage is what one container used: the busiest of its service.
type Usage struct {
	Memory int64   // bytes, without the page cache
	CPU    float64 // processors
}

// Budget is what a service must keep under load.
type Budget struct {
	P95    time.Duration
	Errors float64 // share of requests that may fail
	Memory float64 // share of the limit that may be used
}

// JudgeLoad compares what was measured with the budget.
func JudgeLoad(s stack.Service, o Loaded, b Budget) []finding.Finding {
	row := func(control, title string, ok bool, detail, remedy string) finding.Finding {
		f := drilled(s, control, title, ok, detail)
		f.Where, f.Remedy = "limits", remedy
		return f
	}
	if o.Requests == 0 {
		f := row("HSE-RES-012", "The service answers under load", false, "no request was sent", "raise --rate or --duration")
		f.Status, f.Tier = finding.Unknown, finding.None
		return []finding.Finding{f}
	}
	detail := fmt.Sprintf("%d requests, %.1f%% good, %.1f per second", o.Requests, 100*o.Success, o.Rate)
	if len(o.Errors) > 0 {
		detail += "; " + display.Name(o.Errors[0])
	}
	if o.Ended != "" {
		detail += "; " + o.Ended
	}
	out := []finding.Finding{
		row("HSE-RES-012", "The service answers under load", 1-o.Success <= b.Errors && o.Ended == "", detail, "read the service's log; raise the limit that was reached"),
		row("HSE-RES-013", "The service keeps its latency under load", o.P95 <= b.P95, fmt.Sprintf("half within %s, 95%% within %s, 99%% within %s, the slowest %s; budget %s", short(o.P50), short(o.P95), short(o.P99), short(o.Most), b.P95),
			"raise limits.cpus, or the budget with --p95"),
	}
	if o.Unanswered {
		out[1].Status, out[1].Tier, out[1].Detail = finding.Unknown, finding.None, "nothing answered"
	}
	var most int64
	for _, sample := range o.Samples {
		most = max(most, sample.Used[s.Name].Memory)
	}
	if limit := s.Limits.Memory.Bytes; limit > 0 && most > 0 {
		share := float64(most) / float64(limit)
		out = append(out, row("HSE-RES-014", "The service stays below its memory limit under load", share <= b.Memory, fmt.Sprintf("%s of %s, %.0f%%", units.BytesSize(float64(most)), units.BytesSize(float64(limit)), 100*share), "raise limits.memory"))
	}
	return out
}

func short(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }

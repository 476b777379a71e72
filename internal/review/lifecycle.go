package review

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/stack"
)

// lifecycleComparison compares how failure and stopping are noticed.
type lifecycleComparison struct{ *serviceComparison }

func logText(l stack.Log) string { return fmt.Sprintf("%d × %s", l.MaxFiles, l.MaxSize.Text) }

func resourcesText(r stack.Resources) string {
	var parts []string
	if r.CPUs != "" {
		parts = append(parts, r.CPUs+" cpus")
	}
	if r.Memory.Text != "" {
		parts = append(parts, r.Memory.Text+" memory")
	}
	return strings.Join(parts, ", ")
}

func (s lifecycleComparison) health() {
	old, now := s.old.Health, s.new.Health
	switch {
	case old == nil && now == nil:
		return
	case now == nil:
		s.change(Change{Rule: RuleHealth, Control: "HSE-HLT-001", Direction: Weaker, Severity: finding.Medium, What: "health test", Old: strings.Join(old.Test, " "), Key: "health",
			Reason: "no test shows whether the service works"})
		return
	case old == nil:
		s.change(Change{Rule: RuleHealth, Control: "HSE-HLT-001", Direction: Stronger, Severity: finding.Medium, What: "health test", New: strings.Join(now.Test, " "), Key: "health",
			Reason: "the service has a health test now"})
		return
	}
	if !slices.Equal(old.Test, now.Test) {
		s.change(Change{Rule: RuleHealth, Control: "HSE-HLT-004", What: "health test", Old: strings.Join(old.Test, " "), New: strings.Join(now.Test, " "), Key: "health", Reason: "the test changed; check that it can fail"})
	}
	s.slower("health.interval", "time between two tests", old.Interval, now.Interval)
	s.slower("health.timeout", "time until a test fails", old.Timeout, now.Timeout)
	s.slower("health.start_period", "time in which failures do not count", old.StartPeriod, now.StartPeriod)
	if old.Retries != now.Retries {
		s.loosened("health.retries", "failures until unhealthy", fmt.Sprint(old.Retries), fmt.Sprint(now.Retries), now.Retries > old.Retries)
	}
}

func (s lifecycleComparison) slower(key, what string, old, now time.Duration) {
	if old != now {
		s.loosened(key, what, old.String(), now.String(), now > old)
	}
}

func (s lifecycleComparison) loosened(key, what, old, now string, looser bool) {
	c := Change{Rule: RuleHealth, Control: "HSE-HLT-001", Direction: Stronger, Severity: finding.Low, What: what, Old: old, New: now, Key: key, Reason: "failure is noticed sooner"}
	if looser {
		c.Direction, c.Reason = Weaker, "failure is noticed later"
	}
	s.change(c)
}

func (s lifecycleComparison) shutdown() {
	old, now := s.old.Shutdown, s.new.Shutdown
	if old.Signal != now.Signal {
		s.change(Change{Rule: RuleHealth, Control: "HSE-LIF-002", What: "stop signal", Old: old.Signal, New: now.Signal, Key: "shutdown.signal", Reason: "prove it with: hsectl drill shutdown"})
	}
	if old.Grace != now.Grace {
		c := Change{Rule: RuleHealth, Control: "HSE-LIF-002", Direction: Weaker, Severity: finding.Low, What: "grace period", Old: old.Grace.String(), New: now.Grace.String(), Key: "shutdown.grace", Reason: "less time to finish what is in flight"}
		if now.Grace > old.Grace {
			c.Direction, c.Reason = Stronger, "more time to finish what is in flight"
		}
		s.change(c)
	}
	if old.Timeout != now.Timeout || !slices.Equal(old.Logs, now.Logs) {
		s.change(Change{Rule: RuleHealth, What: "proof of the shutdown", Old: shutdownText(old), New: shutdownText(now), Key: "shutdown", Reason: "what drill shutdown expects"})
	}
	if s.old.Init != s.new.Init {
		s.change(Change{Rule: RuleHealth, Control: "HSE-LIF-002", What: "init", Old: fmt.Sprint(s.old.Init), New: fmt.Sprint(s.new.Init), Key: "init", Reason: "another program is PID 1: it passes signals on and reaps"})
	}
	if s.old.Restart != s.new.Restart {
		s.change(Change{Rule: RuleHealth, Control: "HSE-LIF-004", What: "restart", Old: s.old.Restart, New: s.new.Restart, Key: "restart", Reason: "what happens when the service ends"})
	}
	s.dependencies()
}

func shutdownText(s stack.Shutdown) string {
	return fmt.Sprintf("within %s, %d log lines", s.Timeout, len(s.Logs))
}

func (s lifecycleComparison) dependencies() {
	for i, d := range s.new.DependsOn {
		j := slices.IndexFunc(s.old.DependsOn, func(o stack.Dependency) bool { return o.Service == d.Service })
		key := fmt.Sprintf("depends_on[%d]", i)
		switch {
		case j < 0:
			s.change(Change{Rule: RuleHealth, What: "dependency", New: d.Service + " " + d.Condition, Key: key, Reason: "it starts first"})
		case s.old.DependsOn[j].Condition == d.Condition && s.old.DependsOn[j].Restart != d.Restart:
			s.change(Change{Rule: RuleHealth, What: "restart after " + d.Service + " was replaced", Old: fmt.Sprint(!d.Restart), New: fmt.Sprint(d.Restart), Key: key, Reason: "it looks up its address anew, or keeps it"})
		case s.old.DependsOn[j] != d:
			c := Change{Rule: RuleHealth, What: "dependency on " + d.Service, Old: s.old.DependsOn[j].Condition, New: d.Condition, Key: key, Reason: "it waits for something else"}
			switch "started" {
			case d.Condition:
				c.Direction, c.Severity, c.Reason = Weaker, finding.Low, "it does not wait until "+d.Service+" works"
			case c.Old:
				c.Direction, c.Severity, c.Reason = Stronger, finding.Low, "it waits until "+d.Service+" works"
			}
			s.change(c)
		}
	}
	for _, d := range s.old.DependsOn {
		if !slices.ContainsFunc(s.new.DependsOn, func(o stack.Dependency) bool { return o.Service == d.Service }) {
			s.change(Change{Rule: RuleHealth, What: "dependency", Old: d.Service + " " + d.Condition, Key: "depends_on", Reason: "it no longer waits for it"})
		}
	}
}

// proofs are what verify must see: less of it proves less.
func (s lifecycleComparison) proofs() {
	for _, p := range s.old.Denied {
		if !slices.Contains(s.new.Denied, p) {
			s.change(Change{Rule: RuleControl, Control: "HSE-FS-010", Direction: Weaker, Severity: finding.Low, What: "denied path", Old: p, Key: "verify.denied", Reason: "verify no longer proves that it cannot be written"})
		}
	}
	for _, r := range s.old.Reach {
		if !slices.Contains(s.new.Reach, r) {
			s.change(Change{Rule: RuleControl, Control: "HSE-NET-010", Direction: Weaker, Severity: finding.Low, What: "question", Old: r.URL, Key: "verify.reach", Reason: "verify does not prove any more that it is answered"})
		}
	}
	for i, r := range s.new.Reach {
		if !slices.Contains(s.old.Reach, r) {
			s.change(Change{Rule: RuleControl, Control: "HSE-NET-010", Direction: Stronger, Severity: finding.Low, What: "question", New: r.URL, Key: fmt.Sprintf("verify.reach[%d]", i), Reason: "verify proves that it is answered"})
		}
	}
	for i, p := range s.new.Denied {
		if !slices.Contains(s.old.Denied, p) {
			s.change(Change{Rule: RuleControl, Control: "HSE-FS-010", Direction: Stronger, Severity: finding.Low, What: "denied path", New: p, Key: fmt.Sprintf("verify.denied[%d]", i), Reason: "verify proves that it cannot be written"})
		}
	}
	for i, p := range s.new.ListenUDP {
		if !slices.Contains(s.old.ListenUDP, p) {
			s.change(Change{Rule: RuleControl, Control: "HSE-NET-007", Direction: Weaker, Severity: finding.Low, What: "listening UDP port", New: fmt.Sprint(p), Key: fmt.Sprintf("verify.listen_udp[%d]", i), Reason: "the service may listen on more ports"})
		}
	}
	for _, p := range s.old.ListenUDP {
		if !slices.Contains(s.new.ListenUDP, p) {
			s.change(Change{Rule: RuleControl, Control: "HSE-NET-007", Direction: Stronger, Severity: finding.Low, What: "listening UDP port", Old: fmt.Sprint(p), Key: "verify.listen_udp", Reason: "the service may listen on fewer ports"})
		}
	}
	if slices.Equal(s.old.Listen, s.new.Listen) && (s.old.Listen == nil) == (s.new.Listen == nil) {
		return
	}
	c := Change{Rule: RuleControl, Control: "HSE-NET-007", Direction: Weaker, Severity: finding.Low, What: "listening ports", Old: listenText(s.old.Listen), New: listenText(s.new.Listen), Key: "verify.listen", Reason: "the service may listen on more ports"}
	switch {
	case s.new.Listen == nil:
		c.Reason = "verify no longer checks listening ports"
	case s.old.Listen == nil:
		c.Direction, c.Reason = Stronger, "verify proves that no other port is open"
	case !slices.ContainsFunc(s.new.Listen, func(p int) bool { return !slices.Contains(s.old.Listen, p) }):
		c.Direction, c.Reason = Stronger, "the service may listen on fewer ports"
	}
	s.change(c)
}

func listenText(ports []int) string {
	if ports == nil {
		return ""
	}
	return fmt.Sprint(ports)
}

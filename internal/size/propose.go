package size

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/stack"
)

// The numbers of all proposals. The margin of 20 percent lies between those of the Vertical Pod Autoscaler: 15 percent over a
// percentile, and 20 percent more after a kill (kubernetes/autoscaler, vertical-pod-autoscaler/pkg/recommender). A limit is no request:
// reaching it ends the program, so the peak counts, and a kill adds a quarter.
const (
	// Margin is kept above a peak of memory and above the 95th percentile of cpu.
	Margin = 1.2
	// StartMargin is kept above what a start took: a start does the same work each time.
	StartMargin = 1.1
	// KillMargin is added after a kill for memory: what was needed is not known, only that it was more.
	KillMargin = 1.25
	// CountMargin is kept above a peak of processes and of files in a tmpfs: both jump.
	CountMargin = 2.0

	// StartTime is how long after a start measurements are kept apart.
	StartTime = 5 * time.Minute
	// Window of Prometheus that is asked for: two weeks hold two of each day of the week.
	DefaultWindow = 14 * 24 * time.Hour
	// LeastObserved must have been measured, or nothing is proposed without force: a day has its quiet and its busy hours.
	LeastObserved = 24 * time.Hour

	// cpuPercentile of the measurements must fit a cpu limit: above it the service gets slower and does not fail.
	cpuPercentile = 95
	// A reservation is between these percentiles.
	reservedLow, reservedHigh = 50, 90
	// Of the periods in which a service wanted to run, it was stopped in this share: from calm on a limit is not lowered, from slowed on it
	// is raised by a quarter. Prometheus' own mixin for Kubernetes warns at 25 percent.
	calm, slowed = 0.01, 0.05
	cpuRaise     = 1.25

	// A limit that is this close to the proposal stays as it is.
	tolerance = 0.05
	// The least limits: what an engine takes, and room for a start, a health test and a shell.
	leastMemory, leastTmpfs = 6 << 20, 1 << 20
	leastCPU, leastReserved = 0.1, 0.01
	leastPIDs               = 32
)

// Verdict is what comes of one setting.
type Verdict string

// The verdicts.
const (
	Changes Verdict = "change"    // another value is proposed
	Fits    Verdict = "fits"      // the value may stay
	Unknown Verdict = "unknown"   // it was not measured: nothing is proposed
	Short   Verdict = "too short" // not measured for long enough: nothing is proposed
)

// Change is one setting of a service: what it is, what is proposed, and why.
type Change struct {
	Key      string  `json:"key"` // below the service, such as limits.memory
	Now      string  `json:"now,omitempty"`
	Proposed string  `json:"proposed,omitempty"` // as a profile writes it
	Verdict  Verdict `json:"verdict"`
	Why      string  `json:"why"`

	Lowers bool `json:"lowers,omitempty"`
}

// Confidence is how much is known of a service.
type Confidence string

// The levels of confidence.
const (
	High   Confidence = "high"
	Medium Confidence = "medium"
	Low    Confidence = "low"
	None   Confidence = "none"
)

// Proposal is everything about one service.
type Proposal struct {
	Service    string
	Observed   time.Duration
	Samples    int // times at which memory was measured
	Coverage   float64
	Confidence Confidence
	Doubts     []string // why the confidence is not higher
	Settings   []Change
}

// Changes reports whether anything is proposed.
func (p Proposal) Changes() bool {
	for _, c := range p.Settings {
		if c.Verdict == Changes {
			return true
		}
	}
	return false
}

// Options say what is proposed at all.
type Options struct {
	Force bool // also from less than a day
}

// Propose returns what the usage of a service asks for. Promises are those of the service, with those marked that follow the limit.
func Propose(s stack.Service, promises []Promise, u Usage, w Window, o Options) Proposal {
	out := Proposal{Service: s.Name, Observed: w.Observed(u), Samples: len(u.steps()), Coverage: w.coverage(u)}
	out.Confidence, out.Doubts = confidence(s, u, w, out)
	c := calculation{service: s, usage: u, promises: promises}
	limit := c.memory()
	out.Settings = append(out.Settings, limit, c.cpus(), c.pids())
	for _, writable := range s.Writable {
		if writable.Size.Bytes > 0 {
			out.Settings = append(out.Settings, c.tmpfs(writable))
		}
	}
	out.Settings = append(out.Settings, c.reservedMemory(), c.reservedCPUs())
	if out.Observed < LeastObserved && !o.Force {
		for i := range out.Settings {
			out.Settings[i] = tooShort(out.Settings[i], out.Observed)
		}
	}
	return out
}

// tooShort takes back what would be proposed.
func tooShort(c Change, observed time.Duration) Change {
	if c.Verdict != Changes && c.Verdict != Fits {
		return c
	}
	return Change{Key: c.Key, Now: c.Now, Verdict: Short, Why: fmt.Sprintf("measured for %s; %s are needed", Time(observed), Time(LeastObserved))}
}

func confidence(s stack.Service, u Usage, w Window, p Proposal) (Confidence, []string) {
	if p.Samples == 0 {
		return None, nil
	}
	out, doubts := High, []string(nil)
	lower := func(to Confidence, format string, args ...any) {
		doubts = append(doubts, fmt.Sprintf(format, args...))
		if out == High || to == Low {
			out = to
		}
	}
	if p.Observed < LeastObserved {
		lower(Low, "measured for less than %s", Time(LeastObserved))
	} else if p.Observed < DefaultWindow/2 {
		lower(Medium, "measured for less than %s", Time(DefaultWindow/2))
	}
	if p.Coverage < 0.9 {
		lower(Medium, "%.0f %% of the time is missing", 100*(1-p.Coverage))
	}
	if w.Dropped > 0 {
		lower(Medium, "%d values of %s are none", w.Dropped, w.Source)
	}
	if len(w.Warnings) > 0 {
		lower(Medium, "%s warns: %s", w.Source, w.Warnings[0])
	}
	if last, ok := u.Limit.last(w.To); ok && s.Limits.Memory.Bytes > 0 && int64(last.Value) != s.Limits.Memory.Bytes {
		lower(Medium, "measured under a memory limit of %s", Bytes(int64(last.Value)))
	}
	return out, doubts
}

// calculation is about one service.
type calculation struct {
	service  stack.Service
	usage    Usage
	promises []Promise
	limit    int64   // memory limit that is proposed or stays, in bytes
	cpu      float64 // the same of processors
}

// memory proposes the memory limit.
func (c *calculation) memory() Change {
	now := c.service.Limits.Memory
	c.limit = now.Bytes
	out := Change{Key: "limits.memory", Now: now.Text, Verdict: Unknown}
	peak, ok := c.usage.Memory.Peak()
	start, started := c.usage.Start.Peak()
	switch {
	case !ok && started:
		out.Why = fmt.Sprintf("only a start was measured, which took %s", Bytes(int64(start)))
		return out
	case !ok:
		out.Why = "memory was not measured"
		return out
	}
	need, why := peak*Margin, fmt.Sprintf("peak %s × %s", Bytes(int64(peak)), number(Margin))
	killed := len(c.usage.Kills) > 0
	if killed {
		at := c.killedAt()
		need, why = need*KillMargin, why+fmt.Sprintf(" + 25 %% after an OOM kill on %s", c.usage.Kills[len(c.usage.Kills)-1].At.UTC().Format(time.DateOnly))
		if need < at*KillMargin {
			need, why = at*KillMargin, fmt.Sprintf("killed at a limit of %s on %s, + 25 %%", Bytes(int64(at)), c.usage.Kills[len(c.usage.Kills)-1].At.UTC().Format(time.DateOnly))
		}
	}
	if started && start*StartMargin > need {
		need, why = start*StartMargin, fmt.Sprintf("the start took %s, × %s", Bytes(int64(start)), number(StartMargin))
	}
	for _, p := range c.promises {
		used := peak
		if heap, ok := c.usage.Heap.Peak(); ok && p.Name != "GOMEMLIMIT" {
			used = heap * Margin
		}
		if least, reason := p.floor(now.Bytes, used); float64(least) > need {
			need, why = float64(least), reason
		}
	}
	bytes := max(wholeMiB(need), leastMemory)
	if near(float64(bytes), float64(now.Bytes)) && !killed && bytes <= now.Bytes {
		bytes = now.Bytes
	}
	c.limit = bytes
	return settle(out, float64(now.Bytes), float64(bytes), Bytes(bytes), why)
}

// killedAt is the highest memory limit at which the service was killed.
func (c *calculation) killedAt() float64 {
	out := 0.0
	for _, kill := range c.usage.Kills {
		at := float64(c.service.Limits.Memory.Bytes)
		if limit, ok := c.usage.Limit.last(kill.At); ok {
			at = limit.Value
		}
		out = max(out, at)
	}
	return out
}

// cpus proposes the cpu limit.
func (c *calculation) cpus() Change {
	now := c.service.Limits
	limit := float64(now.Nano) / 1e9
	c.cpu = limit
	out := Change{Key: "limits.cpus", Now: now.CPUs, Verdict: Unknown}
	p95, ok := c.usage.CPU.Percentile(cpuPercentile)
	if !ok {
		out.Why = "cpu was not measured"
		return out
	}
	need, why := p95*Margin, fmt.Sprintf("p95 %s × %s", number(p95), number(Margin))
	unmeasured := len(c.usage.Periods) == 0
	throttled := c.usage.Throttled.Sum() / max(1, c.usage.Periods.Sum()) // without a period in which it ran, it was not stopped either
	switch {
	case unmeasured && need < limit:
		out.Why = why + ", but throttling was not measured"
		return out
	case unmeasured:
	case throttled >= slowed && need < limit*cpuRaise:
		need, why = limit*cpuRaise, fmt.Sprintf("throttled in %s of the periods: + 25 %%", percent(throttled))
	case throttled >= calm && need < limit:
		need, why = limit, fmt.Sprintf("throttled in %s of the periods: not lowered", percent(throttled))
	default:
		why += fmt.Sprintf("; throttled in %s of the periods", percent(throttled))
	}
	cpus := max(math.Ceil(need*20-1e-9)/20, leastCPU)
	if near(cpus, limit) && cpus <= limit {
		cpus = limit
	}
	c.cpu = cpus
	return settle(out, limit, cpus, CPUs(cpus), why)
}

// pids proposes the limit of processes and threads.
func (c *calculation) pids() Change {
	now := c.service.Limits.PIDs
	out := Change{Key: "limits.pids", Now: strconv.Itoa(now), Verdict: Unknown}
	peak, ok := c.usage.PIDs.Peak()
	if !ok || peak == 0 {
		out.Why = "processes were not measured"
		return out
	}
	pids := max(int(math.Ceil(peak*CountMargin)), leastPIDs)
	if near(float64(pids), float64(now)) && pids <= now {
		pids = now
	}
	why := fmt.Sprintf("peak %.0f × %s", peak, number(CountMargin))
	if pids == leastPIDs {
		why += fmt.Sprintf(", at least %d", leastPIDs)
	}
	return settle(out, float64(now), float64(pids), strconv.Itoa(pids), why)
}

// tmpfs proposes the size of a tmpfs.
func (c *calculation) tmpfs(w stack.Writable) Change {
	out := Change{Key: TmpfsKey(w.Path), Now: w.Size.Text, Verdict: Unknown}
	peak, ok := c.usage.Tmpfs[w.Path].Peak()
	if !ok {
		out.Why = "it was not measured"
		return out
	}
	if peak == 0 {
		out.Verdict, out.Why = Fits, "it was empty: what it is for did not happen meanwhile"
		return out
	}
	bytes := max(wholeMiB(peak*CountMargin), leastTmpfs)
	if near(float64(bytes), float64(w.Size.Bytes)) && bytes <= w.Size.Bytes {
		bytes = w.Size.Bytes
	}
	return settle(out, float64(w.Size.Bytes), float64(bytes), Bytes(bytes), fmt.Sprintf("peak %s × %s", Bytes(int64(math.Ceil(peak))), number(CountMargin)))
}

// TmpfsKey names the size of a tmpfs among the settings of a service.
func TmpfsKey(path string) string { return "tmpfs " + path }

// reservedMemory proposes the reservation of memory.
func (c *calculation) reservedMemory() Change {
	now := c.service.Reservations.Memory
	out := Change{Key: "reservations.memory", Now: now.Text, Verdict: Unknown}
	low, ok := c.usage.Memory.Percentile(reservedLow)
	high, _ := c.usage.Memory.Percentile(reservedHigh)
	if !ok {
		out.Why = "memory was not measured"
		return out
	}
	least, most := wholeMiB(low), wholeMiB(high)
	bytes := min(max(now.Bytes, least), max(most, least), c.limit)
	if near(float64(bytes), float64(now.Bytes)) && now.Bytes <= c.limit {
		bytes = now.Bytes
	}
	return settle(out, float64(now.Bytes), float64(bytes), Bytes(bytes), fmt.Sprintf("half of the time at most %s, 90 %% of it %s", Bytes(least), Bytes(most)))
}

// reservedCPUs proposes the reservation of processors.
func (c *calculation) reservedCPUs() Change {
	now := c.service.Reservations
	out := Change{Key: "reservations.cpus", Now: now.CPUs, Verdict: Unknown}
	low, ok := c.usage.CPU.Percentile(reservedLow)
	high, _ := c.usage.CPU.Percentile(reservedHigh)
	if !ok {
		out.Why = "cpu was not measured"
		return out
	}
	round := func(v float64) float64 { return max(math.Ceil(v*100-1e-9)/100, leastReserved) }
	reserved := float64(now.Nano) / 1e9
	cpus := min(max(reserved, round(low)), round(high), c.cpu)
	if near(cpus, reserved) && reserved <= c.cpu {
		cpus = reserved
	}
	return settle(out, reserved, cpus, CPUs(cpus), fmt.Sprintf("half of the time at most %s, 90 %% of it %s", number(round(low)), number(round(high))))
}

// settle completes a setting: it fits, or it changes.
func settle(c Change, now, proposed float64, text, why string) Change {
	c.Why, c.Verdict = why, Fits
	if math.Abs(now-proposed) > 1e-9 {
		c.Verdict, c.Proposed, c.Lowers = Changes, text, proposed < now
	}
	return c
}

func near(a, b float64) bool { return b > 0 && math.Abs(a-b) <= tolerance*b }

// wholeMiB rounds up to whole MiB.
func wholeMiB(bytes float64) int64 { return int64(math.Ceil(bytes/(1<<20)-1e-9)) << 20 }

// Bytes writes an amount of memory as a profile does: 480M, 2G.
func Bytes(n int64) string {
	switch {
	case n <= 0:
		return "0"
	case n%(1<<30) == 0:
		return fmt.Sprintf("%dG", n>>30)
	case n >= 1<<20:
		return fmt.Sprintf("%dM", (n+1<<20-1)>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%dK", (n+1<<10-1)>>10)
	}
	return fmt.Sprintf("%dB", n)
}

// CPUs writes a number of processors as a profile does, without its quotes.
func CPUs(n float64) string { return strconv.FormatFloat(math.Round(n*1000)/1000, 'f', -1, 64) }

// Time writes a span in days and hours, or in what is smaller.
func Time(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		if hours := int(d.Hours()) % 24; hours > 0 {
			return fmt.Sprintf("%dd %dh", int(d.Hours())/24, hours)
		}
		return fmt.Sprintf("%dd", int(d.Hours())/24)
	case d >= time.Hour:
		if minutes := int(d.Minutes()) % 60; minutes > 0 {
			return fmt.Sprintf("%dh %dm", int(d.Hours()), minutes)
		}
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return strings.TrimSuffix(d.Round(time.Second).String(), "m0s") + minutes(d)
}

// minutes is the unit of a whole number of them, whose seconds are not written.
func minutes(d time.Duration) string {
	if d = d.Round(time.Second); d >= time.Minute && d%time.Minute == 0 {
		return "m"
	}
	return ""
}

func number(v float64) string { return strconv.FormatFloat(math.Ceil(v*100-1e-6)/100, 'f', -1, 64) }

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

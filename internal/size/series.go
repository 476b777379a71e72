// Package size proposes limits and reservations from what the containers of a stack used: series of measurements in, proposals
// with their reasons out. Prometheus and the engine are asked elsewhere.
package size

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Point is one measurement.
type Point struct {
	At    time.Time
	Value float64
}

// Series are the measurements of one service, by time. A time without a point is a gap, and counts as nothing.
type Series []Point

// NewSeries sorts points by time. Of several at one time the highest counts: each container has the limits for itself.
func NewSeries(points []Point) Series {
	out := slices.Clone(points)
	slices.SortStableFunc(out, func(a, b Point) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(b.Value, a.Value))
	})
	return slices.CompactFunc(out, func(a, b Point) bool { return a.At.Equal(b.At) })
}

// Peak returns the highest value, or false when nothing was measured.
func (s Series) Peak() (float64, bool) {
	if len(s) == 0 {
		return 0, false
	}
	return slices.MaxFunc(s, func(a, b Point) int { return cmp.Compare(a.Value, b.Value) }).Value, true
}

// Percentile returns the least value that p percent of the points do not exceed (nearest rank), or false when nothing was measured.
func (s Series) Percentile(p float64) (float64, bool) {
	if len(s) == 0 {
		return 0, false
	}
	values := make([]float64, len(s))
	for i, point := range s {
		values[i] = point.Value
	}
	slices.Sort(values)
	rank := int(math.Ceil(p / 100 * float64(len(values))))
	return values[max(rank, 1)-1], true
}

// Sum adds all values, such as those of a counter's increases.
func (s Series) Sum() float64 {
	total := 0.0
	for _, point := range s {
		total += point.Value
	}
	return total
}

// last returns the latest point that is not after a time, or false.
func (s Series) last(at time.Time) (Point, bool) {
	i, found := slices.BinarySearchFunc(s, at, func(p Point, at time.Time) int { return p.At.Compare(at) })
	if found {
		return s[i], true
	}
	if i == 0 {
		return Point{}, false
	}
	return s[i-1], true
}

// Usage is what the busiest container of a service used in a window.
type Usage struct {
	Memory    Series            // bytes without file cache, after the start: the highest of each step
	Start     Series            // the same soon after a start
	Heap      Series            // bytes of the heap, as the runtime itself reports them
	CPU       Series            // processors
	Periods   Series            // periods of the scheduler in which the service wanted to run, in each step
	Throttled Series            // those of them in which it was stopped at its cpu limit
	PIDs      Series            // processes and threads
	Tmpfs     map[string]Series // bytes in each tmpfs, by path
	Kills     Series            // a point for each step with a kill for memory
	Limit     Series            // memory limit in bytes, as it was at the time
}

// Window is the time that was measured, and how.
type Window struct {
	From, To time.Time
	Step     time.Duration // time that one point stands for
	Source   string        // who measured it, such as "Prometheus"
	Dropped  int           // values that cannot be measurements
	Warnings []string      // what the source itself says about its answers
}

// Length is the time between both ends.
func (w Window) Length() time.Duration { return w.To.Sub(w.From) }

// steps are the times at which memory was measured, during a start or after it.
func (u Usage) steps() Series {
	return NewSeries(append(slices.Clone(u.Memory), u.Start...))
}

// Observed is how much of a window was measured, at most all of it.
func (w Window) Observed(u Usage) time.Duration {
	return min(time.Duration(len(u.steps()))*w.Step, w.Length())
}

// coverage is the share of the time between the first and the last measurement in which there is one.
func (w Window) coverage(u Usage) float64 {
	steps := u.steps()
	if len(steps) == 0 || w.Step <= 0 {
		return 0
	}
	wanted := steps[len(steps)-1].At.Sub(steps[0].At)/w.Step + 1
	return min(1, float64(len(steps))/float64(wanted))
}

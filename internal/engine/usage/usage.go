// Package usage reads again and again what the containers of a stack use, as the engine and their own file systems say.
package usage

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/size"
	"github.com/hsectl/hsectl/internal/verify"
)

// Examiner inspects a container from within.
type Examiner interface {
	Examine(ctx context.Context, c engine.Container, ask verify.Request) (*verify.Dump, error)
}

// Meter reads what containers use.
type Meter struct {
	engine *engine.Connection
	inside Examiner
}

// New returns the meter of an engine.
func New(e *engine.Connection, inside Examiner) *Meter { return &Meter{e, inside} }

// Plan says what is read, how often and for how long.
type Plan struct {
	Stack    string
	Services []string
	Tmpfs    map[string][]string // paths of each service
	Interval time.Duration
	Duration time.Duration
	Tell     func(left time.Duration) // told before each reading; may be nil
}

// tmpfsShare bounds how much of the time is spent on looking into each tmpfs: from afar, a look takes a container of its own.
const tmpfsShare = 20

// Readings reads until the time is over. A container that starts, ends or is replaced meanwhile is read while it runs; a reading that the
// engine does not answer is missing. Times are those of the engine's clock.
func (m *Meter) Readings(ctx context.Context, p Plan) ([]size.Reading, error) {
	now, err := m.engine.Now(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := m.engine.Stack(ctx, p.Stack); err != nil {
		return nil, err
	}
	begun := time.Now()
	ticker := time.NewTicker(p.Interval)
	defer ticker.Stop()
	var out []size.Reading
	var look time.Duration // when each tmpfs is looked into next, after the begin
	for {
		passed := time.Since(begun)
		if p.Tell != nil {
			p.Tell(max(0, p.Duration-passed))
		}
		round := reading{plan: p, at: now.Add(passed), tmpfs: passed >= look}
		out = append(out, m.read(ctx, round)...)
		if round.tmpfs {
			took := time.Since(begun) - passed
			look = passed + took*tmpfsShare
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if time.Since(begun)+p.Interval > p.Duration {
			return out, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticker.C:
		}
	}
}

// reading is one reading of all containers.
type reading struct {
	plan  Plan
	at    time.Time
	tmpfs bool // each tmpfs is looked into as well
}

// read asks for all containers at once.
func (m *Meter) read(ctx context.Context, r reading) []size.Reading {
	list, err := m.engine.Stack(ctx, r.plan.Stack)
	if err != nil {
		return nil // a gap, which is counted
	}
	var out []size.Reading
	var mu sync.Mutex // guards out
	var wg sync.WaitGroup
	slots := make(chan struct{}, engine.InspectParallel)
	for _, c := range list {
		if !c.State.Running || !slices.Contains(r.plan.Services, c.Config.Labels[engine.ComposeService]) {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			one, ok := m.container(ctx, c, r)
			if !ok {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			out = append(out, one)
		})
	}
	wg.Wait()
	return out
}

// container reads one container. One that ends meanwhile has no reading.
func (m *Meter) container(ctx context.Context, c engine.Container, r reading) (size.Reading, bool) {
	stats, err := m.engine.Stats(ctx, c.ID)
	if err != nil || stats.MemoryStats.Usage == 0 {
		return size.Reading{}, false
	}
	out := size.Reading{
		At: r.at, Read: stats.Read, Service: c.Config.Labels[engine.ComposeService], Container: c.ID,
		Memory: withoutFiles(stats.MemoryStats), Limit: c.HostConfig.Memory,
		CPU:     time.Duration(stats.CPUStats.CPUUsage.TotalUsage),
		Periods: stats.CPUStats.ThrottlingData.Periods, Throttled: stats.CPUStats.ThrottlingData.ThrottledPeriods,
		PIDs: int(stats.PidsStats.Current), Killed: c.State.OOMKilled,
	}
	if out.Started, err = time.Parse(time.RFC3339Nano, c.State.StartedAt); err != nil {
		return size.Reading{}, false // without it a start is not told from what follows
	}
	if paths := r.plan.Tmpfs[out.Service]; r.tmpfs && len(paths) > 0 {
		if dump, err := m.inside.Examine(ctx, c, verify.Request{Only: true, Used: paths}); err == nil {
			out.Tmpfs = dump.Used // what could not be read is missing
		}
	}
	return out, true
}

// withoutFiles is the memory of a container without its file cache, which the kernel gives back when it is needed. Files in a tmpfs and shared
// memory are not on these lists: they count.
func withoutFiles(s container.MemoryStats) int64 {
	files := s.Stats["active_file"] + s.Stats["inactive_file"] // control groups version 2
	if _, first := s.Stats["total_inactive_file"]; first {     // version 1, with the groups below
		files = s.Stats["total_active_file"] + s.Stats["total_inactive_file"]
	}
	if files >= s.Usage {
		return 0
	}
	return int64(s.Usage - files)
}

package trials

import (
	"context"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/verify/drills"
)

// Sample reads what the containers of a stack use, each interval, until the context ends.
func (d *Drills) Sample(ctx context.Context, project string, interval time.Duration) ([]drills.Sample, error) {
	list, err := d.engine.Stack(ctx, project)
	if err != nil {
		return nil, err
	}
	var out []drills.Sample
	begun := time.Now()
	var before map[string]reading
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		at := time.Since(begun).Seconds()
		now := d.allStats(ctx, list)
		if ctx.Err() != nil {
			return out, nil // what was cut off is not the whole
		}
		if before != nil { // processors are known from the second reading on
			out = append(out, drills.Sample{At: at, Used: usage(before, now)})
		}
		before = now
		select {
		case <-ctx.Done():
			return out, nil
		case <-ticker.C:
		}
	}
}

// reading is what one container had used at a time.
type reading struct {
	service string
	stats   container.StatsResponse
}

// allStats asks for all containers at once, by id. One that ended uses nothing.
func (d *Drills) allStats(ctx context.Context, list []engine.Container) map[string]reading {
	out := map[string]reading{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, c := range list {
		wg.Go(func() {
			stats, err := d.engine.Stats(ctx, c.ID)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			out[c.ID] = reading{c.Config.Labels[engine.ComposeService], stats}
		})
	}
	wg.Wait()
	return out
}

// usage is what the busiest container of each service used: each has the limits for itself.
func usage(before, now map[string]reading) map[string]drills.Usage {
	out := map[string]drills.Usage{}
	for id, r := range now {
		u := out[r.service]
		u.Memory = max(u.Memory, memoryOf(r.stats))
		last, ok := before[id]
		if ok && r.stats.Read.After(last.stats.Read) && r.stats.CPUStats.CPUUsage.TotalUsage >= last.stats.CPUStats.CPUUsage.TotalUsage {
			used := float64(r.stats.CPUStats.CPUUsage.TotalUsage - last.stats.CPUStats.CPUUsage.TotalUsage)
			u.CPU = max(u.CPU, used/float64(r.stats.Read.Sub(last.stats.Read).Nanoseconds()))
		}
		out[r.service] = u
	}
	return out
}

// memoryOf leaves the inactive page cache out, as docker stats does: the kernel gives it back when it is needed.
func memoryOf(s container.StatsResponse) int64 {
	used := s.MemoryStats.Usage
	for _, name := range []string{"total_inactive_file", "inactive_file"} { // version 1, version 2
		if cache, ok := s.MemoryStats.Stats[name]; ok && cache < used {
			return int64(used - cache)
		}
	}
	return int64(used)
}

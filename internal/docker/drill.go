package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/verify"
)

// Await watches a service until it is healthy, or until it is not, for at most the budget. A container that ended is not
// healthy.
func (e *Engine) Await(ctx context.Context, project, service string, healthy bool, budget time.Duration) (verify.Recovered, error) {
	begun := time.Now()
	over := time.NewTimer(budget)
	defer over.Stop()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		c, err := e.serviceContainer(ctx, project, service)
		if err != nil {
			return verify.Recovered{}, err
		}
		good := wellOff(c) && c.State.Running
		bad := !c.State.Running || c.State.Health != nil && c.State.Health.Status == container.Unhealthy
		if healthy && good || !healthy && bad {
			return verify.Recovered{Healthy: good, Took: time.Since(begun), State: stateOf(c)}, nil
		}
		select {
		case <-ctx.Done():
			return verify.Recovered{}, ctx.Err()
		case <-over.C:
			return verify.Recovered{Healthy: good, Took: time.Since(begun), State: stateOf(c)}, nil
		case <-ticker.C:
		}
	}
}

func (e *Engine) serviceContainer(ctx context.Context, project, service string) (container.InspectResponse, error) {
	list, err := e.stackContainers(ctx, project)
	if err != nil {
		return container.InspectResponse{}, err
	}
	for _, c := range list {
		if c.Config.Labels[composeService] == service {
			return c, nil
		}
	}
	return container.InspectResponse{}, fmt.Errorf("service %s of stack %s has no container", service, project)
}

// Exhaust starts a probe with the memory limits of a service's container and lets it take twice as much. The service
// itself is not touched.
func (e *Engine) Exhaust(ctx context.Context, project, service string) (out verify.Exhausted, err error) {
	c, err := e.serviceContainer(ctx, project, service)
	if err != nil {
		return out, err
	}
	ref, err := e.probeImage(ctx)
	if err != nil {
		return out, err
	}
	out.Limit = c.HostConfig.Memory
	if out.Limit <= 0 {
		return out, nil // without a limit nothing may be tried: it would take the host's memory
	}
	request, err := json.Marshal(verify.Request{Take: 2 * out.Limit})
	if err != nil {
		return out, fmt.Errorf("asking the probe: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*probeTimeout)
	defer cancel()
	config := probe{image: ref, stack: project, user: "65532:65532"}.config(string(request))
	config.Env = nil
	pids := int64(64)
	created, err := e.create(ctx, client.ContainerCreateOptions{Config: config, HostConfig: &container.HostConfig{
		NetworkMode: "none", CapDrop: []string{"ALL"}, ReadonlyRootfs: true, SecurityOpt: []string{"no-new-privileges:true"}, LogConfig: container.LogConfig{Type: "json-file"},
		Resources: container.Resources{Memory: c.HostConfig.Memory, MemorySwap: c.HostConfig.MemorySwap, PidsLimit: &pids},
	}})
	if err != nil {
		return out, fmt.Errorf("creating a probe: %w", err)
	}
	defer func() {
		_, removeErr := e.api.ContainerRemove(context.WithoutCancel(ctx), created.ID, client.ContainerRemoveOptions{Force: true})
		if err == nil && removeErr != nil {
			err = fmt.Errorf("removing a probe: %w", removeErr)
		}
	}()
	said, err := e.run(ctx, created.ID, nil)
	if err != nil && ctx.Err() != nil {
		return out, err // any other end is what is looked at below
	}
	after, err := e.api.ContainerInspect(ctx, created.ID, client.ContainerInspectOptions{})
	if err != nil {
		return out, fmt.Errorf("inspecting a probe: %w", err)
	}
	out.ExitCode, out.OOM = after.Container.State.ExitCode, after.Container.State.OOMKilled
	for line := range strings.Lines(said) {
		var t verify.Taken
		if json.Unmarshal([]byte(line), &t) != nil {
			break // it was ended while it wrote
		}
		out.Taken = append(out.Taken, t)
	}
	return out, nil
}

// Sample reads what the containers of a stack use, each interval, until the context ends.
func (e *Engine) Sample(ctx context.Context, project string, interval time.Duration) ([]verify.Sample, error) {
	list, err := e.stackContainers(ctx, project)
	if err != nil {
		return nil, err
	}
	var out []verify.Sample
	begun := time.Now()
	var before map[string]reading
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		at := time.Since(begun).Seconds()
		now := e.allStats(ctx, list)
		if ctx.Err() != nil {
			return out, nil // what was cut off is not the whole
		}
		if before != nil { // processors are known from the second reading on
			out = append(out, verify.Sample{At: at, Used: usage(before, now)})
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
func (e *Engine) allStats(ctx context.Context, list []container.InspectResponse) map[string]reading {
	out := map[string]reading{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, c := range list {
		wg.Go(func() {
			stats, err := e.stats(ctx, c.ID)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			out[c.ID] = reading{c.Config.Labels[composeService], stats}
		})
	}
	wg.Wait()
	return out
}

// usage is what the busiest container of each service used: each has the limits for itself.
func usage(before, now map[string]reading) map[string]verify.Usage {
	out := map[string]verify.Usage{}
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

func (e *Engine) stats(ctx context.Context, id string) (container.StatsResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	var out container.StatsResponse
	answer, err := e.api.ContainerStats(ctx, id, client.ContainerStatsOptions{})
	if err != nil {
		return out, fmt.Errorf("reading what a container uses: %w", err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&out); err != nil {
		return out, fmt.Errorf("reading what a container uses: %w", err)
	}
	return out, nil
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

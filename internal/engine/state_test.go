package engine_test

import (
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"github.com/hsectl/hsectl/internal/engine"
)

// A quota without a period is one of the kernel's own period.
func TestCPUs(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		resources container.Resources
		want      float64
	}{
		"--cpus 1.5":                               {container.Resources{NanoCPUs: 1_500_000_000}, 1.5},
		"--cpu-quota 50000":                        {container.Resources{CPUQuota: 50_000}, 0.5},
		"--cpu-quota 50000 --cpu-period 25000":     {container.Resources{CPUQuota: 50_000, CPUPeriod: 25_000}, 2},
		"--cpu-quota -1, which is no bound":        {container.Resources{CPUQuota: -1}, 0},
		"--cpu-period 25000, which bounds nothing": {container.Resources{CPUPeriod: 25_000}, 0},
		"nothing": {container.Resources{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := engine.CPUs(&container.HostConfig{Resources: tt.resources}); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// Only what a health test has passed is healthy; what is paused, or has ended although it has ports, is not at work.
func TestWell(t *testing.T) {
	t.Parallel()
	running, exited := container.StateRunning, container.StateExited
	health := func(status container.HealthStatus) *container.Health { return &container.Health{Status: status} }
	test := &container.HealthConfig{Test: []string{"CMD", "check"}}
	published := network.PortMap{network.MustParsePort("80/tcp"): {{HostPort: "80"}}}
	for name, tt := range map[string]struct {
		state  container.State
		test   *container.HealthConfig
		ports  network.PortMap
		well   bool
		tested bool
		words  string
	}{
		"healthy":                {container.State{Status: running, Running: true, Health: health(container.Healthy)}, test, nil, true, true, "healthy"},
		"starting":               {container.State{Status: running, Running: true, Health: health(container.Starting)}, test, nil, false, true, "starting"},
		"without a test":         {container.State{Status: running, Running: true}, nil, nil, true, false, "running"},
		"with a test that is no": {container.State{Status: running, Running: true, Health: health(container.NoHealthcheck)}, nil, nil, true, false, "running"},
		"paused":                 {container.State{Status: container.StatePaused, Running: true, Paused: true, Health: health(container.Healthy)}, test, nil, false, true, "paused"},
		"restarting":             {container.State{Status: container.StateRestarting, Running: true, Restarting: true}, nil, nil, false, false, "restarting"},
		"done":                   {container.State{Status: exited}, nil, nil, true, false, "completed"},
		"done, with a test":      {container.State{Status: exited}, test, nil, true, true, "completed"},
		"a server that ended":    {container.State{Status: exited}, nil, published, false, false, "exited with code 0"},
		"failed":                 {container.State{Status: exited, ExitCode: 3}, nil, nil, false, false, "exited with code 3"},
		"dead":                   {container.State{Status: container.StateDead, Dead: true}, nil, nil, false, false, "dead"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := engine.Container{InspectResponse: container.InspectResponse{State: &tt.state, Config: &container.Config{Healthcheck: tt.test}, HostConfig: &container.HostConfig{PortBindings: tt.ports}}}
			if engine.Well(c) != tt.well || engine.Tested(c) != tt.tested || engine.State(c) != tt.words {
				t.Errorf("well %v, tested %v, %q", engine.Well(c), engine.Tested(c), engine.State(c))
			}
		})
	}
}

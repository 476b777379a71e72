package engine_test

import (
	"testing"

	"github.com/moby/moby/api/types/container"

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

//go:build engine

package docker

import (
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/engine/usage"
	"github.com/hsectl/hsectl/internal/probe"
	"github.com/hsectl/hsectl/internal/size"
)

// busyWeb is a service that uses 40 MiB of memory, 16 MiB in a tmpfs, 64 MiB of page cache, 20 threads, and a fifth of a processor where it
// wants two.
const busyWeb = `
apiVersion: hsectl/v1
kind: Profile
name: NAME
services:
  web:
    image: IMAGE
    command: [MODE]
    user: "10001:10001"
    limits: {cpus: "0.2", memory: 256M, pids: 200}
    shutdown: {signal: SIGTERM, grace: 3s}
    health: {command: [/program, health], interval: 10s, timeout: 10s, retries: 8, start_period: 1s}
    writable:
      - {path: /data, volume: data}
      - {path: /tmp, tmpfs: 64M}
    verify: {listen: [8080]}
`

// What is measured on a real container under load is what it uses, and the proposals follow from it. The tmpfs is read by a probe and, where
// the container runs on this machine, directly.
func TestSizeOfABusyService(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	s := testStack(t, e, busyWeb, "busy")
	mustDeploy(t, e, s)
	plan := usage.Plan{Stack: s.Name, Services: []string{"web"}, Tmpfs: map[string][]string{"web": {"/tmp"}}, Interval: time.Second, Duration: 20 * time.Second}
	const mib = 1 << 20
	for _, way := range []string{"probe", "local"} {
		if way == "local" {
			e.LookLocally(probe.Local)
		}
		readings, err := e.Readings(t.Context(), plan)
		if err != nil || len(readings) < 5 {
			t.Fatalf("%s: %d readings, %v", way, len(readings), err)
		}
		u := size.FromReadings(readings, 0)["web"]
		t.Logf("%s: %d readings; the last: %+v", way, len(readings), readings[len(readings)-1])
		between := func(what string, got, low, high float64) {
			t.Helper()
			if got < low || got > high {
				t.Errorf("%s: %s is %g, not between %g and %g", way, what, got, low, high)
			}
		}
		memory, _ := u.Memory.Peak()
		between("memory", memory, 56*mib, 56*mib+40*mib) // the program itself, its health test and the kernel's own; no cache
		pids, _ := u.PIDs.Peak()
		between("threads", pids, 20, 80)
		tmpfs, _ := u.Tmpfs["/tmp"].Peak()
		between("tmpfs", tmpfs, 16*mib, 16*mib)
		cpu, _ := u.CPU.Percentile(95)
		between("cpu", cpu, 0.001, 0.3) // a machine that is busy with other work gives it less than its limit, and then does not throttle it
		between("periods", u.Periods.Sum(), 1, 1e6)
		throttled := u.Throttled.Sum() / u.Periods.Sum()
		between("share of throttled periods", throttled, 0, 1)

		w := size.Window{From: readings[0].At, To: readings[0].At.Add(plan.Duration), Step: plan.Interval, Source: "the engine"}
		got := map[string]size.Change{}
		for _, c := range size.Propose(s.Services[0], nil, u, w, size.Options{Force: true}).Settings {
			got[c.Key] = c
		}
		if c := got["tmpfs /tmp"]; c.Proposed != "32M" {
			t.Errorf("%s: tmpfs: %+v", way, c)
		}
		if c := got["limits.cpus"]; throttled > 0.05 && (c.Verdict != size.Changes || c.Lowers) {
			t.Errorf("%s: a service that is throttled: %+v", way, c)
		}
		if c := got["limits.memory"]; c.Verdict != size.Changes || !c.Lowers {
			t.Errorf("%s: memory: %+v", way, c)
		}
		// Within the time after the start nothing counts as its normal use.
		if u := size.FromReadings(readings, 24*time.Hour)["web"]; len(u.Memory) > 0 || len(u.Start) == 0 {
			t.Errorf("%s: %d readings after the start, %d in it", way, len(u.Memory), len(u.Start))
		}
	}
}

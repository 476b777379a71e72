package size

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/stack"
)

var begin = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

const mib = 1 << 20

// fortnight is what Prometheus is asked about by default.
func fortnight() Window {
	return Window{From: begin, To: begin.Add(DefaultWindow), Step: time.Hour, Source: "Prometheus"}
}

// flat is a series with a point each hour, of the values in turn.
func flat(hours int, values ...float64) Series {
	var out Series
	for i := range hours {
		out = append(out, Point{begin.Add(time.Duration(i) * time.Hour), values[i%len(values)]})
	}
	return out
}

// steady is two weeks of a calm service: 100 to 400 MiB, a tenth of a processor, 40 threads.
func steady() Usage {
	return Usage{
		Memory: flat(336, 100*mib, 200*mib, 300*mib, 400*mib), CPU: flat(336, 0.1), PIDs: flat(336, 30, 40),
		Periods: flat(336, 1000), Throttled: flat(336, 0),
	}
}

// web is a service with more than it needs.
func web() stack.Service {
	return stack.Service{Name: "web",
		Limits:       stack.Resources{CPUs: "2.0", Nano: 2e9, Memory: stack.Size{Bytes: 1 << 30, Text: "1G"}, PIDs: 200},
		Reservations: stack.Resources{CPUs: "0.05", Nano: 5e7, Memory: stack.Size{Bytes: 250 * mib, Text: "250M"}}}
}

func setting(t *testing.T, p Proposal, key string) Change {
	t.Helper()
	for _, c := range p.Settings {
		if c.Key == key {
			return c
		}
	}
	t.Fatalf("%s is not judged: %+v", key, p.Settings)
	return Change{}
}

// Each case is the calm service with something else; the answers are computed by hand.
func TestPropose(t *testing.T) {
	kill := func(at int) Series { return Series{{begin.Add(time.Duration(at) * time.Hour), 1}} }
	cases := []struct {
		name    string
		service func(*stack.Service)
		usage   func(*Usage)
		key     string
		want    string // proposed, or the verdict
		why     string
	}{
		{"memory is the peak and a fifth", nil, nil, "limits.memory", "480M", "peak 400M × 1.2"},
		{"memory is rounded up", nil, func(u *Usage) { u.Memory = flat(336, 100*mib+1) }, "limits.memory", "121M", "peak 101M × 1.2"},
		{"one peak counts", nil, func(u *Usage) { u.Memory[100].Value = 500 * mib }, "limits.memory", "600M", "peak 500M"},
		{"a limit that is too low is raised", func(s *stack.Service) { s.Limits.Memory = stack.Size{Bytes: 420 * mib, Text: "420M"} }, nil, "limits.memory", "480M", "peak 400M"},
		{"a limit that is close stays", func(s *stack.Service) { s.Limits.Memory = stack.Size{Bytes: 500 * mib, Text: "500M"} }, nil, "limits.memory", "fits", "peak 400M"},
		{"a start is apart", nil, func(u *Usage) { u.Start = flat(1, 430*mib) }, "limits.memory", "480M", "peak 400M"},
		{"a start must fit", nil, func(u *Usage) { u.Start = flat(1, 600*mib) }, "limits.memory", "660M", "the start took 600M, × 1.1"},
		{"a kill adds a quarter", nil, func(u *Usage) { u.Kills, u.Limit = kill(50), flat(100, 450*mib) }, "limits.memory", "600M", "peak 400M × 1.2 + 25 % after an OOM kill on 2026-11-03"},
		{"a kill at a limit above the peak", nil, func(u *Usage) { u.Kills, u.Limit = kill(50), flat(100, 640*mib) }, "limits.memory", "800M", "killed at a limit of 640M"},
		{"a limit that was raised after the kill is not raised again", nil, func(u *Usage) {
			u.Kills, u.Limit = kill(50), append(flat(60, 400*mib), Point{begin.Add(61 * time.Hour), 1 << 30})
		}, "limits.memory", "600M", "peak 400M"},
		{"a kill under a limit that is not known", nil, func(u *Usage) { u.Kills = kill(50) }, "limits.memory", "1280M", "killed at a limit of 1G"},
		{"a heap that is written", func(s *stack.Service) { s.Command = []string{"java", "-Xmx600m"} }, nil, "limits.memory", "800M", "-Xmx600m may be 75 % of it at most"},
		{"a heap of Node.js", func(s *stack.Service) {
			s.Environment = []stack.Variable{{Name: "NODE_OPTIONS", Value: "--max-old-space-size=450"}}
		}, nil, "limits.memory", "600M", "--max-old-space-size=450"},
		{"Go's limit", func(s *stack.Service) {
			s.Environment = []stack.Variable{{Name: "GOMEMLIMIT", Value: "760MiB"}}
		}, nil, "limits.memory", "800M", "GOMEMLIMIT=760MiB"},
		{"shared buffers", func(s *stack.Service) { s.Command = []string{"postgres", "-c", "shared_buffers=256MB"} }, nil, "limits.memory", "640M", "shared_buffers=256MB may be 40 %"},
		{"maxmemory", func(s *stack.Service) { s.Command = []string{"redis-server", "--maxmemory", "600mb"} }, nil, "limits.memory", "800M", "maxmemory 600mb may be 75 %"},
		{"a policy of Redis is no amount", func(s *stack.Service) { s.Command = []string{"redis-server", "--maxmemory-policy", "noeviction"} }, nil, "limits.memory", "480M", "peak"},
		{"shared memory", func(s *stack.Service) { s.ShmSize = stack.Size{Bytes: 512 * mib, Text: "512M"} }, nil, "limits.memory", "512M", "shm_size 512M"},
		{"the least that an engine takes", nil, func(u *Usage) { u.Memory = flat(336, mib) }, "limits.memory", "6M", "peak 1M"},
		{"no series", nil, func(u *Usage) { u.Memory = nil }, "limits.memory", "unknown", "memory was not measured"},
		{"only a start", nil, func(u *Usage) { u.Memory, u.Start = nil, flat(30, 50*mib) }, "limits.memory", "unknown", "only a start was measured"},

		{"cpu is the 95th percentile and a fifth", nil, nil, "limits.cpus", "0.15", "p95 0.1 × 1.2; throttled in 0.0 % of the periods"},
		{"cpu above the 95th percentile does not count", nil, func(u *Usage) {
			for i := range 16 { // 4.8 percent
				u.CPU[i].Value = 1.9
			}
		}, "limits.cpus", "0.15", "p95 0.1"},
		{"cpu up to the 95th percentile counts", nil, func(u *Usage) {
			for i := range 18 { // 5.4 percent
				u.CPU[i].Value = 1
			}
		}, "limits.cpus", "1.2", "p95 1 × 1.2"},
		{"throttled a little", nil, func(u *Usage) { u.Throttled = flat(336, 20) }, "limits.cpus", "fits", "throttled in 2.0 % of the periods: not lowered"},
		{"throttled much", nil, func(u *Usage) { u.Throttled = flat(336, 100) }, "limits.cpus", "2.5", "throttled in 10.0 % of the periods: + 25 %"},
		{"throttled much, and more is needed", func(s *stack.Service) { s.Limits.CPUs, s.Limits.Nano = "0.5", 5e8 }, func(u *Usage) {
			u.CPU, u.Throttled = flat(336, 1), flat(336, 500)
		}, "limits.cpus", "1.2", "p95 1 × 1.2"},
		{"throttling is not known", nil, func(u *Usage) { u.Periods, u.Throttled = nil, nil }, "limits.cpus", "unknown", "throttling was not measured"},
		{"it hardly ran", nil, func(u *Usage) { u.Periods = flat(336, 0) }, "limits.cpus", "0.15", "throttled in 0.0 %"},
		{"more cpu is needed, whatever throttling was", func(s *stack.Service) { s.Limits.CPUs, s.Limits.Nano = "0.1", 1e8 }, func(u *Usage) { u.Periods = nil }, "limits.cpus", "0.15", "p95"},
		{"no cpu", nil, func(u *Usage) { u.CPU = nil }, "limits.cpus", "unknown", "cpu was not measured"},
		{"the least cpu", nil, func(u *Usage) { u.CPU = flat(336, 0.001) }, "limits.cpus", "0.1", "p95 0.01 × 1.2"},

		{"processes are doubled", nil, nil, "limits.pids", "80", "peak 40 × 2"},
		{"at least room for a health test", nil, func(u *Usage) { u.PIDs = flat(336, 1) }, "limits.pids", "32", "at least 32"},
		{"no processes", nil, func(u *Usage) { u.PIDs = nil }, "limits.pids", "unknown", "processes were not measured"},

		{"a reservation in between stays", nil, nil, "reservations.memory", "fits", "half of the time at most 200M, 90 % of it 400M"},
		{"a reservation that is too low", func(s *stack.Service) { s.Reservations.Memory = stack.Size{Bytes: 64 * mib, Text: "64M"} }, nil, "reservations.memory", "200M", ""},
		{"a reservation that is too high", func(s *stack.Service) { s.Reservations.Memory = stack.Size{Bytes: 700 * mib, Text: "700M"} }, nil, "reservations.memory", "400M", ""},
		{"no reservation", func(s *stack.Service) { s.Reservations = stack.Resources{} }, nil, "reservations.memory", "200M", ""},
		{"reserved cpu", func(s *stack.Service) { s.Reservations.CPUs, s.Reservations.Nano = "1.0", 1e9 }, nil, "reservations.cpus", "0.1", ""},
		{"a reservation is never above its limit", func(s *stack.Service) { s.Reservations.CPUs, s.Reservations.Nano = "1.0", 1e9 }, func(u *Usage) {
			u.CPU = flat(336, 0.001)
		}, "reservations.cpus", "0.01", ""},

		{"a tmpfs is doubled", nil, func(u *Usage) { u.Tmpfs = map[string]Series{"/tmp": flat(336, 10*mib)} }, "tmpfs /tmp", "20M", "peak 10M × 2"},
		{"a tmpfs that is empty", nil, func(u *Usage) { u.Tmpfs = map[string]Series{"/tmp": flat(336, 0)} }, "tmpfs /tmp", "fits", "it was empty"},
		{"a tmpfs that was not measured", nil, nil, "tmpfs /tmp", "unknown", "not measured"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, u := web(), steady()
			s.Writable = []stack.Writable{{Path: "/tmp", Size: stack.Size{Bytes: 64 * mib, Text: "64M"}}, {Path: "/data", Volume: "data"}}
			if c.service != nil {
				c.service(&s)
			}
			if c.usage != nil {
				c.usage(&u)
			}
			got := setting(t, Propose(s, Promises(s), u, fortnight(), Options{}), c.key)
			word := got.Proposed
			if got.Verdict != Changes {
				word = string(got.Verdict)
			}
			if word != c.want || !strings.Contains(got.Why, c.why) {
				t.Errorf("got %s (%s), want %s (%s)", word, got.Why, c.want, c.why)
			}
		})
	}
}

// A flag that the preset computes moves with the limit, and still holds what was used.
func TestPromisesThatMove(t *testing.T) {
	node := func(limit int64) stack.Service {
		s := web()
		s.Limits.Memory = stack.Size{Bytes: limit, Text: Bytes(limit)}
		s.Environment = []stack.Variable{{Name: "NODE_OPTIONS", Value: fmt.Sprintf("--max-old-space-size=%d", limit/mib/2)}}
		return s
	}
	s := node(1 << 30)
	promises := Moving(s, node(2<<30))
	if len(promises) != 1 || !promises[0].Moves {
		t.Fatalf("%+v", promises)
	}
	for name, c := range map[string]struct {
		usage func(*Usage)
		want  string
	}{
		"without a measured heap all memory may be heap": {func(*Usage) {}, "800M"},
		"a heap that was measured":                       {func(u *Usage) { u.Heap = flat(336, 150*mib) }, "480M"},
		"a heap that needs more":                         {func(u *Usage) { u.Heap = flat(336, 250*mib) }, "600M"},
		"a heap that is full already":                    {func(u *Usage) { u.Memory = flat(336, 800*mib) }, "fits"}, // the flag stays, and so does the limit
	} {
		u := steady()
		c.usage(&u)
		got := setting(t, Propose(s, promises, u, fortnight(), Options{}), "limits.memory")
		if word := got.Proposed; word != c.want && string(got.Verdict) != c.want {
			t.Errorf("%s: %s %s (%s), want %s", name, got.Verdict, word, got.Why, c.want)
		}
	}
	for _, soft := range []string{"shared_buffers=256MB"} { // a smaller one is slower, and nothing fails
		now := stack.Service{Name: "db", Limits: s.Limits, Command: []string{"postgres", "-c", soft}}
		other := now
		other.Command = []string{"postgres", "-c", "shared_buffers=512MB"}
		got := setting(t, Propose(now, Moving(now, other), steady(), fortnight(), Options{}), "limits.memory")
		if got.Proposed != "480M" {
			t.Errorf("%s: %+v", soft, got)
		}
	}
}

func TestPromises(t *testing.T) {
	for text, want := range map[string]string{
		"--max_old_space_size=512":                    "--max-old-space-size 512M",
		"java -Xms1g -Xmx2g -jar x":                   "-Xmx 2G",
		"GOMEMLIMIT=1GiB":                             "GOMEMLIMIT 1G",
		"redis-server --maxmemory 300mb":              "maxmemory 300M",
		"postgres -c shared_buffers=2GB":              "shared_buffers 2G",
		"mysqld --innodb-buffer-pool-size=256M":       "innodb_buffer_pool_size 256M",
		"memcached -m 200 -t 2":                       "memcached -m 200M",
		"vm_memory_high_watermark {absolute,1048576}": "vm_memory_high_watermark 1M",
		"-XX:MaxRAMPercentage=50":                     "-XX:MaxRAMPercentage 512M",
		"-XX:MaxRAMPercentage=500":                    "",
		"-Xmx99999999999999999999g":                   "",
		"-Xmx9999999999g":                             "",
		"nothing":                                     "",
	} {
		s := web()
		s.Command = []string{text}
		got := ""
		for _, p := range Promises(s) {
			got = p.Name + " " + Bytes(p.Bytes)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// Less than a day gets no proposal, unless it is forced.
func TestShort(t *testing.T) {
	s, u := web(), Usage{Memory: flat(23, 400*mib), CPU: flat(23, 0.1), Periods: flat(23, 1), PIDs: flat(23, 40)}
	p := Propose(s, nil, u, fortnight(), Options{})
	if p.Changes() || p.Confidence != Low || setting(t, p, "limits.memory").Verdict != Short || p.Observed != 23*time.Hour {
		t.Errorf("%+v", p)
	}
	if got := setting(t, Propose(s, nil, u, fortnight(), Options{Force: true}), "limits.memory"); got.Proposed != "480M" {
		t.Errorf("%+v", got)
	}
	u.Memory = flat(24, 400*mib)
	if p := Propose(s, nil, u, fortnight(), Options{}); !p.Changes() || p.Confidence != Medium {
		t.Errorf("%+v", p)
	}
	if p := Propose(s, nil, Usage{}, fortnight(), Options{Force: true}); p.Changes() || p.Confidence != None || p.Samples != 0 {
		t.Errorf("%+v", p)
	}
}

func TestConfidence(t *testing.T) {
	gaps := steady()
	gaps.Memory = append(gaps.Memory[:100:100], gaps.Memory[200:]...)
	half := steady()
	half.Memory = half.Memory[:100]
	other := steady()
	other.Limit = flat(336, 512*mib)
	noisy, warned := fortnight(), fortnight()
	noisy.Dropped, warned.Warnings = 3, []string{"partial response"}
	for name, c := range map[string]struct {
		usage  Usage
		window Window
		want   Confidence
		doubt  string
	}{
		"two weeks":            {steady(), fortnight(), High, ""},
		"gaps":                 {gaps, fortnight(), Medium, "30 % of the time is missing"},
		"a part of the window": {half, fortnight(), Medium, "measured for less than 7d"},
		"another limit":        {other, fortnight(), Medium, "measured under a memory limit of 512M"},
		"values that are none": {steady(), noisy, Medium, "3 values of Prometheus are none"},
		"a warning":            {steady(), warned, Medium, "partial response"},
	} {
		p := Propose(web(), nil, c.usage, c.window, Options{})
		if p.Confidence != c.want || !strings.Contains(strings.Join(p.Doubts, "; "), c.doubt) {
			t.Errorf("%s: %s %q", name, p.Confidence, p.Doubts)
		}
	}
}

// Counters that fall were started again, and what two containers used is not added up.
func TestFromReadings(t *testing.T) {
	at := func(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }
	read := func(seconds int, container string, started int, memory int64, cpu time.Duration, periods, throttled uint64) Reading {
		return Reading{At: at(seconds), Read: at(seconds), Service: "web", Container: container, Started: at(started), Memory: memory, Limit: 1 << 30,
			CPU: cpu, Periods: periods, Throttled: throttled, PIDs: 10}
	}
	u := FromReadings([]Reading{
		read(0, "a", -600, 100, 60*time.Second, 1000, 10),
		read(10, "a", -600, 200, 65*time.Second, 1100, 10),
		read(10, "b", 5, 900, 1*time.Second, 20, 0),
		read(20, "a", 12, 150, 1*time.Second, 30, 30), // started again
		read(30, "a", 12, 150, 3*time.Second, 60, 30),
		read(20, "b", 5, 950, 3*time.Second, 40, 0),
	}, time.Minute)["web"]
	for name, c := range map[string]struct{ got, want string }{
		"memory":    {values(u.Memory), "100 200"},
		"start":     {values(u.Start), "900 950 150"},
		"cpu":       {values(u.CPU), "0.5 0.2 0.2"},
		"periods":   {fmt.Sprint(u.Periods.Sum()), "180"}, // 100 + 30 + 30 + 20
		"throttled": {fmt.Sprint(u.Throttled.Sum()), "30"},
		"pids":      {values(u.PIDs), "10 10 10 10"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", name, c.got, c.want)
		}
	}
}

func values(s Series) string {
	var out []string
	for _, p := range s {
		out = append(out, fmt.Sprint(p.Value))
	}
	return strings.Join(out, " ")
}

func TestUnits(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 12: "12B", 1500: "2K", 5 * mib: "5M", 5*mib + 1: "6M", 1 << 30: "1G", 1100 * mib: "1100M", 2 << 30: "2G"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{90 * time.Second: "1m30s", 5 * time.Minute: "5m", 10 * time.Second: "10s", 0: "0s", 2 * time.Hour: "2h", 150 * time.Minute: "2h 30m", 47 * time.Hour: "47h", 14 * 24 * time.Hour: "14d", 49 * time.Hour: "2d 1h"} {
		if got := Time(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}

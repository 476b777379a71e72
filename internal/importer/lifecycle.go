package importer

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
)

// lifetime moves when a service starts, how it is watched, and how it ends.
type lifetime struct{ *moving }

func (m lifetime) lifecycle() {
	shutdown := map[string]any{}
	if m.take("stop_signal") {
		shutdown["signal"] = signal(m.s.StopSignal)
	}
	if g := m.s.StopGracePeriod; m.take("stop_grace_period") && g != nil && *g > 0 {
		shutdown["grace"] = time.Duration(*g).String()
	}
	m.ownSignal(shutdown)
	if len(shutdown) > 0 {
		m.out.set("shutdown", flow(shutdown))
	}
	m.take("restart")
	switch r := m.s.Restart; r {
	case "":
		m.out.set("restart", quoted("no"))
	case "on-failure":
		m.out.set("restart", "on-failure:5", "was on-failure, without a limit")
	default:
		m.out.set("restart", quoted(r))
	}
}

// signal writes a name in full; numbers are those of Linux.
func signal(s string) string {
	names := map[string]string{"1": "SIGHUP", "2": "SIGINT", "3": "SIGQUIT", "10": "SIGUSR1", "12": "SIGUSR2", "15": "SIGTERM", "28": "SIGWINCH"}
	if name, ok := names[s]; ok {
		return name
	}
	if s = strings.ToUpper(s); !strings.HasPrefix(s, "SIG") {
		return "SIG" + s
	}
	return s
}

// health moves the test with the engine's own times where none are written, so that it judges as before.
func (m lifetime) health() {
	h := m.s.HealthCheck
	tested := h != nil && !h.Disable && len(h.Test) > 0 && h.Test[0] != "NONE"
	if !tested && !m.t.Strict {
		m.ownHealth(h)
		return
	}
	if !tested {
		inPreset, _ := m.preset["health"].(map[string]any)
		hasTest := slices.ContainsFunc([]string{"command", "shell", "http", "tcp", "none"}, func(k string) bool { return inPreset[k] != nil })
		own := h == nil && !hasTest && m.observedTest()
		if h != nil && !hasTest {
			if len(h.Test) > 0 || h.Disable { // otherwise only times of the image's own test: they stay as they are
				m.rest["healthcheck"] = map[string]any{"disable": true}
			}
		} else {
			m.take("healthcheck")
		}
		if !hasTest && !own && !m.once() {
			m.waive("HSE-HLT-001", m.name, "imported: "+m.t.Source+" has no health test for it")
			m.ask("which test shows that the service works? %sWrite health:", m.listens())
		}
		return
	}
	if words, special := (discretion{m.importer}).spoken(m.name, "healthcheck.test", h.Test); special {
		m.pass(words, "healthcheck", "test") // with its times, as it is written
		return
	}
	m.take("healthcheck")
	m.written(h, "")
}

// written writes a test with the engine's own times where it has none.
func (m lifetime) written(h *types.HealthCheckConfig, comment string) {
	out := newOrdered()
	if h.Test[0] == "CMD-SHELL" {
		out.set("shell", strings.Join(h.Test[1:], " "))
	} else {
		out.set("command", flow(anys(h.Test[1:])))
	}
	interval := engineTime(h.Interval)
	timeout := min(engineTime(h.Timeout), interval) // a profile has none that is longer; the engine's own would be 30 s
	if h.Timeout != nil && time.Duration(*h.Timeout) > interval {
		interval, timeout = time.Duration(*h.Timeout), time.Duration(*h.Timeout) // a test that needs its time keeps it
	}
	out.set("interval", interval.String())
	out.set("timeout", timeout.String())
	retries := 3
	if h.Retries != nil && *h.Retries > 0 {
		retries = int(*h.Retries)
	}
	out.set("retries", retries)
	if h.StartPeriod != nil && *h.StartPeriod > 0 {
		out.set("start_period", time.Duration(*h.StartPeriod).String())
	}
	if h.StartInterval != nil {
		m.pass(time.Duration(*h.StartInterval).String(), "healthcheck", "start_interval")
	}
	m.out.set("health", out, comment)
}

// once reports whether the service runs once, and another waits until it has ended with 0.
func (m lifetime) once() bool {
	if r := m.s.Restart; r != "" && r != "no" && !strings.HasPrefix(r, "on-failure") {
		return false
	}
	for _, other := range m.p.Types().Services {
		if d, ok := other.DependsOn[m.s.Name]; ok && d.Condition == types.ServiceConditionCompletedSuccessfully {
			return true
		}
	}
	return false
}

// engineTime is what the engine takes for a time of a health test that is not written: 30 s.
func engineTime(d *types.Duration) time.Duration {
	if d == nil || *d <= 0 {
		return 30 * time.Second
	}
	return time.Duration(*d)
}

// dependencies moves what a service waits for. A test that only the image may have keeps its condition by being passed through.
func (m lifetime) dependencies() {
	m.take("depends_on")
	var list []any
	for _, name := range slices.Sorted(maps.Keys(m.s.DependsOn)) {
		d := m.s.DependsOn[name]
		condition := map[string]string{types.ServiceConditionHealthy: "healthy", types.ServiceConditionCompletedSuccessfully: "completed"}[d.Condition]
		if condition == "" {
			condition = "started"
		}
		if condition == "healthy" && !m.tests(name) {
			condition = "started"
			m.pass(d.Condition, "depends_on", clean(name), "condition")
		}
		if !d.Required {
			m.pass(false, "depends_on", clean(name), "required")
		}
		if !m.always(name) {
			m.pass(cmp.Or(d.Condition, types.ServiceConditionStarted), "depends_on", clean(name), "condition")
			if d.Restart {
				m.pass(true, "depends_on", clean(name), "restart")
			}
			continue
		}
		one := map[string]any{"service": clean(name), "condition": condition}
		if d.Restart {
			one["restart"] = true
		}
		list = append(list, flow(one))
	}
	if len(list) > 0 {
		m.out.set("depends_on", list)
	}
}

// choices moves the profiles of Compose in which the service takes part.
func (m *moving) choices() {
	if m.take("profiles") {
		m.out.set("profiles", flow(anys(m.s.Profiles)))
	}
}

// always reports whether another service is there whenever this one is. What is waited for without that has no place in a
// profile, and is passed through.
func (m lifetime) always(name string) bool {
	other := m.p.Types().Services[name].Profiles
	return len(other) == 0 || len(m.s.Profiles) > 0 && !slices.ContainsFunc(m.s.Profiles, func(c string) bool { return !slices.Contains(other, c) })
}

// tests reports whether a service will have a health test in the profile.
func (m lifetime) tests(name string) bool {
	other := m.p.Types().Services[name]
	if h := other.HealthCheck; h != nil && !h.Disable && len(h.Test) > 0 && h.Test[0] != "NONE" {
		return true
	}
	if !m.t.Strict {
		n := m.needsOf(other)
		shown := m.t.Images[name]
		return n.Health || len(n.Test) > 1 || shown != nil && len(shown.Health.Test) > 1 && shown.Health.Test[0] != "NONE"
	}
	_, preset := m.presetOf(name, m.value(other.Image))
	health, _ := preset["health"].(map[string]any)
	return slices.ContainsFunc([]string{"command", "shell", "http", "tcp"}, func(k string) bool { return health[k] != nil })
}

func (m *moving) logging() {
	l := m.s.Logging
	m.take("logging")
	if l == nil {
		return
	}
	out := map[string]any{}
	switch l.Driver {
	case "", "json-file", "local":
		if l.Driver != "" {
			out["driver"] = l.Driver
		}
	case "journald":
		out["driver"] = l.Driver
	default:
		out["driver"] = "journald" // the driver without options; the real one is passed through
		m.pass(l.Driver, "logging", "driver")
	}
	for _, key := range slices.Sorted(maps.Keys(l.Options)) {
		value := l.Options[key]
		files, err := strconv.Atoi(value)
		switch {
		case key == "max-size" && out["driver"] != "journald":
			out["max_size"] = value
		case key == "max-file" && err == nil && out["driver"] != "journald":
			out["max_files"] = files
		default:
			m.pass(value, "logging", "options", key)
		}
	}
	if len(out) > 0 {
		m.out.set("logging", flow(out))
	}
}

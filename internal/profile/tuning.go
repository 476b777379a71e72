package profile

import (
	"fmt"
	"strings"
	"text/template"
)

// Tuning is what a preset's formulas may use: the name of the service, and its limits after all layers are merged.
type Tuning struct {
	Service string // keeps the volumes of two services with one preset apart
	Memory  int64  // bytes
	Nano    int64  // processors, in billionths
	PIDs    int64
}

// CPUs returns the limit in whole processors, rounded up: the threads a runtime can keep busy.
func (t Tuning) CPUs() int64 { return max(1, (t.Nano+999_999_999)/1_000_000_000) }

// tuned returns the service with the formulas of its preset and baselines computed.
// What the user wrote is never a formula.
func tuned(service string, n *node, c *collector) *node {
	if !namePattern.MatchString(service) {
		service = "service" // the bad name is reported where it is written
	}
	t := Tuning{Service: service}
	limits := n.get("limits")
	var memory Bytes
	var cpus CPUs
	if m := limits.get("memory"); m != nil && memory.UnmarshalText([]byte(m.value)) == nil {
		t.Memory = memory.N
	}
	if m := limits.get("cpus"); m != nil && cpus.UnmarshalText([]byte(m.value)) == nil {
		t.Nano = cpus.Nano
	}
	if m := limits.get("pids"); m != nil {
		_, _ = fmt.Sscan(m.value, &t.PIDs) // a mistake here is reported when the value is decoded
	}
	return t.expand(n, c)
}

func (t Tuning) expand(n *node, c *collector) *node {
	if n == nil || n.kind == scalar && !strings.Contains(n.value, "{{") {
		return n
	}
	if n.kind == scalar {
		if own(n.layer) {
			return n
		}
		out := *n
		out.text = n.value
		value, err := expandFormula(n.value, t)
		if err != nil {
			c.add(n.at, "this is a mistake in the preset, not in the profile", "%v", err)
		}
		out.value = value
		return &out
	}
	out := *n
	out.items = nil
	for _, item := range n.items {
		out.items = append(out.items, t.expand(item, c))
	}
	if n.kind == mapping {
		out.vals = make(map[string]*node, len(n.vals))
		for k, v := range n.vals {
			if k == "probes" { // expanded when the health test is known
				out.vals[k] = v
				continue
			}
			out.vals[k] = t.expand(v, c)
		}
	}
	return &out
}

// expandFormula computes the {{…}} in text. Amounts are bytes; mib turns them into whole MiB.
func expandFormula(text string, data any) (string, error) {
	tmpl, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{
		"percent": func(of int64, p float64) int64 { return int64(float64(of) * p / 100) },
		"mib":     func(bytes int64) int64 { return bytes >> 20 },
		"clamp":   func(low, high, n int64) int64 { return max(low, min(high, n)) },
		"div":     func(a, b int64) int64 { return a / max(b, 1) },
		"minus":   func(a, b int64) int64 { return a - b },
	}).Parse(text)
	if err != nil {
		return "", fmt.Errorf("reading the formula %q: %w", text, err)
	}
	var b strings.Builder
	if err := tmpl.Execute(&b, data); err != nil {
		return "", fmt.Errorf("computing %q: %w", text, err)
	}
	return b.String(), nil
}

// ProbeCommand returns the command by which the image tests itself, or false when its tools are not known.
func (s Service) ProbeCommand() ([]string, bool) {
	if s.Health == nil || s.Probes == nil {
		return nil, false
	}
	var command []string
	data := struct {
		URL, Path string
		Port      int
	}{}
	switch {
	case s.Health.HTTP != nil:
		// 127.0.0.1, not localhost, which may be ::1 while the service listens on IPv4 only.
		data.URL = fmt.Sprintf("http://127.0.0.1:%d%s", s.Health.HTTP.Port, s.Health.HTTP.Path)
		data.Port, data.Path = s.Health.HTTP.Port, s.Health.HTTP.Path
		command = s.Probes.HTTP
	case s.Health.TCP != 0:
		data.Port = s.Health.TCP
		command = s.Probes.TCP
	}
	if len(command) == 0 {
		return nil, false
	}
	out := make([]string, len(command))
	for i, word := range command {
		expanded, err := expandFormula(word, data)
		if err != nil {
			return nil, false
		}
		out[i] = expanded
	}
	return out, true
}

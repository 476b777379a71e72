package profile

import (
	"fmt"
	"strings"
	"text/template"

	"github.com/hsectl/hsectl/internal/yamldoc"
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
func tuned(service string, n *yamldoc.Node, c *yamldoc.Collector) *yamldoc.Node {
	if !namePattern.MatchString(service) {
		service = "service" // the bad name is reported where it is written
	}
	t := Tuning{Service: service}
	limits := n.Get("limits")
	var memory Bytes
	var cpus CPUs
	if m := limits.Get("memory"); m != nil && memory.UnmarshalText([]byte(m.Value)) == nil {
		t.Memory = memory.N
	}
	if m := limits.Get("cpus"); m != nil && cpus.UnmarshalText([]byte(m.Value)) == nil {
		t.Nano = cpus.Nano
	}
	if m := limits.Get("pids"); m != nil {
		_, _ = fmt.Sscan(m.Value, &t.PIDs) // a mistake here is reported when the value is decoded
	}
	return t.expand(n, c)
}

func (t Tuning) expand(n *yamldoc.Node, c *yamldoc.Collector) *yamldoc.Node {
	if n == nil || n.Kind == yamldoc.Scalar && !strings.Contains(n.Value, "{{") {
		return n
	}
	if n.Kind == yamldoc.Scalar {
		if own(n.Layer) {
			return n
		}
		out := *n
		out.Text = n.Value
		value, err := expandFormula(n.Value, t)
		if err != nil {
			c.Add(n.At, "this is a mistake in the preset, not in the profile", "%v", err)
		}
		out.Value = value
		return &out
	}
	out := *n
	out.Items = nil
	for _, item := range n.Items {
		out.Items = append(out.Items, t.expand(item, c))
	}
	if n.Kind == yamldoc.Mapping {
		out.Values = make(map[string]*yamldoc.Node, len(n.Values))
		for k, v := range n.Values {
			if k == "probes" { // expanded when the health test is known
				out.Values[k] = v
				continue
			}
			out.Values[k] = t.expand(v, c)
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

package parser

import (
	"fmt"
	"strings"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/profile/validation"
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
	if !validation.IsName(service) {
		service = "service" // the bad name is reported where it is written
	}
	t := Tuning{Service: service}
	limits := n.Get("limits")
	var memory profile.Bytes
	var cpus profile.CPUs
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
		if profile.Own(n.Layer) {
			return n
		}
		out := *n
		out.Text = n.Value
		value, err := profile.ExpandFormula(n.Value, t)
		if err != nil {
			c.Add(n.At, "the error is in the preset, not in the profile", "%v", err)
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

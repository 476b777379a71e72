package profile

import (
	"maps"
	"slices"
	"strings"
)

// Exporter is a part of the monitoring stack that measures one service.
type Exporter struct {
	Name    string // of the exporter, as a service of the monitoring stack
	Part    string // what it is, and its preset
	Service string // what it measures
}

// measured returns the parts of which each service of a preset has one for itself, and the preset.
func measured() map[string]string {
	return map[string]string{PartPostgresExporter: "postgres", PartRedisExporter: "redis"}
}

// Exporters returns one for each PostgreSQL and each Redis of the stack, sorted by part and service. A single one has the
// name of its part; of several each is named after its service, so that none takes the name of another when one comes or
// goes, and none has another name where Choose leaves services out. Whether the part is wanted is not asked.
func (p *Profile) Exporters() []Exporter {
	if p.exporters != nil {
		return p.exporters
	}
	var out []Exporter
	for _, part := range slices.Sorted(maps.Keys(measured())) {
		services := p.withPreset(measured()[part])
		for _, service := range services {
			name := part
			if len(services) > 1 {
				name += "-" + service
			}
			out = append(out, Exporter{Name: name, Part: part, Service: service})
		}
	}
	return out
}

// PartOf returns the part that a service of the monitoring stack is, by its name.
func PartOf(name string) string {
	for part := range measured() {
		if strings.HasPrefix(name, part+"-") {
			return part
		}
	}
	return name
}

// named returns the names of the services that a part is in the monitoring stack.
func (p *Profile) named(part string) []string {
	if _, ok := measured()[part]; !ok {
		return []string{part}
	}
	var out []string
	for _, e := range p.Exporters() {
		if e.Part == part {
			out = append(out, e.Name)
		}
	}
	return out
}

// parts returns the names that may be written under monitoring.services, sorted: those of the parts, which count for all
// exporters of a kind, and those of single exporters.
func (p *Profile) parts() []string {
	out := slices.Collect(maps.Keys(Parts()))
	for _, e := range p.Exporters() {
		if e.Name != e.Part {
			out = append(out, e.Name)
		}
	}
	return slices.Sorted(slices.Values(out))
}

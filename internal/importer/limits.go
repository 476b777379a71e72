package importer

import (
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/hsectl/hsectl/internal/composefile/resources"
	"github.com/hsectl/hsectl/internal/display"
)

// bounds moves how much of the machine a service may take, and how often it runs.
type bounds struct{ *moving }

func (m bounds) limits() {
	m.take("mem_limit", "memswap_limit", "cpus", "pids_limit", "mem_reservation", "cpu_quota", "cpu_period", "shm_size")
	if !m.t.Strict {
		m.ownLimits()
		return
	}
	defaults, _ := m.preset["limits"].(map[string]any)
	limits := map[string]any{}
	var guessed, comments []string
	for _, l := range []struct{ key, value, guess string }{
		{"cpus", display.Decimal(resources.CPUs(m.s)), "1.0"}, {"memory", display.Bytes(resources.Memory(m.s)), display.Bytes(int64(m.s.ShmSize) + 512<<20)}, {"pids", number(max(0, resources.PIDs(m.s))), "200"},
	} {
		switch {
		case l.value != "":
			limits[l.key] = l.value
		case defaults[l.key] != nil || l.key == "pids":
		default:
			if limit, comment, ok := m.observedMemory(); ok && l.key == "memory" {
				limits[l.key], comments = limit, append(comments, comment)
				continue
			}
			limits[l.key] = l.guess
			guessed = append(guessed, l.key)
		}
	}
	if n, ok := limits["pids"].(string); ok {
		limits["pids"], _ = strconv.Atoi(n)
	}
	if len(guessed) > 0 {
		comments = append(comments, m.ask("what does the service need of %s? This is a guess", strings.Join(guessed, " and ")))
	}
	if len(limits) > 0 {
		m.out.set("limits", flow(limits), comments...)
	}
	m.besides()
}

// besides moves what is reserved, shared memory and the limit of open files.
func (m bounds) besides() {
	m.reservations()
	if m.s.ShmSize > 0 {
		m.out.set("shm_size", display.Bytes(int64(m.s.ShmSize)))
	}
	m.ulimits()
}

func (m bounds) reservations() {
	r := resources.Reservations(m.s)
	out := map[string]any{}
	if v := display.Decimal(float64(r.NanoCPUs)); v != "" {
		out["cpus"] = v
	}
	if v := display.Bytes(max(int64(r.MemoryBytes), int64(m.s.MemReservation))); v != "" {
		out["memory"] = v
	}
	if len(out) > 0 {
		m.out.set("reservations", flow(out))
	}
	deploy, _ := m.rest["deploy"].(map[string]any)
	resources, _ := deploy["resources"].(map[string]any)
	delete(resources, "limits")
	if left, ok := resources["reservations"].(map[string]any); ok {
		delete(left, "cpus")
		delete(left, "memory")
		delete(left, "pids")
		Prune(resources, "reservations")
	}
	Prune(deploy, "resources")
	Prune(deploy, "placement")
	Prune(m.rest, "deploy")
}

// Prune drops a mapping that has become empty.
func Prune(m map[string]any, key string) {
	if inner, ok := m[key].(map[string]any); ok && len(inner) == 0 {
		delete(m, key)
	}
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// ulimits moves the limit of open files. Another hard limit, and every other limit, is passed through.
func (m bounds) ulimits() {
	all, _ := m.rest["ulimits"].(map[string]any)
	delete(all, "core") // always 0
	if u := m.s.Ulimits["nofile"]; u != nil && resources.SoftLimit(u) > 0 {
		m.out.set("open_files", resources.SoftLimit(u))
		if u.Single != 0 || u.Hard == u.Soft {
			delete(all, "nofile")
		}
	}
	if len(all) == 0 {
		m.take("ulimits")
	}
}

// replicas moves the number of containers. Where only one can be, it is asked what to do.
func (m bounds) replicas() {
	n := m.s.GetScale()
	m.take("scale")
	deploy, _ := m.rest["deploy"].(map[string]any)
	delete(deploy, "replicas")
	single, _ := m.preset["single"].(string)
	switch {
	case n == 1:
	case n < 1:
		m.ask("%s has no container of it: should it run? If not, leave it out", m.t.Source)
	case single != "":
		m.ask("%s has %d containers of it, and its preset knows one only: %s", m.t.Source, n, single)
	case slices.ContainsFunc(m.s.Ports, func(p types.ServicePortConfig) bool { _, err := strconv.Atoi(p.Published); return err == nil }):
		m.ask("%s has %d containers of it, and only one can have a port of the host: put it behind the edge, and write replicas: %[2]d", m.t.Source, n)
	case m.s.Hostname != "":
		m.ask("%s has %d containers of it with one hostname: drop that, and write replicas: %[2]d", m.t.Source, n)
	default:
		m.out.set("replicas", n)
		for _, v := range m.s.Volumes {
			if v.Type == "volume" && v.Source != "" && !v.ReadOnly {
				m.several[v.Source] = true
			}
		}
	}
}

package profile

import (
	"maps"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
	"github.com/hsectl/hsectl/internal/yamldoc"
)

// Passthrough are keys of Compose that have no place of their own in a profile, as Compose writes them. They go into the
// rendered file unread, but for what weakens a service: that is judged, and needs an exception.
type Passthrough map[string]any

// DecodeShort takes any mapping as it is.
func (p *Passthrough) DecodeShort(n *yamldoc.Node) (bool, error) {
	if n.Kind != yamldoc.Mapping {
		return true, yamldoc.BadValue("write keys of Compose: {working_dir: /srv}", "it must be a mapping, not a %s", n.What())
	}
	value, _ := n.Plain().(map[string]any)
	*p = value
	return true, nil
}

// harmless keys neither give a service anything nor take a wall away.
func harmless() []string {
	return strings.Fields(`annotations attach blkio_config container_name cpu_count cpu_percent cpu_shares cpuset depends_on dns dns_opt
		dns_search domainname expose healthcheck label_file labels links logging mac_address mem_swappiness platform pull_policy
		stdin_open storage_opt tty ulimits working_dir command entrypoint environment env_file configs secrets`)
}

// judged keys are turned into facts, and judged by controls.
func judged() []string {
	return strings.Fields(`privileged pid ipc network_mode uts userns_mode devices gpus device_cgroup_rules security_opt volumes ports use_api_socket`)
}

// Unjudged returns the keys that no control judges and that may weaken the service, sorted.
func (p Passthrough) Unjudged() []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(p)) {
		switch {
		case strings.HasPrefix(key, "x-"), slices.Contains(harmless(), key), slices.Contains(judged(), key):
		case key == "deploy" && len(without(p.Mapping("deploy"), "mode", "labels", "update_config", "rollback_config", "placement", "endpoint_mode", "resources", "restart_policy")) == 0:
		case key == "networks" && !p.Carries("networks", "driver_opts"):
		case key == "build" && len(without(p.Mapping("build"), "cache_from", "cache_to", "no_cache", "pull", "platforms", "labels", "tags", "shm_size", "isolation", "ulimits")) == 0:
		default:
			out = append(out, key)
		}
	}
	return out
}

func without(m map[string]any, keys ...string) map[string]any {
	out := maps.Clone(m)
	for _, k := range keys {
		delete(out, k)
	}
	return out
}

// Carries reports whether one of the mappings in the mapping of a key has another key.
func (p Passthrough) Carries(key, inside string) bool {
	for _, inner := range p.Mapping(key) {
		if im, ok := inner.(map[string]any); ok && im[inside] != nil {
			return true
		}
	}
	return false
}

// Mapping returns the mapping of a key, or nil.
func (p Passthrough) Mapping(key string) map[string]any {
	m, _ := p[key].(map[string]any)
	return m
}

func (p Passthrough) text(key string) string {
	s, _ := p[key].(string)
	return s
}

// List returns the items of a list, and a single value as a list of one.
func (p Passthrough) List(key string) []any {
	switch v := p[key].(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

// Breaks returns the controls that cannot hold for a service that passes this through, with what breaks them.
func (p Passthrough) Breaks() map[string]string {
	out := map[string]string{}
	if len(p) == 0 {
		return out
	}
	facts := p.Weaken(strict(""))
	for _, c := range controls.All() {
		if !slices.Contains(weakened(), c.ID) {
			continue
		}
		if v := c.Judge(facts, policy.Intent{}); v.Status == finding.Fail {
			out[c.ID] = v.Detail
		}
	}
	return out
}

func mappingOf(m map[string]any, key string) map[string]any {
	inner, _ := m[key].(map[string]any)
	return inner
}

// weakened are the controls that a passthrough can break.
func weakened() []string {
	return []string{"HSE-FS-002", "HSE-FS-003", "HSE-FS-004", "HSE-FS-005", "HSE-FS-006", "HSE-PRV-001", "HSE-KRN-001", "HSE-KRN-004", "HSE-KRN-006",
		"HSE-NS-001", "HSE-NS-002", "HSE-NS-003", "HSE-NS-004", "HSE-NS-005", "HSE-NET-001"}
}

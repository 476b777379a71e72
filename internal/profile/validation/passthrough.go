package validation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ownPlaces are keys of a Compose service that a profile has a place for, and what to write instead.
func ownPlaces() map[string]string {
	return map[string]string{
		"image": "image:", "user": "user:", "read_only": "an exception for HSE-FS-001", "init": "init:", "cap_add": "capabilities:, each with its reason",
		"cap_drop": "nothing: all capabilities are dropped", "tmpfs": "writable: with tmpfs:", "mem_limit": "limits.memory:", "memswap_limit": "nothing: swap is off",
		"cpus": "limits.cpus:", "pids_limit": "limits.pids:", "mem_reservation": "reservations.memory:", "stop_signal": "shutdown.signal:", "stop_grace_period": "shutdown.grace:",
		"restart": "restart:", "hostname": "hostname:", "shm_size": "shm_size:", "scale": "replicas:", "profiles": "profiles:",
	}
}

// stackPlaces are keys of a Compose file that a profile has a place for. What they would bring is no service of the profile, and is
// neither judged nor deployed with it.
func stackPlaces() map[string]string {
	return map[string]string{"services": "services:", "jobs": "services: with job:", "name": "name:", "include": "extends:, or the services themselves"}
}

// passedThrough refuses what has a place of its own beside the services.
func (v *validator) passedThrough() {
	for _, key := range slices.Sorted(maps.Keys(v.p.Passthrough)) {
		if instead, ok := stackPlaces()[key]; ok {
			v.bad("passthrough."+key, "write "+instead, "%s has a place of its own", key)
		}
	}
}

// passthrough refuses what has a place of its own. What weakens the service is seen in the rendered file.
func (v *serviceValidator) passthrough() {
	at := v.at("passthrough")
	for _, key := range slices.Sorted(maps.Keys(v.s.Passthrough)) {
		if instead, ok := ownPlaces()[key]; ok {
			v.bad(at+"."+key, "write "+instead, "%s has a place of its own", key)
		}
	}
	if resources, _ := v.s.Passthrough.Mapping("deploy")["resources"].(map[string]any); resources["limits"] != nil {
		v.bad(at+".deploy.resources.limits", "write limits:", "deploy.resources.limits has a place of its own")
	}
	if v.s.Passthrough.Mapping("deploy")["replicas"] != nil {
		v.bad(at+".deploy.replicas", "write replicas:", "deploy.replicas has a place of its own")
	}
	for i, item := range v.s.Passthrough.List("volumes") {
		if _, ok := item.(map[string]any); !ok {
			v.bad(fmt.Sprintf("%s.volumes[%d]", at, i), "write {type: bind, source: ./conf, target: /etc/app, read_only: true}", "a volume passed through must be in the long form")
		}
	}
	for i, item := range v.s.Passthrough.List("security_opt") {
		if strings.HasPrefix(fmt.Sprint(item), "no-new-privileges") {
			v.bad(fmt.Sprintf("%s.security_opt[%d]", at, i), "drop it", "no-new-privileges is always on")
		}
	}
}

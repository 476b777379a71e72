package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
)

// anonymous is the name that an engine gives a volume nobody named.
var anonymous = regexp.MustCompile(`^[0-9a-f]{64}$`)

func storage() []Control {
	return []Control{
		{ID: "HSE-FS-011", Title: "No path of the host can be changed from inside", Severity: finding.Medium, Key: "writable",
			Rationale:  "What the container can change on the host outlives it, and others read it.",
			References: []string{"OWASP Docker rule 8", "NIST SP 800-190 4.5.5"},
			Remedy:     "mount it read-only, or use a named volume",
			judge:      readOnlyBinds},
		{ID: "HSE-FS-007", Title: "No anonymous volume", Severity: finding.Low, Key: "writable",
			Rationale:  "An image that declares a volume gets one nobody named: it is writable, unsized, and left behind.",
			References: []string{"KICS 8c978947", "NIST SP 800-190 4.3.4"},
			Remedy:     "declare the path of the image's volume under writable:",
			judge:      namedVolumes},
		{ID: "HSE-FS-008", Title: "Nothing in the container differs from its image", Severity: finding.Medium, Key: "writable", Runtime: true,
			Rationale:  "A file that appeared in the container's own layer is what an intruder leaves, or data that will be lost.",
			References: []string{"NIST SP 800-190 4.4.5", "NSA immutable file systems"},
			Remedy:     "keep the root read-only, and declare what is written under writable:",
			judge:      unchanged},
		{ID: "HSE-FS-009", Title: "Shared memory is bounded and runs no programs", Severity: finding.Low, Key: "shm_size",
			Rationale:  "/dev/shm is a place to write that is easily forgotten.",
			References: []string{"OWASP Docker rule 7"},
			Remedy:     "set shm_size to what the service needs",
			judge:      sharedMemory},
	}
}

func readOnlyBinds(f Facts, in Intent) Verdict {
	if !f.Mounts.Known() {
		return unknown(f.Mounts, "the mounts")
	}
	var wrong []string
	n := 0
	for _, m := range f.Mounts.Value {
		if m.Kind != "bind" {
			continue
		}
		n++
		if m.Writable && !slices.ContainsFunc(in.Writable, func(w Mount) bool { return w.Path == m.Path }) {
			wrong = append(wrong, fmt.Sprintf("%s of the host is writable at %s", m.Source, m.Path))
		}
	}
	if len(wrong) > 0 {
		return fail(f.Mounts.Tier, "%s", strings.Join(wrong, "; "))
	}
	return pass(f.Mounts.Tier, "%d paths of the host, none writable undeclared", n)
}

func namedVolumes(f Facts, _ Intent) Verdict {
	if !f.Mounts.Known() {
		return unknown(f.Mounts, "the mounts")
	}
	for _, m := range f.Mounts.Value {
		if m.Kind == "volume" && anonymous.MatchString(m.Volume) {
			return fail(f.Mounts.Tier, "%s is a volume without a name", m.Path)
		}
	}
	return pass(f.Mounts.Tier, "every volume has a name")
}

func unchanged(f Facts, _ Intent) Verdict {
	if !f.Changes.Known() {
		return unknown(f.Changes, "the changes")
	}
	if n := len(f.Changes.Value); n > 0 {
		return fail(f.Changes.Tier, "%d paths differ: %s", n, strings.Join(f.Changes.Value[:min(n, 5)], ", "))
	}
	return pass(f.Changes.Tier, "as the image has it")
}

func sharedMemory(f Facts, _ Intent) Verdict {
	switch {
	case !f.Shm.Known():
		return unknown(f.Shm, "/dev/shm")
	case f.Shm.Value.Size <= 0:
		return fail(f.Shm.Tier, "/dev/shm has no size")
	case f.Shm.Value.Exec:
		return fail(f.Shm.Tier, "/dev/shm allows programs to run")
	}
	return pass(f.Shm.Tier, "/dev/shm: %d MiB, no programs", f.Shm.Value.Size>>20)
}

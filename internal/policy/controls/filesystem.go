package controls

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// readOnlyRoot prefers what was tried over what is mounted, and names both.
func readOnlyRoot(f policy.Facts, _ policy.Intent) policy.Verdict {
	if !f.RootReadOnly.Known() {
		return policy.Unknown(f.RootReadOnly, "the mount of /")
	}
	if !f.RootReadOnly.Value {
		return policy.Fail(f.RootReadOnly.Tier, "/ is mounted writable")
	}
	for _, t := range f.Trials.Value {
		if t.Path != "/" {
			continue
		}
		if t.Error == "EROFS" {
			return policy.Pass(finding.Behaved, "a write to / fails with EROFS")
		}
		if t.Error == "" {
			return policy.Fail(finding.Behaved, "a write to / succeeded")
		}
	}
	return policy.Pass(f.RootReadOnly.Tier, "/ is mounted read-only")
}

func writablePaths(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Mounts.Known() {
		return policy.Unknown(f.Mounts, "the mounts")
	}
	var wrong []string
	for _, m := range f.Mounts.Value {
		if !m.Writable {
			continue
		}
		i := slices.IndexFunc(in.Writable, func(w policy.Mount) bool { return w.Path == m.Path && (w.Kind == m.Kind || w.Kind == "") })
		if i < 0 {
			wrong = append(wrong, m.Path+" is writable but not declared")
			continue
		}
		declared := in.Writable[i]
		if m.Kind == "tmpfs" && m.Size == 0 {
			wrong = append(wrong, m.Path+" has no size")
		}
		if declared.Size > 0 && m.Size > declared.Size {
			wrong = append(wrong, fmt.Sprintf("%s has a size of %d bytes, not %d", m.Path, m.Size, declared.Size))
		}
		if m.Kind == "tmpfs" && m.Exec && !declared.Exec {
			wrong = append(wrong, m.Path+" allows programs to run")
		}
		if m.Kind == "tmpfs" && (m.SUID || m.Dev) {
			wrong = append(wrong, m.Path+" lacks nosuid or nodev")
		}
	}
	for _, w := range in.Writable {
		if !slices.ContainsFunc(f.Mounts.Value, func(m policy.Mount) bool { return m.Path == w.Path && m.Writable }) {
			wrong = append(wrong, w.Path+" is declared but not mounted writable")
		}
	}
	if len(wrong) > 0 {
		return policy.Fail(f.Mounts.Tier, "%s", strings.Join(wrong, "; "))
	}
	return policy.Pass(f.Mounts.Tier, "%d writable paths, all declared", len(in.Writable))
}

// sensitive directories of the host: a mount of one of them, of something in it, or of what holds it.
func sensitive() []string {
	return []string{
		"/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/sys", "/usr", "/bin", "/sbin", "/root",
		"/var/run", "/run", "/var/lib/docker", "/var/lib/containerd", "/var/lib/kubelet",
	}
}

// sensitiveMount reports whether a mount shows the container one of the host's own directories.
func sensitiveMount(m policy.Mount) bool {
	if m.Kind != "bind" {
		return false
	}
	source := path.Clean(m.Source)
	return !publicFile(source, m.Writable) && slices.ContainsFunc(sensitive(), func(s string) bool {
		return source == "/" || source == s || strings.HasPrefix(source, s+"/") || strings.HasPrefix(s, source+"/")
	})
}

// declaredHostPaths holds what an exception for HSE-FS-003 allows to the path it was given for.
func declaredHostPaths(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Mounts.Known() {
		return policy.Unknown(f.Mounts, "the mounts")
	}
	var wrong, elsewhere []string
	for _, m := range f.Mounts.Value {
		if m.External && !slices.ContainsFunc(in.Writable, func(w policy.Mount) bool { return w.External && w.Path == m.Path }) {
			elsewhere = append(elsewhere, m.Path)
		}
		if !sensitiveMount(m) {
			continue
		}
		declared := slices.ContainsFunc(in.Host, func(h policy.Mount) bool { return h.Path == m.Path && h.Source == path.Clean(m.Source) })
		switch {
		case !declared:
			wrong = append(wrong, fmt.Sprintf("%s of the host is mounted at %s, which is not declared", m.Source, m.Path))
		case m.Writable:
			wrong = append(wrong, fmt.Sprintf("%s of the host is mounted writable at %s", m.Source, m.Path))
		}
	}
	if len(wrong) > 0 {
		return policy.Fail(f.Mounts.Tier, "%s", strings.Join(wrong, "; "))
	}
	if len(elsewhere) > 0 {
		return policy.Undetermined("the volume at " + strings.Join(elsewhere, ", ") + " is created outside this stack, and may be a path of the host")
	}
	return policy.Pass(f.Mounts.Tier, "%d paths of the host, all declared", len(in.Host))
}

func hostPaths(f policy.Facts, _ policy.Intent) policy.Verdict {
	if !f.Mounts.Known() {
		return policy.Unknown(f.Mounts, "the mounts")
	}
	var wrong []string
	for _, m := range f.Mounts.Value {
		if sensitiveMount(m) {
			wrong = append(wrong, fmt.Sprintf("%s of the host is mounted at %s", path.Clean(m.Source), m.Path))
		}
	}
	if len(wrong) > 0 {
		return policy.Fail(f.Mounts.Tier, "%s", strings.Join(wrong, "; "))
	}
	return policy.Pass(f.Mounts.Tier, "no mount of a sensitive path")
}

func engineSocket(f policy.Facts, _ policy.Intent) policy.Verdict {
	if !f.Mounts.Known() {
		return policy.Unknown(f.Mounts, "the mounts")
	}
	for _, m := range f.Mounts.Value {
		base := path.Base(m.Source)
		if slices.Contains([]string{"docker.sock", "containerd.sock", "crio.sock", "podman.sock"}, base) ||
			m.Kind == "bind" && slices.Contains([]string{"/run", "/var/run", "/run/docker", "/run/containerd", "/"}, path.Clean(m.Source)) {
			return policy.Fail(f.Mounts.Tier, "%s of the host is mounted at %s", m.Source, m.Path)
		}
	}
	return policy.Pass(f.Mounts.Tier, "no engine socket is mounted")
}

func propagation(f policy.Facts, _ policy.Intent) policy.Verdict {
	if !f.Mounts.Known() {
		return policy.Unknown(f.Mounts, "the mounts")
	}
	for _, m := range f.Mounts.Value {
		if m.Shared {
			return policy.Fail(f.Mounts.Tier, "the mount at %s is shared with the host", m.Path)
		}
	}
	return policy.Pass(f.Mounts.Tier, "all mounts are private")
}

// writeTrials wants every declared path written and every denied path refused, each by an attempt.
func writeTrials(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Trials.Known() {
		return policy.Unknown(f.Trials, "writing")
	}
	result := map[string]string{}
	tried := map[string]bool{}
	for _, t := range f.Trials.Value {
		result[t.Path], tried[t.Path] = t.Error, true
	}
	var wrong []string
	for _, w := range in.Writable {
		switch {
		case !tried[w.Path]:
			return policy.Undetermined("no write to " + w.Path + " was tried")
		case result[w.Path] != "":
			wrong = append(wrong, fmt.Sprintf("a write to %s fails with %s", w.Path, result[w.Path]))
		}
	}
	for _, d := range in.Denied {
		switch {
		case !tried[d]:
			return policy.Undetermined("no write to " + d + " was tried")
		case result[d] == "":
			wrong = append(wrong, fmt.Sprintf("a write to %s succeeded", d))
		}
	}
	if len(wrong) > 0 {
		return policy.Fail(finding.Behaved, "%s", strings.Join(wrong, "; "))
	}
	return policy.Pass(finding.Behaved, "%d paths written, %d refused", len(in.Writable), len(in.Denied))
}

func filesystem() []policy.Control {
	return []policy.Control{
		{ID: "HSE-FS-001", Title: "Root file system is read-only", Severity: finding.High, Key: "writable",
			Rationale:  "A program that is broken into cannot change its own code or leave anything behind.",
			References: []string{"CIS 5.13", "OWASP Docker rule 8", "NIST SP 800-190 4.4.3"},
			Remedy:     "declare each path the service writes under writable:; the root is read-only unless HSE-FS-001 is excepted",
			Predicate:  readOnlyRoot},
		{ID: "HSE-FS-002", Title: "Writable paths are the declared ones, sized, without exec", Severity: finding.Medium, Key: "writable",
			Rationale:  "A tmpfs without a size may take half of the host's memory, and a writable path where programs may run lets intruders install tools.",
			References: []string{"OWASP Docker rule 8", "NIST SP 800-190 4.4.3"},
			Remedy:     "add the path to writable: with volume: or tmpfs: and a size",
			Predicate:  writablePaths},
		{ID: "HSE-FS-003", Title: "No sensitive path of the host is mounted", Severity: finding.Critical,
			Rationale:  "A mount of the host's own directories is a way onto the host.",
			References: []string{"CIS 5.6", "KICS 1c1325ff", "PSS hostPathVolumes", "NIST SP 800-190 4.5.5"},
			Remedy:     "use writable: with a named volume",
			Predicate:  hostPaths},
		{ID: "HSE-FS-004", Title: "The engine's API cannot be reached", Severity: finding.Critical,
			Rationale:  "Access to the engine is equivalent to root on the host; mounting the socket read-only does not help.",
			References: []string{"CIS 5.32", "KICS d6355c88", "OWASP Docker rule 1", "NIST SP 800-190 4.5.4"},
			Remedy:     "remove the mount of the engine's socket",
			Predicate:  engineSocket},
		{ID: "HSE-FS-005", Title: "Mounts of the host's own paths are the declared ones, read-only", Severity: finding.Critical, Key: "host_paths",
			Rationale:  "An exception allows reading the one path it explains; it must not cover other paths, or writes.",
			References: []string{"OWASP Docker rule 8", "NIST SP 800-190 4.5.5"},
			Remedy:     "declare the path under host_paths: with its reason, or remove the mount",
			Predicate:  declaredHostPaths},
		{ID: "HSE-FS-006", Title: "Mounts are private", Severity: finding.High,
			Rationale:  "A shared mount lets the container mount something on the host.",
			References: []string{"CIS 5.20", "KICS baa452f0"},
			Remedy:     "drop the propagation of the mount",
			Predicate:  propagation},
		{ID: "HSE-FS-007", Title: "No anonymous volume", Severity: finding.Low, Key: "writable",
			Rationale:  "An image that declares a volume gets an anonymous one: it is writable, has no size limit, and stays after the container is removed.",
			References: []string{"KICS 8c978947", "NIST SP 800-190 4.3.4"},
			Remedy:     "declare the path of the image's volume under writable:",
			Predicate:  namedVolumes},
		{ID: "HSE-FS-008", Title: "Nothing in the container differs from its image", Severity: finding.Medium, Key: "writable", Runtime: true,
			Rationale:  "A file that appears in the container's own layer was left by an intruder, or is data that will be lost.",
			References: []string{"NIST SP 800-190 4.4.5", "NSA immutable file systems"},
			Remedy:     "keep the root read-only, and declare what is written under writable:",
			Predicate:  unchanged},
		{ID: "HSE-FS-009", Title: "Shared memory is bounded and runs no programs", Severity: finding.Low, Key: "shm_size",
			Rationale:  "/dev/shm is writable and easily overlooked.",
			References: []string{"OWASP Docker rule 7"},
			Remedy:     "set shm_size to what the service needs",
			Predicate:  sharedMemory},
		{ID: "HSE-FS-010", Title: "The service's user can write every declared path, and no denied one", Severity: finding.High, Key: "writable", Runtime: true,
			Rationale:  "A declared path that cannot be written breaks the service on its first write; this is tested on the running container.",
			References: []string{"OWASP Docker rule 8"},
			Remedy:     "deploy prepares volumes for the service's user; a volume filled by another user must be handed over once",
			Predicate:  writeTrials},
		{ID: "HSE-FS-011", Title: "No path of the host can be changed from inside", Severity: finding.Medium, Key: "writable",
			Rationale:  "What the container can change on the host outlives it, and others read it.",
			References: []string{"OWASP Docker rule 8", "NIST SP 800-190 4.5.5"},
			Remedy:     "mount it read-only, or use a named volume",
			Predicate:  readOnlyBinds},
	}
}

// publicFile reports whether a bind shows what every process may read anyway, and cannot change it: the time zone and the
// public certificates of the host.
func publicFile(source string, writable bool) bool {
	return !writable && slices.Contains([]string{"/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo", "/etc/ssl/certs", "/etc/ssl/certs/ca-certificates.crt"}, source)
}

// anonymous is the name that an engine gives an unnamed volume.
var anonymous = regexp.MustCompile(`^[0-9a-f]{64}$`)

func readOnlyBinds(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Mounts.Known() {
		return policy.Unknown(f.Mounts, "the mounts")
	}
	var wrong []string
	n := 0
	for _, m := range f.Mounts.Value {
		if m.Kind != "bind" {
			continue
		}
		n++
		if m.Writable && !slices.ContainsFunc(in.Writable, func(w policy.Mount) bool { return w.Path == m.Path && w.Kind == m.Kind }) {
			wrong = append(wrong, fmt.Sprintf("%s of the host is writable at %s", m.Source, m.Path))
		}
	}
	if len(wrong) > 0 {
		return policy.Fail(f.Mounts.Tier, "%s", strings.Join(wrong, "; "))
	}
	return policy.Pass(f.Mounts.Tier, "%d paths of the host, none writable undeclared", n)
}

func namedVolumes(f policy.Facts, _ policy.Intent) policy.Verdict {
	if !f.Mounts.Known() {
		return policy.Unknown(f.Mounts, "the mounts")
	}
	for _, m := range f.Mounts.Value {
		if m.Kind == "volume" && anonymous.MatchString(m.Volume) {
			return policy.Fail(f.Mounts.Tier, "%s is a volume without a name", m.Path)
		}
	}
	return policy.Pass(f.Mounts.Tier, "every volume has a name")
}

func unchanged(f policy.Facts, _ policy.Intent) policy.Verdict {
	if !f.Changes.Known() {
		return policy.Unknown(f.Changes, "the changes")
	}
	if n := len(f.Changes.Value); n > 0 {
		return policy.Fail(f.Changes.Tier, "%d paths differ: %s", n, strings.Join(f.Changes.Value[:min(n, 5)], ", "))
	}
	return policy.Pass(f.Changes.Tier, "no difference")
}

func sharedMemory(f policy.Facts, _ policy.Intent) policy.Verdict {
	switch {
	case !f.Shm.Known():
		return policy.Unknown(f.Shm, "/dev/shm")
	case f.Shm.Value.Size <= 0:
		return policy.Fail(f.Shm.Tier, "/dev/shm has no size")
	case f.Shm.Value.Exec:
		return policy.Fail(f.Shm.Tier, "/dev/shm allows programs to run")
	}
	return policy.Pass(f.Shm.Tier, "/dev/shm: %d MiB, no programs", f.Shm.Value.Size>>20)
}

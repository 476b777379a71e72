package policy

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
)

func filesystem() []Control {
	return []Control{
		{ID: "HSE-FS-001", Title: "Root file system is read-only", Severity: finding.High, Key: "writable",
			Rationale:  "A program that is broken into cannot change its own code or leave anything behind.",
			References: []string{"CIS 5.13", "OWASP Docker rule 8", "NIST SP 800-190 4.4.3"},
			Remedy:     "declare each path the service writes under writable:; the root is read-only unless HSE-FS-001 is excepted",
			judge:      readOnlyRoot},
		{ID: "HSE-FS-002", Title: "Writable paths are the declared ones, sized, without exec", Severity: finding.Medium, Key: "writable",
			Rationale:  "A tmpfs without a size may take half of the host's memory, and a place to write and run from is where intruders settle.",
			References: []string{"OWASP Docker rule 8", "NIST SP 800-190 4.4.3"},
			Remedy:     "add the path to writable: with volume: or tmpfs: and a size",
			judge:      writablePaths},
		{ID: "HSE-FS-003", Title: "No sensitive path of the host is mounted", Severity: finding.Critical,
			Rationale:  "A mount of the host's own directories is a way onto the host.",
			References: []string{"CIS 5.6", "KICS 1c1325ff", "PSS hostPathVolumes", "NIST SP 800-190 4.5.5"},
			Remedy:     "use writable: with a named volume",
			judge:      hostPaths},
		{ID: "HSE-FS-004", Title: "The engine's API cannot be reached", Severity: finding.Critical,
			Rationale:  "Whoever can talk to the engine is root on the host; a read-only mount of the socket changes nothing.",
			References: []string{"CIS 5.32", "KICS d6355c88", "OWASP Docker rule 1", "NIST SP 800-190 4.5.4"},
			Remedy:     "remove the mount of the engine's socket",
			judge:      engineSocket},
		{ID: "HSE-FS-005", Title: "Mounts of the host's own paths are the declared ones, read-only", Severity: finding.Critical, Key: "host_paths",
			Rationale:  "An exception is for the one path it explains, to be read; it must not cover another one, or a write.",
			References: []string{"OWASP Docker rule 8", "NIST SP 800-190 4.5.5"},
			Remedy:     "declare the path under host_paths: with its reason, or remove the mount",
			judge:      declaredHostPaths},
		{ID: "HSE-FS-006", Title: "Mounts are private", Severity: finding.High,
			Rationale:  "A shared mount lets the container mount something on the host.",
			References: []string{"CIS 5.20", "KICS baa452f0"},
			Remedy:     "drop the propagation of the mount",
			judge:      propagation},
		{ID: "HSE-FS-010", Title: "The service's user can write every declared path, and no denied one", Severity: finding.High, Key: "writable", Runtime: true,
			Rationale:  "A declared path that cannot be written breaks the service on its first write; this is tried, not read.",
			References: []string{"OWASP Docker rule 8"},
			Remedy:     "deploy prepares volumes for the service's user; a volume filled by another user must be handed over once",
			judge:      writeTrials},
	}
}

// readOnlyRoot prefers what was tried over what is mounted, and names both.
func readOnlyRoot(f Facts, _ Intent) Verdict {
	if !f.RootReadOnly.Known() {
		return unknown(f.RootReadOnly, "the mount of /")
	}
	if !f.RootReadOnly.Value {
		return fail(f.RootReadOnly.Tier, "/ is mounted writable")
	}
	for _, t := range f.Trials.Value {
		if t.Path != "/" {
			continue
		}
		if t.Error == "EROFS" {
			return pass(finding.Behaved, "a write to / fails with EROFS")
		}
		if t.Error == "" {
			return fail(finding.Behaved, "a write to / succeeded")
		}
	}
	return pass(f.RootReadOnly.Tier, "/ is mounted read-only")
}

func writablePaths(f Facts, in Intent) Verdict {
	if !f.Mounts.Known() {
		return unknown(f.Mounts, "the mounts")
	}
	var wrong []string
	for _, m := range f.Mounts.Value {
		if !m.Writable {
			continue
		}
		i := slices.IndexFunc(in.Writable, func(w Mount) bool { return w.Path == m.Path })
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
		if !slices.ContainsFunc(f.Mounts.Value, func(m Mount) bool { return m.Path == w.Path && m.Writable }) {
			wrong = append(wrong, w.Path+" is declared but not mounted writable")
		}
	}
	if len(wrong) > 0 {
		return fail(f.Mounts.Tier, "%s", strings.Join(wrong, "; "))
	}
	return pass(f.Mounts.Tier, "%d writable paths, all declared", len(in.Writable))
}

// sensitive directories of the host: a mount of one of them, of something in it, or of what holds it.
func sensitive() []string {
	return []string{
		"/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/sys", "/usr", "/bin", "/sbin", "/root",
		"/var/run", "/run", "/var/lib/docker", "/var/lib/containerd", "/var/lib/kubelet",
	}
}

// sensitiveMount reports whether a mount shows the container one of the host's own directories.
func sensitiveMount(m Mount) bool {
	if m.Kind != "bind" {
		return false
	}
	source := path.Clean(m.Source)
	return !publicFile(source, m.Writable) && slices.ContainsFunc(sensitive(), func(s string) bool {
		return source == "/" || source == s || strings.HasPrefix(source, s+"/") || strings.HasPrefix(s, source+"/")
	})
}

// declaredHostPaths holds what an exception for HSE-FS-003 allows to the path it was given for.
func declaredHostPaths(f Facts, in Intent) Verdict {
	if !f.Mounts.Known() {
		return unknown(f.Mounts, "the mounts")
	}
	var wrong, elsewhere []string
	for _, m := range f.Mounts.Value {
		if m.External && !slices.ContainsFunc(in.Writable, func(w Mount) bool { return w.External && w.Path == m.Path }) {
			elsewhere = append(elsewhere, m.Path)
		}
		if !sensitiveMount(m) {
			continue
		}
		declared := slices.ContainsFunc(in.Host, func(h Mount) bool { return h.Path == m.Path && h.Source == path.Clean(m.Source) })
		switch {
		case !declared:
			wrong = append(wrong, fmt.Sprintf("%s of the host is mounted at %s, which is not declared", m.Source, m.Path))
		case m.Writable:
			wrong = append(wrong, fmt.Sprintf("%s of the host is mounted writable at %s", m.Source, m.Path))
		}
	}
	if len(wrong) > 0 {
		return fail(f.Mounts.Tier, "%s", strings.Join(wrong, "; "))
	}
	if len(elsewhere) > 0 {
		return Verdict{finding.Unknown, finding.None, "the volume at " + strings.Join(elsewhere, ", ") + " is made elsewhere, and may be a path of the host"}
	}
	return pass(f.Mounts.Tier, "%d paths of the host, all declared", len(in.Host))
}

func hostPaths(f Facts, _ Intent) Verdict {
	if !f.Mounts.Known() {
		return unknown(f.Mounts, "the mounts")
	}
	var wrong []string
	for _, m := range f.Mounts.Value {
		if sensitiveMount(m) {
			wrong = append(wrong, fmt.Sprintf("%s of the host is mounted at %s", path.Clean(m.Source), m.Path))
		}
	}
	if len(wrong) > 0 {
		return fail(f.Mounts.Tier, "%s", strings.Join(wrong, "; "))
	}
	return pass(f.Mounts.Tier, "no mount of a sensitive path")
}

func engineSocket(f Facts, _ Intent) Verdict {
	if !f.Mounts.Known() {
		return unknown(f.Mounts, "the mounts")
	}
	for _, m := range f.Mounts.Value {
		base := path.Base(m.Source)
		if slices.Contains([]string{"docker.sock", "containerd.sock", "crio.sock", "podman.sock"}, base) ||
			m.Kind == "bind" && slices.Contains([]string{"/run", "/var/run", "/run/docker", "/run/containerd", "/"}, path.Clean(m.Source)) {
			return fail(f.Mounts.Tier, "%s of the host is mounted at %s", m.Source, m.Path)
		}
	}
	return pass(f.Mounts.Tier, "no engine socket is mounted")
}

func propagation(f Facts, _ Intent) Verdict {
	if !f.Mounts.Known() {
		return unknown(f.Mounts, "the mounts")
	}
	for _, m := range f.Mounts.Value {
		if m.Shared {
			return fail(f.Mounts.Tier, "the mount at %s is shared with the host", m.Path)
		}
	}
	return pass(f.Mounts.Tier, "all mounts are private")
}

// writeTrials wants every declared path written and every denied path refused, each by an attempt.
func writeTrials(f Facts, in Intent) Verdict {
	if !f.Trials.Known() {
		return unknown(f.Trials, "writing")
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
			return Verdict{finding.Unknown, finding.None, "no write to " + w.Path + " was tried"}
		case result[w.Path] != "":
			wrong = append(wrong, fmt.Sprintf("a write to %s fails with %s", w.Path, result[w.Path]))
		}
	}
	for _, d := range in.Denied {
		switch {
		case !tried[d]:
			return Verdict{finding.Unknown, finding.None, "no write to " + d + " was tried"}
		case result[d] == "":
			wrong = append(wrong, fmt.Sprintf("a write to %s succeeded", d))
		}
	}
	if len(wrong) > 0 {
		return fail(finding.Behaved, "%s", strings.Join(wrong, "; "))
	}
	return pass(finding.Behaved, "%d paths written, %d refused", len(in.Writable), len(in.Denied))
}

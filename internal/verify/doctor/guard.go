package doctor

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// forbidden says what to do in place of a tmpfs at a directory, or nothing where one hides, loses and breaks nothing that is known.
func forbidden(r reading, dir string) string {
	s, key := r.service, at(r.service, "writable")
	if note := noteAbout(r.symptom.Notes, dir); note != "" {
		return "the preset says: " + note
	}
	below := func(p string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }
	for _, top := range []string{"/proc", "/sys", "/dev"} {
		if dir != "/dev/shm" && (dir == top || strings.HasPrefix(dir, top+"/")) {
			return "let the program do without: " + top + " belongs to the engine"
		}
	}
	for _, w := range s.Writable {
		if below(w.Path) {
			return "a tmpfs there would lie over " + w.Path + ", which is declared: merge the two in " + key
		}
	}
	for _, c := range s.Configs {
		if below(c.Path) {
			return "a tmpfs there would hide " + c.Path + ", which is delivered: let the program write elsewhere"
		}
	}
	for _, h := range s.HostPaths {
		if below(h.Path) {
			return "a tmpfs there would hide " + h.Path + " of the host: let the program write elsewhere"
		}
	}
	words := slices.Concat(s.Entrypoint, s.Command)
	if work, ok := s.Extra["working_dir"].(string); ok {
		words = append(words, work)
	}
	for _, word := range words {
		if below(path.Clean(word)) {
			return "a tmpfs there would hide " + word + ", which it starts: let the program write to a directory of its own, and declare that in " + key
		}
	}
	scratch := slices.Contains([]string{"/tmp", "/run", "/var/tmp", "/dev/shm"}, dir)
	switch seen := r.symptom.Places[dir]; {
	case scratch:
		return ""
	case seen == Full:
		return "the image has files there, which a tmpfs would hide: let the program write elsewhere, or prepare what it writes in the Dockerfile"
	case holdsData(dir):
		return fmt.Sprintf("declare it in %s: {path: %s, volume: NAME} for data that must survive, or {path: %s, tmpfs: 16M} for what may be lost", key, dir, dir)
	case seen == Unseen && !transient(dir):
		return fmt.Sprintf("check what the image has there: {path: %s, tmpfs: 16M} in %s hides it", dir, key)
	}
	return ""
}

// transient tells whether the name of a directory says that nothing in it has to last, and that no program lies there.
func transient(dir string) bool {
	for _, top := range []string{"/tmp", "/run", "/var/tmp", "/var/run", "/var/cache", "/var/log", "/var/lock", "/dev/shm"} {
		if dir == top && top != "/var/cache" && top != "/var/log" || strings.HasPrefix(dir, top+"/") {
			return true
		}
	}
	return transientName(path.Base(dir))
}

var scratchName = regexp.MustCompile(`^(?:\.?caches?|te?mp|logs?|pids?|run|sessions?|work|scratch|temp_files|.*[-_.](?:cache|te?mp|logs?))$`)

func transientName(name string) bool { return scratchName.MatchString(name) }

var dataName = regexp.MustCompile(`^(?:data|db|databases?|storage|uploads?|media|files|backups?|repositor(?:y|ies)|wal|pgdata)$`)

// holdsData tells whether a directory looks as if what is in it has to last.
func holdsData(dir string) bool {
	if strings.HasPrefix(dir, "/var/lib/") && !transientName(path.Base(dir)) {
		return true
	}
	return slices.ContainsFunc(strings.Split(dir, "/"), dataName.MatchString) && !transientName(path.Base(dir))
}

// noteAbout returns the note of a preset that speaks of a directory, of one above or of one in it.
func noteAbout(notes []string, dir string) string {
	for _, note := range notes {
		for _, m := range linePath().FindAllStringSubmatch(note, -1) {
			p := strings.TrimRight(m[1], "/.")
			if strings.HasPrefix(p, "/run/secrets") || strings.Count(p, "/") < 2 && p != dir {
				continue
			}
			if p == dir || strings.HasPrefix(p, dir+"/") || strings.HasPrefix(dir, p+"/") {
				return note
			}
		}
	}
	return ""
}

// warns are the words by which a note warns of a setting.
var warns = lazily(`(?i)\bdo(?:es)? not\b|\bcannot\b|\brefuses?\b|\bexits?\b|\bfails?\b|\bignored\b|\bhides?\b`)

// guarded takes a patch back that a note of the service's preset warns of: the note says what to do.
func guarded(r reading, d Diagnosis) Diagnosis {
	if !d.Patch.Certain() {
		return d
	}
	key := strings.TrimPrefix(d.Patch.Path, at(r.service, ""))
	for _, note := range r.symptom.Notes {
		if strings.Contains(note, key) && strings.Contains(key, "_") && warns().MatchString(note) {
			return Diagnosis{Cause: d.Cause, Evidence: d.Evidence, Advice: "the preset says: " + note, Patch: Patch{Path: d.Patch.Path}}
		}
	}
	return d
}

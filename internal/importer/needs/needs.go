// Package needs says what a service of a Compose file is known to need, by facts of its image and by what is known of well-known
// images. What is not known stays unknown: an import leaves it as it was, and asks. The package is pure.
package needs

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/image/facts"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/images"
)

// Service is what a Compose file says of a service.
type Service struct {
	Image       string
	Entrypoint  []string
	Command     []string
	Environment map[string]string
	Mounts      []policy.Mount
	Ports       []int // of the container, published or exposed
	Owner       func(path string) (uid int, known bool)
}

// Needs is what is known. The zero value knows nothing.
type Needs struct {
	Preset       string // whose facts count for the service; empty when none do
	User         string // uid:gid as which the whole service can run
	Capabilities bool   // it needs none of those that the engine leaves it
	Privileges   bool   // it works when no program can gain privileges
	Files        bool   // it writes to the paths of its preset and to what is mounted, and nowhere else
	Health       bool   // the preset's test fits
	Test         []string
	Why          string // why something is not known, as part of a sentence
	Data         string // path of the data that is not mounted; empty when it is, or when there is none
	Misplaced    string // what is wrong with where the data is mounted
}

// Of returns what is known of a service. The facts of its image are nil where it could not be had.
func Of(s Service, f *facts.Facts) Needs {
	known := images.Lookup(s.Image)
	n := Needs{Preset: known.Preset}
	switch {
	case known.Preset == "":
		n.Why = "its image is not one that hsectl knows"
	case known.Runtime:
		n.Why = "its image brings a language, not the program"
	case len(s.Entrypoint) > 0:
		n.Why = "its entry point is not the image's own"
	case !server(s.Command, known.Program):
		n.Why = "its command is not that of the image"
	case known.Loose != "":
		n.Why = known.Loose
	default:
		n.confined(s, known)
	}
	if n.Preset != "" && !known.Runtime && len(s.Entrypoint) == 0 {
		n.Privileges = true // no entry point of these gains privileges: they give some up
	}
	n.test(s, known)
	n.fromImage(s, known, f)
	return n
}

// confined knows the service as its preset does, unless the file asks for something that the preset does not cover.
func (n *Needs) confined(s Service, known images.Known) {
	n.User, n.Capabilities, n.Privileges, n.Files = known.User, true, true, true
	loose := func(why string) { n.User, n.Capabilities, n.Privileges, n.Files, n.Why = "", false, false, false, why }
	if why := asksMore(s, known); why != "" {
		loose(why)
		return
	}
	if known.Data == "" {
		return
	}
	mount, mounted := mountAt(s.Mounts, known.Data)
	switch {
	case !mounted:
		if other := misplaced(s, known); other != "" {
			n.Misplaced = other
			loose("its data lies elsewhere")
			return
		}
		n.Data, n.Files = known.Data, false
		n.Why = "its data is not on a mount"
	case mount.Kind == "bind":
		uid, _, _ := strings.Cut(known.User, ":")
		if owner, ok := ownerOf(s, mount.Source); !ok || uid != owner {
			loose("the data is in a directory of the host, whose owner is not known to be " + known.User)
		}
	case mount.Kind != "volume" || mount.Source == "":
		loose("its data is not on a named volume")
	}
}

func ownerOf(s Service, source string) (string, bool) {
	if s.Owner == nil {
		return "", false
	}
	uid, known := s.Owner(source)
	return itoa(uid), known
}

// mountAt returns the mount at a path, or at one above it.
func mountAt(mounts []policy.Mount, at string) (policy.Mount, bool) {
	i := slices.IndexFunc(mounts, func(m policy.Mount) bool { return path.Clean(m.Path) == at && m.Writable })
	if i < 0 {
		return policy.Mount{}, false
	}
	return mounts[i], true
}

// misplaced says what is mounted where an image of another version has its data.
func misplaced(s Service, known images.Known) string {
	for _, m := range s.Mounts {
		p := path.Clean(m.Path)
		if p == known.Data || !m.Writable {
			continue
		}
		if slices.Contains(known.Elsewhere, p) || strings.HasPrefix(p, known.Data+"/") || strings.HasPrefix(known.Data, p+"/") {
			return p
		}
	}
	return ""
}

// server reports whether a command starts the image's own program, as its entry point recognises it.
func server(command []string, programs []string) bool {
	return len(command) == 0 || strings.HasPrefix(command[0], "-") || slices.Contains(programs, path.Base(command[0]))
}

var moves = regexp.MustCompile(`^--?(datadir|dir|dbpath|data-?dir(ectory)?|config-file)\b`)

// asksMore says what the file asks of a known image that its preset does not cover.
func asksMore(s Service, known images.Known) string {
	for _, m := range s.Mounts {
		if m.Kind == "bind" && strings.HasSuffix(m.Source, ".sock") {
			return "it has a socket of the host"
		}
	}
	for i, word := range s.Command {
		if moves.MatchString(word) || strings.Contains(word, "data_directory") || word == "-D" && i > 0 {
			return "its command moves the data"
		}
	}
	if pgdata := s.Environment["PGDATA"]; pgdata != "" && path.Clean(pgdata) != known.Data && !strings.HasPrefix(path.Clean(pgdata), known.Data+"/") {
		return "PGDATA moves the data"
	}
	if known.Serves {
		return web(s, known)
	}
	return ""
}

// web says what a web server is asked that needs root, or another place to write: keys that only root reads, templates that
// are rendered, logs that are files.
func web(s Service, known images.Known) string {
	for _, m := range s.Mounts {
		p := path.Clean(m.Path)
		switch {
		case strings.HasSuffix(p, "/templates"):
			return "it renders templates at its start"
		case m.Writable && m.Kind != "tmpfs" && !slices.ContainsFunc(known.Content, func(c string) bool { return p == c || strings.HasPrefix(p, c+"/") }):
			return "it may write to " + p
		case !slices.ContainsFunc(append(slices.Clone(known.Content), known.Settings...), func(c string) bool { return p == c || strings.HasPrefix(p, c+"/") }):
			return "it reads " + p + ", maybe as root"
		}
	}
	if slices.Contains(s.Ports, 443) {
		return "its keys may be readable by root only"
	}
	return ""
}

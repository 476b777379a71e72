package scan

import (
	"bufio"
	"cmp"
	"slices"
	"strings"
)

// Contents is what a container of an image sees, and which layer brought it. Secrets are the exception: those of
// deleted files are here too, because whoever pulls the image has them.
type Contents struct {
	Release  map[string]string `json:"release,omitempty"` // of etc/os-release
	Packages []Package         `json:"packages"`
	Secrets  []Secret          `json:"secrets,omitempty"`
	Marks    []Mark            `json:"marks,omitempty"`
	Tools    []string          `json:"tools,omitempty"` // shells, package managers and compilers
	Accounts []string          `json:"accounts,omitempty"`
	Problems []Problem         `json:"problems,omitempty"`
	Unseen   []string          `json:"unseen,omitempty"` // why its packages are not all there
	Size     int64             `json:"size"`
	Files    bool              `json:"-"` // any file at all
	passwd   bool
}

// Merge lays the layers over each other, lowest first.
func Merge(layers []Layer) Contents {
	out := Contents{Release: parseRelease(text(layers, "etc/os-release"), text(layers, "usr/lib/os-release")), Packages: []Package{}}
	trace := ""
	for i, l := range layers {
		out.Size += l.Size
		out.Files = out.Files || len(l.Paths) > 0
		cache := map[string]bool{}
		seen := func(path string) bool {
			v, ok := cache[path]
			if !ok {
				v = visible(layers, i, path)
				cache[path] = v
			}
			return v
		}
		for _, p := range l.Packages {
			if !seen(p.Location) {
				continue
			}
			p.Layer = origin(layers, i, p)
			p.distribution(out.Release)
			out.Packages = append(out.Packages, p)
		}
		for _, s := range l.Secrets {
			s.Layer, s.Deleted = i, !seen(s.Path)
			out.Secrets = append(out.Secrets, s)
		}
		for _, m := range l.Marks {
			if seen(m.Path) {
				m.Layer = i
				out.Marks = append(out.Marks, m)
			}
		}
		for _, p := range l.Problems {
			if seen(p.Path) {
				out.Problems = append(out.Problems, p)
			}
		}
		for _, path := range l.Paths {
			if isTool(path) && seen(path) {
				out.Tools = append(out.Tools, path)
			}
			if trace == "" && isTrace(path) && seen(path) {
				trace = path
			}
		}
	}
	slices.SortStableFunc(out.Packages, func(a, b Package) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Location, b.Location))
	})
	slices.Sort(out.Tools)
	out.Tools = slices.Compact(out.Tools)
	out.Unseen = out.unseen(trace)
	passwd := text(layers, "etc/passwd")
	out.passwd = passwd != ""
	out.Accounts = checkAccounts(passwd, text(layers, "etc/shadow"))
	return out
}

// origin returns the layer since which the package is there in this version without a break. The database of a
// distribution is one file that every layer that installs something writes anew.
func origin(layers []Layer, top int, p Package) int {
	first := top
	for i := top - 1; i >= 0; i-- {
		if !layers[i].hides(p.Location) {
			continue
		}
		if !slices.ContainsFunc(layers[i].Packages, func(q Package) bool {
			return q.Location == p.Location && q.Name == p.Name && q.Version == p.Version
		}) {
			break
		}
		first = i
	}
	return first
}

// text returns the content of a small file as a container sees it.
func text(layers []Layer, path string) string {
	for i := len(layers) - 1; i >= 0; i-- {
		for _, t := range layers[i].Texts {
			if t.Path == path && visible(layers, i, path) {
				return t.Data
			}
		}
	}
	return ""
}

// parseRelease reads the first text that is not empty, as os-release(5) describes it.
func parseRelease(texts ...string) map[string]string {
	out := map[string]string{}
	for _, data := range texts {
		scanner := bufio.NewScanner(strings.NewReader(data))
		for scanner.Scan() {
			key, value, ok := strings.Cut(strings.TrimSpace(scanner.Text()), "=")
			if ok && !strings.HasPrefix(key, "#") {
				out[key] = strings.Trim(value, `"'`)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return out
}

// tools are programs that help an intruder and that a service hardly ever needs.
var tools = map[string]bool{
	"sh": true, "bash": true, "dash": true, "ash": true, "zsh": true, "busybox": true,
	"apk": true, "apt": true, "apt-get": true, "dpkg": true, "yum": true, "dnf": true, "microdnf": true, "rpm": true,
	"pip": true, "pip3": true, "npm": true, "yarn": true, "gem": true, "composer": true,
	"curl": true, "wget": true, "gcc": true, "cc": true, "g++": true, "make": true, "sudo": true, "su": true,
}

func isTool(path string) bool {
	i := strings.LastIndexByte(path, '/')
	if !tools[path[i+1:]] {
		return false
	}
	switch path[:max(0, i)] {
	case "bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin":
		return true
	}
	return false
}

// checkAccounts says what is wrong with the accounts of an image.
func checkAccounts(passwd, shadow string) []string {
	var out []string
	uids, names := map[string]string{}, map[string]bool{}
	for line := range strings.Lines(passwd) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 7 {
			continue
		}
		switch other, twice := uids[f[2]]; {
		case twice:
			out = append(out, "accounts "+other+" and "+f[0]+" share uid "+f[2])
		case names[f[0]]:
			out = append(out, "account "+f[0]+" is defined twice")
		case f[1] == "":
			out = append(out, "account "+f[0]+" has an empty password")
		case f[2] == "0" && f[0] != "root":
			out = append(out, "account "+f[0]+" has uid 0")
		}
		uids[f[2]], names[f[0]] = f[0], true
	}
	for line := range strings.Lines(shadow) {
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) == 9 && f[1] == "" {
			out = append(out, "account "+f[0]+" has an empty password")
		}
	}
	return out
}

// HasAccounts tells whether the image has a list of accounts at all.
func (c Contents) HasAccounts() bool { return c.passwd }

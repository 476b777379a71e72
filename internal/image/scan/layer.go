// Package scan reads what is in an image, layer by layer: packages of the operating system and of languages, secrets,
// files that give privileges, accounts. What it records of a layer depends on nothing but the layer's bytes, so that
// it can be kept by digest; Merge then says what of it a container would see.
//
// A layer is hostile until proven otherwise: sizes, counts and time are bounded, nothing is ever unpacked at a path
// that the layer names, and a layer whose digest is wrong leaves no record.
package scan

import (
	"slices"
)

// Version of the records. A record of another version is made anew.
const Version = 2

// Layer is what one layer brings and takes away.
type Layer struct {
	Version   int       `json:"version"`
	DiffID    string    `json:"diffId"`
	Size      int64     `json:"size"`            // bytes of its files
	Paths     []string  `json:"paths,omitempty"` // sorted, without leading slash; directories end in a slash
	Whiteouts []string  `json:"whiteouts,omitempty"`
	Opaque    []string  `json:"opaque,omitempty"` // directories whose lower content is hidden, ending in a slash
	Packages  []Package `json:"packages,omitempty"`
	Secrets   []Secret  `json:"secrets,omitempty"`
	Marks     []Mark    `json:"marks,omitempty"`
	Texts     []Text    `json:"texts,omitempty"`
	Problems  []Problem `json:"problems,omitempty"`
}

// Package is one installed package. Location is the file that says so.
type Package struct {
	Type          string `json:"type"` // as in package URLs: deb, apk, rpm, npm, golang, …
	Name          string `json:"name"`
	Version       string `json:"version"`
	Ecosystem     string `json:"ecosystem,omitempty"` // as OSV names it; of distributions it is known after Merge
	PURL          string `json:"purl,omitempty"`
	Source        string `json:"source,omitempty"`        // source package, by which distributions publish advisories
	SourceVersion string `json:"sourceVersion,omitempty"` // when it differs from Version
	Arch          string `json:"arch,omitempty"`
	Epoch         int    `json:"epoch,omitempty"`
	Location      string `json:"location"`
	Layer         int    `json:"layer"` // index of the layer that brought it, after Merge
}

// Secret is a credential found in a file. The value itself is never kept.
type Secret struct {
	Rule    string `json:"rule"`
	Title   string `json:"title"`
	Path    string `json:"path"`
	Line    int    `json:"line,omitempty"`
	Layer   int    `json:"layer"`
	Deleted bool   `json:"deleted,omitempty"` // a later layer hides the file, but everybody who pulls the image has it
}

// Mark is a file whose mode gives more than it should.
type Mark struct {
	Kind  string `json:"kind"` // setuid, setgid, capability, world-writable
	Path  string `json:"path"`
	Mode  int64  `json:"mode"`
	Layer int    `json:"layer"`
}

// Kinds of marks.
const (
	Setuid        = "setuid"
	Setgid        = "setgid"
	Capability    = "capability"
	WorldWritable = "world-writable"
)

// Text is a small file that is kept whole, because it is judged after merging.
type Text struct {
	Path string `json:"path"`
	Data string `json:"data"`
}

// Problem is a file that could not be read for packages. Nothing may be concluded from what is missing then.
type Problem struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

// has tells whether the layer has a file at path that is no directory.
func (l Layer) has(path string) bool {
	_, ok := slices.BinarySearch(l.Paths, path)
	return ok
}

// hides tells whether the layer takes away, or replaces, what lower layers have at path.
func (l Layer) hides(path string) bool {
	if l.has(path) || slices.Contains(l.Whiteouts, path) {
		return true
	}
	for i := range len(path) {
		if path[i] != '/' {
			continue
		}
		if parent := path[:i]; l.has(parent) || slices.Contains(l.Whiteouts, parent) || slices.Contains(l.Opaque, path[:i+1]) {
			return true
		}
	}
	return slices.Contains(l.Opaque, "/")
}

// visible tells whether a container sees what layer i has at path.
func visible(layers []Layer, i int, path string) bool {
	return !slices.ContainsFunc(layers[i+1:], func(l Layer) bool { return l.hides(path) })
}

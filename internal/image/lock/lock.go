// Package lock is the file that says which content each image reference stood for when it was reviewed. It is pure:
// digests come from elsewhere, and a lock is only compared, merged and turned into references.
package lock

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/display"
)

// Name of the file, next to the profile.
const Name = "hsectl.lock"

// MaxBytes bounds the file.
const MaxBytes = 4 << 20

// apiVersion of the format.
const apiVersion = "hsectl/v1"

// File is a lock.
type File struct {
	APIVersion string  `json:"apiVersion"`
	Kind       string  `json:"kind"`
	Profile    string  `json:"profile"` // sha256 of the profile that it was made from
	Images     []Entry `json:"images"`  // sorted by service
}

// Entry is the image of one service.
type Entry struct {
	Service   string     `json:"service"`
	Reference string     `json:"reference"`        // as the profile writes it
	Mirror    string     `json:"mirror,omitempty"` // where it was taken from instead
	Source    Source     `json:"source"`
	Digest    string     `json:"digest,omitempty"` // of what the reference names in a registry: an index, or a manifest
	ID        string     `json:"id,omitempty"`     // by which the engine that built it knows it
	Platforms []Platform `json:"platforms,omitempty"`
	Base      Base       `json:"base,omitzero"`
	Locked    time.Time  `json:"locked"`
}

// Source says who vouches for an entry.
type Source string

// Sources of entries.
const (
	Registry Source = "registry"
	Engine   Source = "engine"
)

// Platform has the digests of one platform. An engine knows an image by the configuration's digest on graph drivers,
// and by the manifest's on the containerd store; both are needed to recognise it.
type Platform struct {
	Platform string `json:"platform"`
	Manifest string `json:"manifest"`
	Config   string `json:"config,omitempty"`
}

// Base is the image that this one says it was made from.
type Base struct {
	Name   string `json:"name,omitempty"`
	Digest string `json:"digest,omitempty"`
}

var digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// Parse reads a lock and refuses one that would pin nothing.
func Parse(data []byte) (File, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var f File
	if err := decoder.Decode(&f); err != nil {
		return File{}, fmt.Errorf("reading the lock: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return File{}, errors.New("reading the lock: something follows its end")
	}
	if f.APIVersion != apiVersion || f.Kind != "Lock" {
		return File{}, fmt.Errorf("reading the lock: it is %s %s, not %s Lock", f.APIVersion, f.Kind, apiVersion)
	}
	seen := map[string]bool{}
	for _, e := range f.Images {
		if err := e.check(); err != nil {
			return File{}, fmt.Errorf("reading the lock: service %q: %w", e.Service, err)
		}
		if seen[e.Service] {
			return File{}, fmt.Errorf("reading the lock: service %q is listed twice", e.Service)
		}
		seen[e.Service] = true
	}
	return f, nil
}

func (e Entry) check() error {
	digests := []string{}
	switch e.Source {
	case Registry:
		digests = append(digests, e.Digest)
	case Engine:
		if digests = append(digests, e.ID); e.Digest != "" {
			digests = append(digests, e.Digest)
		}
	default:
		return fmt.Errorf("source %q not found", e.Source)
	}
	for _, p := range e.Platforms {
		digests = append(digests, p.Manifest)
		if p.Config != "" {
			digests = append(digests, p.Config)
		}
	}
	for _, d := range digests {
		if !digestPattern.MatchString(d) {
			return fmt.Errorf("%q is not a sha256 digest", d)
		}
	}
	if e.Service == "" || e.Reference == "" {
		return errors.New("it has no name or no reference")
	}
	return nil
}

// Marshal writes the lock, sorted, so that the same content gives the same bytes.
func (f File) Marshal() ([]byte, error) {
	f.APIVersion, f.Kind = apiVersion, "Lock"
	f.Images = slices.Clone(f.Images)
	if f.Images == nil {
		f.Images = []Entry{}
	}
	slices.SortFunc(f.Images, func(a, b Entry) int { return strings.Compare(a.Service, b.Service) })
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the lock: %w", err)
	}
	return append(data, '\n'), nil
}

// Entry returns the entry of a service, or false.
func (f File) Entry(service string) (Entry, bool) {
	i := slices.IndexFunc(f.Images, func(e Entry) bool { return e.Service == service })
	if i < 0 {
		return Entry{}, false
	}
	return f.Images[i], true
}

// Wanted is a service whose image is to be pinned.
type Wanted struct {
	Service   string
	Reference string
	Built     bool
}

// Stale says what of the lock does not fit the services any more, in words; none is a lock that fits.
func (f File) Stale(wanted []Wanted) []string {
	var out []string
	for _, w := range wanted {
		e, ok := f.Entry(w.Service)
		switch {
		case !ok:
			out = append(out, fmt.Sprintf("service %s is not locked", w.Service))
		case e.Reference != w.Reference:
			out = append(out, fmt.Sprintf("service %s uses %s now; %s is locked", w.Service, w.Reference, e.Reference))
		}
	}
	for _, e := range f.Images {
		if !slices.ContainsFunc(wanted, func(w Wanted) bool { return w.Service == e.Service }) {
			out = append(out, fmt.Sprintf("service %s is locked and not in the profile", e.Service))
		}
	}
	return out
}

// Pins returns the reference that each service is rendered with. An image that only an engine knows keeps its name:
// a file with the engine's own id would mean nothing on another machine. Deploy compares its id; see Recognises.
//
// A stack next to the main one has its services under a prefix, such as monitoring.; without one, only the names
// without a dot are returned.
func (f File) Pins(prefix string) map[string]string {
	out := map[string]string{}
	for _, e := range f.Images {
		name, ok := strings.CutPrefix(e.Service, prefix)
		if e.Source == Engine || !ok || strings.Contains(name, ".") {
			continue
		}
		reference := e.Reference
		if e.Mirror != "" {
			reference = e.Mirror
		}
		out[name] = pin(reference, e.Digest)
	}
	return out
}

// pin keeps the tag for the reader; engines go by the digest alone.
func pin(reference, digest string) string {
	name, _, _ := strings.Cut(reference, "@")
	return name + "@" + digest
}

// Recognises tells whether what an engine has is what is locked. It knows an image by an id and by the digests of the
// registries that it came from.
func (e Entry) Recognises(id string, repoDigests []string) bool {
	known := []string{e.ID, e.Digest}
	for _, p := range e.Platforms {
		known = append(known, p.Manifest, p.Config)
	}
	if id != "" && slices.Contains(known, id) {
		return true
	}
	for _, r := range repoDigests {
		if _, digest, ok := strings.Cut(r, "@"); ok && slices.Contains(known, digest) {
			return true
		}
	}
	return false
}

// Change is one difference between two locks.
type Change struct {
	Service, Reference string
	Before, After      string // digests; empty when there is none
}

// String is a line for people.
func (c Change) String() string {
	switch {
	case c.Before == "":
		return fmt.Sprintf("%s: %s locked at %s", c.Service, c.Reference, display.Digest(c.After))
	case c.After == "":
		return fmt.Sprintf("%s: %s is no longer locked", c.Service, c.Reference)
	}
	return fmt.Sprintf("%s: %s changed from %s to %s", c.Service, c.Reference, display.Digest(c.Before), display.Digest(c.After))
}

// identity is what a change shows.
func (e Entry) identity() string {
	if e.Source == Engine {
		return e.ID
	}
	return e.Digest
}

// Diff lists what differs between two locks, in the order of services.
func Diff(before, after File) []Change {
	var out []Change
	for _, e := range after.Images {
		old, ok := before.Entry(e.Service)
		if !ok || old.identity() != e.identity() || old.Reference != e.Reference {
			out = append(out, Change{e.Service, e.Reference, old.identity(), e.identity()})
		}
	}
	for _, e := range before.Images {
		if _, ok := after.Entry(e.Service); !ok {
			out = append(out, Change{e.Service, e.Reference, e.identity(), ""})
		}
	}
	slices.SortStableFunc(out, func(a, b Change) int { return strings.Compare(a.Service, b.Service) })
	return out
}

// Same tells whether two entries pin the same content.
func Same(a, b Entry) bool {
	return a.Service == b.Service && a.Reference == b.Reference && a.Source == b.Source && a.identity() == b.identity()
}

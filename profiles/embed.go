// Package profiles is the library that profiles are merged with: the baseline of every service, baselines that a
// profile may extend, one preset per image, and the reference profile; and dated data about the life of versions. It is data; the facts behind each value are in the files.
package profiles

import (
	"embed"
	"slices"
	"strings"
)

//go:embed baseline.yaml baselines/*.yaml presets/*.yaml data/*.yaml
var files embed.FS

// Library gives the embedded files to the profile package.
type Library struct{}

// Baseline returns the values that every service starts from.
func (Library) Baseline() []byte {
	data, err := files.ReadFile("baseline.yaml")
	if err != nil {
		return nil // embedded at build time: a missing file does not compile
	}
	return data
}

// Lifecycles returns what is known of the life of versions, as of the days in it.
func Lifecycles() []byte {
	data, err := files.ReadFile("data/lifecycles.yaml")
	if err != nil {
		return nil // embedded at build time: a missing file does not compile
	}
	return data
}

// Images returns what is known of well-known images, as of the day in it.
func Images() []byte {
	data, err := files.ReadFile("data/images.yaml")
	if err != nil {
		return nil // embedded at build time: a missing file does not compile
	}
	return data
}

// Secrets returns which names and forms secrets have.
func Secrets() []byte {
	data, err := files.ReadFile("data/secrets.yaml")
	if err != nil {
		return nil // embedded at build time: a missing file does not compile
	}
	return data
}

// Preset returns the preset of that name, or false.
func (Library) Preset(name string) ([]byte, bool) {
	data, err := files.ReadFile("presets/" + name + ".yaml")
	return data, err == nil
}

// Presets returns the names of all presets, sorted.
func (Library) Presets() []string { return names("presets") }

// Extension returns the baseline that a profile may extend by that name, or false.
func (Library) Extension(name string) ([]byte, bool) {
	data, err := files.ReadFile("baselines/" + name + ".yaml")
	return data, err == nil
}

// Extensions returns the names of the baselines that a profile may extend, sorted.
func (Library) Extensions() []string { return names("baselines") }

func names(directory string) []string {
	entries, err := files.ReadDir(directory)
	if err != nil {
		return nil
	}
	out := make([]string, 0, len(entries))
	for _, e := range entries {
		out = append(out, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	slices.Sort(out) // by name: nginx before nginx-unprivileged
	return out
}

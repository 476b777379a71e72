package app

import (
	"os"
	"slices"

	"github.com/hsectl/hsectl/internal/image/bundle"
)

// Bundle is a bundle that was found whole.
type Bundle struct {
	File     *os.File
	Dir      string // where the bundle is: files of secrets are looked for next to it
	Manifest bundle.Manifest
	Files    map[string][]byte
}

// Image returns what the manifest says of a reference.
func (b *Bundle) Image(reference string) bundle.Image {
	i := slices.IndexFunc(b.Manifest.Images, func(i bundle.Image) bool { return i.Reference == reference })
	if i < 0 {
		return bundle.Image{}
	}
	return b.Manifest.Images[i]
}

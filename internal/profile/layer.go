package profile

import "strings"

// Names of layers, weakest first. They are shown to people, together with "preset NAME", "baseline NAME",
// "extends FILE", "environment NAME" and "overlay FILE".
const (
	layerBuiltIn  = "built-in"
	layerDefaults = "defaults"
	layerProfile  = "profile"
	layerFlag     = "--set"
)

// own reports whether a layer is what users wrote for this stack, and not the library.
func own(layer string) bool {
	return layer != layerBuiltIn && !strings.HasPrefix(layer, "preset ") && !strings.HasPrefix(layer, "baseline ")
}

// Package templates holds the text assets that are not YAML or JSON and so cannot be marshalled from values. It is data.
package templates

import _ "embed" // brings the files into the program

//go:embed config.alloy.tmpl
var alloy string

// Alloy returns the template of Grafana Alloy's configuration, which is a language of its own.
func Alloy() string { return alloy }

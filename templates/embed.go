// Package templates holds the text assets that are not YAML or JSON and so cannot be marshalled from values. It is data.
package templates

import _ "embed" // brings the files into the program

//go:embed config.alloy.tmpl
var alloy string

// Alloy returns the template of Grafana Alloy's configuration, which is a language of its own.
func Alloy() string { return alloy }

//go:embed containers.cgi
var containers []byte

// Containers returns the script that shows what the engine has written down about containers, for busybox httpd. The
// stack that it shows is in the variable HSE_STACK.
func Containers() []byte { return containers }

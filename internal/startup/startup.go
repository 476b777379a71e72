// Package startup sets the pace of the garbage collector before the packages of the program are initialised.
//
// Every verb pays for the initialisation of every package that is linked: 7 MB of schemas and regular expressions of libraries, which are
// never freed. With the pace that Go begins with, they are collected twice meanwhile, for a quarter of the processor time of
// `hsectl version`. Packages are initialised in the order of their import paths, each as soon as what it imports is
// (https://go.dev/ref/spec#Program_initialization), so a package that imports next to nothing comes before all of the libraries.
package startup

import (
	"os"
	"runtime/debug"
)

// Percent is the GOGC value of the program: most verbs end before a collection pays off. GOGC and GOMEMLIMIT in the environment
// still apply.
const Percent = 400

var _ = pace(os.Getenv("GOGC"))

// pace returns the GOGC value before.
func pace(wanted string) int {
	if wanted != "" {
		return 0
	}
	return debug.SetGCPercent(Percent)
}

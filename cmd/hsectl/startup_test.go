package main

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
)

// The pace of the garbage collector is set before the libraries allocate what every verb pays for. Go decides the order by the
// import paths; a package that internal/startup comes to import could change it.
func TestCollectorIsPacedBeforeLibrariesAreInitialised(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	trace, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, trace)
	}
	at := func(path string) int { return bytes.Index(trace, []byte("init "+path+" @")) }
	paced := at(module + "internal/startup")
	if paced < 0 {
		t.Fatal("internal/startup is not initialised")
	}
	for _, heavy := range []string{"github.com/asaskevich/govalidator", "github.com/santhosh-tekuri/jsonschema/v6"} {
		if later := at(heavy); later < paced {
			t.Errorf("%s is initialised before internal/startup, or not at all", heavy)
		}
	}
}

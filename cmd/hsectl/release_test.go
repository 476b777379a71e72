package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What is released reports its version: the linker flag of archives and of images names a variable that exists.
func TestReleasesReportTheirVersion(t *testing.T) {
	flag := regexp.MustCompile(`-X (\S+)=(?:v\{\{ \.Version \}\}|\$\{VERSION\})`)
	variables := map[string]bool{}
	for _, file := range []string{".goreleaser.yml", "Dockerfile"} {
		data, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil {
			t.Fatal(err)
		}
		found := flag.FindSubmatch(data)
		if found == nil {
			t.Fatalf("%s passes no version to the linker", file)
		}
		variables[string(found[1])] = true
	}
	if len(variables) != 1 {
		t.Fatalf("the releases set different variables: %v", variables)
	}
	for variable := range variables {
		program := filepath.Join(t.TempDir(), "hsectl")
		inRepository(t, "go", "build", "-ldflags", "-s -w -X "+variable+"=v9.8.7", "-o", program, "./cmd/hsectl")
		out, err := exec.CommandContext(t.Context(), program, "version").Output()
		if err != nil || !strings.HasPrefix(string(out), "hsectl v9.8.7 ") {
			t.Errorf("hsectl version: %q, %v", out, err)
		}
	}
}

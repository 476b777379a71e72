package main

import (
	"os"
	"path/filepath"
	"testing"
)

// The reference in docs/ is what the program says of itself today.
func TestDocsAreFresh(t *testing.T) {
	want := t.TempDir()
	mustCLI(t, "docs", "--out", want)
	pages, err := os.ReadDir(want)
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		fresh, err := os.ReadFile(filepath.Join(want, page.Name()))
		if err != nil {
			t.Fatal(err)
		}
		have, err := os.ReadFile(filepath.Join("../../docs/reference", page.Name()))
		if err != nil || string(have) != string(fresh) {
			t.Errorf("docs/reference/%s is stale: run make docs", page.Name())
		}
	}
}

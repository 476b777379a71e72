package scan_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/fstest"

	"github.com/hsectl/hsectl/internal/image/scan"
)

func tree() fstest.MapFS {
	return fstest.MapFS{
		"etc/os-release":                     {Data: []byte(bookworm), Mode: 0o644},
		"var/lib/dpkg/status":                {Data: []byte(dpkg("openssl=3.0.1", "zlib=1.2")), Mode: 0o644},
		"app/node_modules/left/package.json": {Data: []byte(`{"name":"left","version":"1.0.0"}`), Mode: 0o644},
		"usr/bin/su":                         {Data: []byte("x"), Mode: os.ModeSetuid | 0o755},
		"run/socket":                         {Mode: os.ModeSocket | 0o644},
		"lib":                                {Data: []byte("usr/lib"), Mode: os.ModeSymlink | 0o777},
	}
}

// A tree gives what the same files give as a layer.
func TestTreeIsReadAsALayer(t *testing.T) {
	s, _ := newScanner(t, scan.DefaultLimits())
	layer, err := s.Tree(context.Background(), tree())
	if err != nil {
		t.Fatal(err)
	}
	got := scan.Merge([]scan.Layer{layer})
	want := merged(t, layer2(t))
	if len(got.Packages) != 3 || len(want.Packages) != 3 {
		t.Fatalf("got %+v, want %+v", got.Packages, want.Packages)
	}
	for i := range got.Packages {
		if got.Packages[i] != want.Packages[i] {
			t.Errorf("got %+v, want %+v", got.Packages[i], want.Packages[i])
		}
	}
	if len(got.Marks) != 1 || got.Marks[0].Kind != scan.Setuid || len(got.Problems) != 0 {
		t.Errorf("got %+v, %+v", got.Marks, got.Problems)
	}
}

func layer2(t *testing.T) []byte {
	return layer(t, file{name: "etc/os-release", data: bookworm}, file{name: "var/lib/dpkg/status", data: dpkg("openssl=3.0.1", "zlib=1.2")},
		file{name: "app/node_modules/left/package.json", data: `{"name":"left","version":"1.0.0"}`})
}

// The same tree has the same name, and another one another.
func TestTreeIsNamedAfterWhatIsInIt(t *testing.T) {
	s, _ := newScanner(t, scan.DefaultLimits())
	names := map[string]int{}
	other := tree()
	other["var/lib/dpkg/status"] = &fstest.MapFile{Data: []byte(dpkg("openssl=3.0.2", "zlib=1.2"))}
	for _, from := range []fstest.MapFS{tree(), tree(), other} {
		layer, err := s.Tree(context.Background(), from)
		if err != nil {
			t.Fatal(err)
		}
		names[layer.DiffID]++
	}
	if len(names) != 2 {
		t.Errorf("got %v", names)
	}
}

func TestTreeBeyondTheLimits(t *testing.T) {
	for _, limits := range []scan.Limits{{Bytes: 10, Entries: 100}, {Bytes: 1 << 20, Entries: 3}} {
		s, _ := newScanner(t, limits)
		if _, err := s.Tree(context.Background(), tree()); !errors.Is(err, scan.ErrTooLarge) {
			t.Errorf("%+v: got %v", limits, err)
		}
	}
}

// What disappears while it is read ends the reading: half a tree must not pass for a whole one.
func TestTreeThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	s, _ := newScanner(t, scan.DefaultLimits())
	if _, err := s.Tree(context.Background(), os.DirFS(dir+"/nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

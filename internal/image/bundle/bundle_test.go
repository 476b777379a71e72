package bundle_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/image/bundle"
)

func example(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	m := bundle.Manifest{Stack: "shop", Version: "v1", Created: time.Unix(1700000000, 0).UTC(), Images: []bundle.Image{{Reference: "shop:1"}}}
	if err := bundle.Write(&b, m, []bundle.File{{Path: "stack/docker-compose.yml", Data: []byte("services: {}\n")}}, strings.NewReader(strings.Repeat("image", 1000))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(data []byte) (bundle.Manifest, []bundle.File, string, error) {
	var images bytes.Buffer
	m, files, err := bundle.Read(bytes.NewReader(data), func(r io.Reader) error { _, err := io.Copy(&images, r); return err })
	return m, files, images.String(), err
}

func TestWhatGoesInComesOut(t *testing.T) {
	m, files, images, err := read(example(t))
	if err != nil || m.Stack != "shop" || len(files) != 1 || files[0].Path != "stack/docker-compose.yml" || len(images) != 5000 {
		t.Errorf("%+v %v %d bytes, %v", m, files, len(images), err)
	}
}

func TestADamagedBundleIsRefused(t *testing.T) {
	good := example(t)
	for name, bad := range map[string][]byte{
		"cut":                   good[:len(good)/2],
		"a changed file":        bytes.Replace(good, []byte("services: {}"), []byte("services: []"), 1),
		"a changed image":       bytes.Replace(good, []byte("imageimage"), []byte("imageImage"), 1),
		"no bundle":             []byte("hello"),
		"an entry missing":      without(t, good, "stack/docker-compose.yml"),
		"a path that leads out": bytes.ReplaceAll(good, []byte("stack/docker-compose.yml"), []byte("../../docker-compose.yml")),
	} {
		if _, files, _, err := read(bad); err == nil || files != nil {
			t.Errorf("%s: %v, %v", name, files, err)
		} else if name != "cut" && name != "a path that leads out" && !errors.Is(err, bundle.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// without returns the archive without one entry.
func without(t *testing.T, data []byte, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	r, w := tar.NewReader(bytes.NewReader(data)), tar.NewWriter(&b)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Name == name {
			continue
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(w, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func FuzzRead(f *testing.F) {
	f.Add(example(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, files, _, err := read(data)
		for _, file := range files {
			if err != nil || strings.Contains(file.Path, "..") || strings.HasPrefix(file.Path, "/") {
				t.Errorf("%q, %v", file.Path, err)
			}
		}
	})
}

package image_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/hsectl/hsectl/internal/image"
)

// everything opens an image and reads all its layers.
func everything(img image.Image, err error) error {
	if err != nil {
		return err
	}
	for _, l := range img.Layers {
		r, err := l.Open()
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, r)
		if closed := r.Close(); err != nil || closed != nil {
			return err
		}
	}
	return nil
}

func TestADamagedLayoutIsAnError(t *testing.T) {
	linux := image.Platform{OS: "linux", Arch: "amd64"}
	for name, damage := range map[string]func(dir string, blobs []string) error{
		"whole":       nil,
		"no index":    func(dir string, _ []string) error { return os.Remove(filepath.Join(dir, "index.json")) },
		"a cut index": func(dir string, _ []string) error { return os.Truncate(filepath.Join(dir, "index.json"), 20) },
		"no blobs":    func(dir string, _ []string) error { return os.RemoveAll(filepath.Join(dir, "blobs")) },
		"every blob is cut": func(_ string, blobs []string) error {
			for _, b := range blobs {
				if err := os.Truncate(b, 10); err != nil {
					return err
				}
			}
			return nil
		},
		"an empty index": func(dir string, _ []string) error {
			return os.WriteFile(filepath.Join(dir, "index.json"), []byte(`{"schemaVersion":2,"manifests":[]}`), 0o644)
		},
		"an index of itself": func(dir string, _ []string) error {
			return os.WriteFile(filepath.Join(dir, "index.json"), []byte(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","size":1,"digest":"sha256:`+strings.Repeat("a", 64)+`"}]}`), 0o644)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			img, err := random.Image(2000, 2)
			if err != nil {
				t.Fatal(err)
			}
			at, err := layout.Write(dir, empty.Index)
			if err != nil {
				t.Fatal(err)
			}
			if err := at.AppendImage(img); err != nil {
				t.Fatal(err)
			}
			blobs, err := filepath.Glob(filepath.Join(dir, "blobs", "sha256", "*"))
			if err != nil || len(blobs) != 4 {
				t.Fatalf("%d blobs, %v", len(blobs), err)
			}
			if damage == nil {
				if err := everything(image.FromLayout(dir, linux)); err != nil {
					t.Error(err)
				}
				return
			}
			if err := damage(dir, blobs); err != nil {
				t.Fatal(err)
			}
			if err := everything(image.FromLayout(dir, linux)); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestACutTarFileIsAnError(t *testing.T) {
	img, err := random.Image(100_000, 2)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag("shop:1")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := tarball.WriteToFile(path, tag, img); err != nil {
		t.Fatal(err)
	}
	if err := everything(image.FromTar(path)); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []int64{0, 1, 512, info.Size() / 4, info.Size() / 2} {
		if err := os.Truncate(path, part); err != nil {
			t.Fatal(err)
		}
		if err := everything(image.FromTar(path)); err == nil {
			t.Errorf("no error at %d of %d bytes", part, info.Size())
		}
	}
}

// A credential helper is a program next to Docker's, named in its configuration. Who asks without it is refused.
func TestCredentialsComeFromAHelper(t *testing.T) {
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "robot" || password != "from-the-helper" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	defer server.Close()
	at := strings.TrimPrefix(server.URL, "http://")
	dir := t.TempDir()
	helper := "#!/bin/sh\nread server\ncase $1,$server in get,*" + at + "*) echo '{\"ServerURL\":\"" + at + "\",\"Username\":\"robot\",\"Secret\":\"from-the-helper\"}' ;; *) exit 1 ;; esac\n"
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-hsectl-test"), []byte(helper), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("DOCKER_CONFIG", dir)
	if _, err := image.Resolve(context.Background(), at+"/app:1"); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without the helper: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"credHelpers":{"`+at+`":"hsectl-test"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	img, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.NewTag(at + "/app:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img, image.RemoteOptions(context.Background())...); err != nil {
		t.Fatal(err)
	}
	got, err := image.Resolve(context.Background(), at+"/app:1")
	if want, _ := img.Digest(); err != nil || got.Digest != want.String() {
		t.Errorf("got %+v, %v", got, err)
	}
}

package image_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/hsectl/hsectl/internal/image"
)

// hub is a registry in memory with one index of two platforms under app:1.
func hub(t *testing.T) (string, v1.ImageIndex, []v1.Image) {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	var index v1.ImageIndex = empty.Index
	var images []v1.Image
	for _, arch := range []string{"amd64", "arm64"} {
		img, err := random.Image(1000, 2)
		if err != nil {
			t.Fatal(err)
		}
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		config = config.DeepCopy()
		config.OS, config.Architecture, config.Config.User = "linux", arch, "1000"
		config.Config.Labels = map[string]string{"org.opencontainers.image.base.name": "debian:12"}
		if img, err = mutate.ConfigFile(img, config); err != nil {
			t.Fatal(err)
		}
		images = append(images, img)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	at := strings.TrimPrefix(server.URL, "http://")
	ref, err := name.ParseReference(at + "/app:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, index); err != nil {
		t.Fatal(err)
	}
	return at, index, images
}

func TestResolveNamesEveryPlatform(t *testing.T) {
	at, index, images := hub(t)
	got, err := image.Resolve(context.Background(), at+"/app:1")
	if err != nil {
		t.Fatal(err)
	}
	want, err := index.Digest()
	if err != nil || got.Digest != want.String() || len(got.Platforms) != 2 || got.BaseName != "debian:12" {
		t.Fatalf("got %+v, %v", got, err)
	}
	for i, img := range images {
		manifest, _ := img.Digest()
		config, _ := img.ConfigName()
		if p := got.Platforms[i]; p.Manifest != manifest.String() || p.Config != config.String() || p.Platform != []string{"linux/amd64", "linux/arm64"}[i] {
			t.Errorf("got %+v", p)
		}
	}
}

func TestFromRegistryTakesThePlatform(t *testing.T) {
	at, _, images := hub(t)
	got, err := image.FromRegistry(context.Background(), at+"/app:1", image.Platform{OS: "linux", Arch: "arm64"})
	if err != nil {
		t.Fatal(err)
	}
	want, _ := images[1].Digest()
	if got.Digest != want.String() || got.Config.Architecture != "arm64" || got.Config.User != "1000" || len(got.Layers) != 2 {
		t.Errorf("got %+v", got)
	}
	r, err := got.Layers[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if data, err := io.ReadAll(r); err != nil || len(data) == 0 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}

func TestARegistryThatMisbehaves(t *testing.T) {
	hang := make(chan struct{})
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); io.WriteString(w, body) }
	}
	for name, handler := range map[string]http.HandlerFunc{
		"too many requests": answer(http.StatusTooManyRequests, ""), "broken": answer(http.StatusInternalServerError, ""), "nonsense": answer(http.StatusOK, "<html>"),
		"hangs": func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(handler)
			defer server.Close()
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			defer cancel()
			if _, err := image.Resolve(ctx, strings.TrimPrefix(server.URL, "http://")+"/app:1"); err == nil {
				t.Error("no error")
			}
		})
	}
}

// A registry, or a proxy in front of it, gives another configuration than the manifest names.
func TestAWrongDigestIsRefused(t *testing.T) {
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	var swap []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if swap != nil && r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/manifests/sha256:") {
			w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
			w.Write(swap)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	defer server.Close()
	img, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.TrimPrefix(server.URL, "http://") + "/app"
	ref, err := name.NewTag(at + ":1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	digest, _ := img.Digest()
	raw, _ := img.RawManifest()
	swap = bytes.Replace(raw, []byte(`"schemaVersion"`), []byte(` "schemaVersion"`), 1)
	if _, err := image.FromRegistry(context.Background(), at+"@"+digest.String(), image.Platform{OS: "linux", Arch: "amd64"}); err == nil {
		t.Error("a manifest with another digest was taken")
	}
}

func TestMirrored(t *testing.T) {
	mirrors := map[string]string{"docker.io": "mirror.example.com/hub", "docker.io/library": "mirror.example.com/official", "ghcr.io": "mirror.example.com:5000"}
	sum := "sha256:" + strings.Repeat("a", 64)
	for from, want := range map[string]string{
		"redis:8": "mirror.example.com/official/redis:8", "grafana/grafana:12": "mirror.example.com/hub/grafana/grafana:12", "quay.io/a/b:1": "quay.io/a/b:1",
		"ghcr.io/a/b@" + sum: "mirror.example.com:5000/a/b@" + sum,
	} {
		if got, err := image.Mirrored(from, mirrors); err != nil || got != want {
			t.Errorf("%s: got %s, %v; want %s", from, got, err, want)
		}
	}
	if _, err := image.Mirrored("UPPER", mirrors); err == nil || errors.Is(err, io.EOF) {
		t.Error("no error")
	}
}

package image_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/hsectl/hsectl/internal/image"
)

func TestCheck(t *testing.T) {
	for _, reference := range []string{"redis", "redis:8", "example/app:1.2", "registry.example:5000/team/app:v1", "redis@sha256:" + strings.Repeat("a", 64), "localhost/app"} {
		if err := image.Check(reference); err != nil {
			t.Errorf("%s is refused: %v", reference, err)
		}
	}
	for _, reference := range []string{"", " ", "Redis", "redis:", "redis:8:9", "redis@sha256:abc", "a b", "redis:la$test", "redis\n"} {
		if err := image.Check(reference); err == nil {
			t.Errorf("%q is accepted", reference)
		}
	}
}

// The image that runs inside probes is one program that an engine can load.
func TestStatic(t *testing.T) {
	program := bytes.Repeat([]byte("program "), 5000)
	s := image.NewStatic("hsectl/probe", "linux", "arm64", program)
	var b bytes.Buffer
	if err := s.Write(&b); err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(s.Reference)
	if err != nil {
		t.Fatal(err)
	}
	img, err := tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }, &tag)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil || config.OS != "linux" || config.Architecture != "arm64" || len(config.Config.Entrypoint) != 1 || config.Config.Entrypoint[0] != "/program" || len(config.RootFS.DiffIDs) != 1 {
		t.Errorf("the configuration is %+v, %v", config, err)
	}
	if config.Config.User != "" || len(config.Config.Env) != 0 || len(config.Config.Volumes) != 0 {
		t.Errorf("the image asks for more than a program: %+v", config.Config)
	}
	files := map[string]string{}
	content := mutate.Extract(img)
	defer content.Close()
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimSuffix(h.Name, "/")] = string(data)
		if h.Name == "program" && h.Mode != 0o755 {
			t.Errorf("the program has mode %o", h.Mode)
		}
	}
	if files["program"] != string(program) {
		t.Errorf("the program has %d bytes", len(files["program"]))
	}
	for _, dir := range []string{"proc", "sys", "dev", "etc"} {
		if _, ok := files[dir]; !ok {
			t.Errorf("/%s is missing: an engine cannot mount it under a read-only root", dir)
		}
	}
}

// The same program has the same name, so that it is loaded once; another one has another.
func TestStaticIsNamedAfterItsContent(t *testing.T) {
	reference := func(program string) string {
		return image.NewStatic("hsectl/probe", "linux", "amd64", []byte(program)).Reference
	}
	if a, b := reference("one"), reference("one"); a != b || !strings.HasPrefix(a, "hsectl/probe:") {
		t.Errorf("%s and %s", a, b)
	}
	if reference("one") == reference("two") {
		t.Error("two programs have one name")
	}
}

func TestStaticOfABadName(t *testing.T) {
	if err := image.NewStatic("Not A Name", "linux", "amd64", nil).Write(io.Discard); err == nil {
		t.Error("accepted")
	}
}

func TestLabels(t *testing.T) {
	created := time.Date(2026, 6, 15, 12, 0, 0, 0, time.FixedZone("", 2*3600))
	got := image.Labels(image.Origin{Title: "shop/app", Revision: "abc-dirty", Source: "https://example.com/shop", Created: created})
	want := map[string]string{
		"org.opencontainers.image.title": "shop/app", "org.opencontainers.image.revision": "abc-dirty",
		"org.opencontainers.image.source": "https://example.com/shop", "org.opencontainers.image.created": "2026-06-15T10:00:00Z",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if got := image.Labels(image.Origin{}); len(got) != 0 {
		t.Errorf("what is not known is labelled: %v", got)
	}
}

func TestBuildError(t *testing.T) {
	cause := errors.New("step 3 failed")
	err := error(&image.BuildError{Reference: "shop-app", Err: cause})
	if !errors.Is(err, cause) || err.Error() != "building image shop-app: step 3 failed" {
		t.Error(err)
	}
}

package bundle_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/hsectl/hsectl/internal/image/bundle"
	"github.com/hsectl/hsectl/internal/image/imagetest"
)

const (
	configured = `{"architecture":"amd64"}`
	manifested = `{"schemaVersion":2,"config":{"digest":"CONFIG"},"layers":[]}`
)

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// member is an entry of images.tar.
type member struct {
	header tar.Header
	text   string
}

// saved are the members of what engines write for one image: docker save and OCI layout in one.
func saved(config, tag string) []member {
	manifest := strings.ReplaceAll(manifested, "CONFIG", "sha256:"+digestOf(config))
	file := func(name, text string) member { return member{tar.Header{Name: name}, text} }
	return []member{
		{tar.Header{Name: "blobs/", Typeflag: tar.TypeDir}, ""},
		file("blobs/sha256/"+digestOf(config), config),
		file("blobs/sha256/"+digestOf(manifest), manifest),
		file("index.json", `{"manifests":[{"digest":"sha256:`+digestOf(manifest)+`","annotations":{"io.containerd.image.name":"`+tag+`","org.opencontainers.image.ref.name":"1"}}]}`),
		file("manifest.json", `[{"Config":"blobs/sha256/`+digestOf(config)+`","RepoTags":["`+tag+`"]}]`),
		file("layer", strings.Repeat("layer", 1000)),
	}
}

func packed(t testing.TB, members []member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		m.header.Mode, m.header.Size = 0o644, int64(len(m.text))
		if err := w.WriteHeader(&m.header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func bundled(t testing.TB, images []byte) []byte {
	t.Helper()
	return bundledAs(t, images, configured)
}

func bundledAs(t testing.TB, images []byte, id string) []byte {
	t.Helper()
	var b bytes.Buffer
	m := bundle.Manifest{Stack: "shop", Version: "v1", Created: time.Unix(1700000000, 0).UTC(),
		Images: []bundle.Image{{Reference: "shop:1", ID: "sha256:" + digestOf(id), Config: "sha256:" + digestOf(configured)}}}
	if err := bundle.Write(&b, m, []bundle.File{{Path: "stack/docker-compose.yml", Data: []byte("services: {}\n")}}, bytes.NewReader(images)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func example(t testing.TB) []byte {
	t.Helper()
	return bundled(t, packed(t, saved(configured, "docker.io/library/shop:1")))
}

func TestWhatGoesInComesOut(t *testing.T) {
	data := example(t)
	m, files, err := bundle.Read(bytes.NewReader(data))
	if err != nil || m.Stack != "shop" || len(files) != 1 || files[0].Path != "stack/docker-compose.yml" {
		t.Errorf("%+v %v, %v", m, files, err)
	}
	var images bytes.Buffer
	load := func(r io.Reader) error { _, err := io.Copy(&images, r); return err }
	if err := bundle.LoadImages(bytes.NewReader(data), m, load); err != nil || !bytes.Equal(images.Bytes(), packed(t, saved(configured, "docker.io/library/shop:1"))) {
		t.Errorf("%d bytes of images, %v", images.Len(), err)
	}
	if err := bundle.LoadImages(bytes.NewReader(bytes.Replace(data, []byte("layerlayer"), []byte("layerLayer"), 1)), m, load); !errors.Is(err, bundle.ErrDamaged) {
		t.Errorf("a file that was changed since is loaded: %v", err)
	}
}

func TestADamagedBundleIsRefused(t *testing.T) {
	good := example(t)
	for name, bad := range map[string][]byte{
		"cut":                   good[:len(good)/2],
		"a changed file":        bytes.Replace(good, []byte("services: {}"), []byte("services: []"), 1),
		"a changed image":       bytes.Replace(good, []byte("layerlayer"), []byte("layerLayer"), 1),
		"no bundle":             []byte("hello"),
		"an entry missing":      without(t, good, "stack/docker-compose.yml"),
		"no images":             without(t, good, bundle.ImagesName),
		"a path that leads out": bytes.ReplaceAll(good, []byte("stack/docker-compose.yml"), []byte("../../docker-compose.yml")),
		"images that are none":  bundled(t, []byte("hello")),
	} {
		if _, files, err := bundle.Read(bytes.NewReader(bad)); err == nil || files != nil {
			t.Errorf("%s: %v, %v", name, files, err)
		} else if name != "a path that leads out" && !errors.Is(err, bundle.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What an engine would load in addition to the listed images, or in their place, is refused before an engine sees it.
func TestOtherImagesAreRefused(t *testing.T) {
	t.Parallel()
	good := func() []member { return saved(configured, "shop:1") }
	with := func(more ...member) []member { return append(good(), more...) }
	file := func(name, text string) member { return member{tar.Header{Name: name}, text} }
	change := func(index int, old, new string) []member {
		out := good()
		out[index].text = strings.Replace(out[index].text, old, new, 1)
		return out
	}
	var squeezed bytes.Buffer
	z := gzip.NewWriter(&squeezed)
	if _, err := z.Write(imagetest.Hollow(1 << 40)); err != nil || z.Close() != nil {
		t.Fatal("packing the layer")
	}
	packer, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	denser := string(packer.EncodeAll(imagetest.Hollow(1<<40), nil))
	for name, c := range map[string]struct {
		members []member
		want    string
	}{
		"another tag":                     {change(4, `"shop:1"`, `"shop:1","redis:8"`), `does not list the image "redis:8"`},
		"another tag in the layout":       {change(3, `"shop:1"`, `"redis:8"`), `does not list the image "redis:8"`},
		"a second image in the layout":    {change(3, `{"manifests":[`, `{"manifests":[{"digest":"sha256:1234"},`), "does not list the image"},
		"the tag on another image":        {saved(`{"architecture":"evil"}`, "shop:1"), "is another image"},
		"a tag of old engines":            {with(file("repositories", `{"redis":{"8":"x"}}`)), `does not list the image "redis:8"`},
		"no listed image":                 {[]member{file("manifest.json", "[]")}, "has no image shop:1"},
		"a second description":            {with(file("manifest.json", "[]")), "twice"},
		"a description by another name":   {with(file("./x/../manifest.json", "[]")), "outside"},
		"a description that is a link":    {with(member{tar.Header{Name: "repositories", Typeflag: tar.TypeSymlink, Linkname: "x"}, ""}), "no plain file"},
		"a description that is no JSON":   {with(file("repositories", "hello")), "cannot be read"},
		"a device":                        {with(member{tar.Header{Name: "sda", Typeflag: tar.TypeBlock}, ""}), "no plain file"},
		"a layer with a hole":             {with(file("blobs/sha256/1", string(imagetest.Hollow(1<<40)))), "larger than"},
		"a compressed layer with a hole":  {with(file("blobs/sha256/1", squeezed.String())), "larger than"},
		"a layer in zstd with a hole":     {with(file("blobs/sha256/1", denser)), "larger than"},
		"a configuration that is missing": {change(4, `"Config":"`, `"Config":"x`), "not there"},
	} {
		_, _, err := bundle.Read(bytes.NewReader(bundled(t, packed(t, c.members))))
		if !errors.Is(err, bundle.ErrDamaged) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// A lock is compared with the id that the manifest claims: it is that of the configuration, or of a manifest that leads to it.
func TestAnIDIsThatOfTheImage(t *testing.T) {
	t.Parallel()
	images := packed(t, saved(configured, "shop:1"))
	for id, good := range map[string]bool{configured: true, strings.ReplaceAll(manifested, "CONFIG", "sha256:"+digestOf(configured)): true, "another": false} {
		if _, _, err := bundle.Read(bytes.NewReader(bundledAs(t, images, id))); good != (err == nil) {
			t.Errorf("%q: %v", id, err)
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
		_, files, err := bundle.Read(bytes.NewReader(data))
		for _, file := range files {
			if err != nil || strings.Contains(file.Path, "..") || strings.HasPrefix(file.Path, "/") {
				t.Errorf("%q, %v", file.Path, err)
			}
		}
	})
}

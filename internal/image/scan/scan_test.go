package scan_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/image/cache"
	"github.com/hsectl/hsectl/internal/image/imagetest"
	"github.com/hsectl/hsectl/internal/image/scan"
)

// file is one entry of a layer. A name that ends in a slash is a directory.
type file struct {
	name, data string
	mode       int64
	xattr      string
}

func layer(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Size: int64(len(f.data)), Mode: f.mode, Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		if f.mode == 0 {
			h.Mode = 0o644
		}
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if f.xattr != "" {
			h.PAXRecords = map[string]string{"SCHILY.xattr." + f.xattr: "x"}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func newScanner(t testing.TB, limits scan.Limits) (*scan.Scanner, cache.Records) {
	t.Helper()
	kept, err := cache.OpenRecords(t.TempDir(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scan.New(limits, func() (scan.Scratch, error) { return kept.Scratch() })
	if err != nil {
		t.Fatal(err)
	}
	return s, kept
}

func merged(t *testing.T, layers ...[]byte) scan.Contents {
	t.Helper()
	s, kept := newScanner(t, scan.DefaultLimits())
	var sources []scan.Source
	for _, l := range layers {
		sources = append(sources, scan.Source{DiffID: digest(l), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(l)), nil }})
	}
	out, _, err := s.Layers(context.Background(), sources, kept)
	if err != nil {
		t.Fatal(err)
	}
	return scan.Merge(out)
}

const bookworm = "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_CODENAME=bookworm\n"

func dpkg(packages ...string) string {
	var b strings.Builder
	for _, p := range packages {
		name, version, _ := strings.Cut(p, "=")
		b.WriteString("Package: " + name + "\nStatus: install ok installed\nArchitecture: amd64\nVersion: " + version + "\n\n")
	}
	return b.String()
}

func key() string {
	return "-----BEGIN PRIVATE KEY-----\n" + strings.Repeat("MIIEvQIBADANBgkqhkiG9w0B", 8) + "\n-----END PRIVATE KEY-----\n"
}

func named(c scan.Contents) []string {
	var out []string
	for _, p := range c.Packages {
		out = append(out, p.Ecosystem+" "+p.Name+" "+p.Version)
	}
	return out
}

func TestAPackageIsSeenUntilALayerTakesItAway(t *testing.T) {
	base := layer(t, file{name: "etc/os-release", data: bookworm}, file{name: "var/lib/dpkg/status", data: dpkg("openssl=3.0.1", "curl=7.88")},
		file{name: "app/node_modules/left/package.json", data: `{"name":"left","version":"1.0.0"}`},
		file{name: "old/node_modules/gone/package.json", data: `{"name":"gone","version":"1.0.0"}`},
		file{name: "opq/node_modules/hidden/package.json", data: `{"name":"hidden","version":"1.0.0"}`})
	upgrade := layer(t, file{name: "var/lib/dpkg/status", data: dpkg("openssl=3.0.2")}, file{name: "old/.wh.node_modules"},
		file{name: "opq/"}, file{name: "opq/.wh..wh..opq"}, file{name: "opq/node_modules/new/package.json", data: `{"name":"new","version":"2.0.0"}`})
	want := []string{"Debian:12 openssl 3.0.2", "npm left 1.0.0", "npm new 2.0.0"}
	got := merged(t, base, upgrade)
	if !slices.Equal(named(got), want) {
		t.Errorf("got %v, want %v", named(got), want)
	}
	if got.Packages[0].Layer != 1 || got.Packages[1].Layer != 0 {
		t.Errorf("layers %d and %d", got.Packages[0].Layer, got.Packages[1].Layer)
	}
}

// The database of a distribution is written anew by each layer; a package belongs to the layer that installed it.
func TestAPackageBelongsToTheLayerThatBroughtIt(t *testing.T) {
	base := layer(t, file{name: "etc/os-release", data: bookworm}, file{name: "var/lib/dpkg/status", data: dpkg("libc6=2.36")})
	other := layer(t, file{name: "app/x", data: "x"})
	more := layer(t, file{name: "var/lib/dpkg/status", data: dpkg("libc6=2.36", "curl=7.88")})
	got := merged(t, base, other, more)
	layers := map[string]int{}
	for _, p := range got.Packages {
		layers[p.Name] = p.Layer
	}
	if layers["libc6"] != 0 || layers["curl"] != 2 {
		t.Errorf("got %v", layers)
	}
	if !strings.HasPrefix(got.Packages[0].PURL, "pkg:deb/debian/curl@7.88") {
		t.Errorf("address %s", got.Packages[0].PURL)
	}
}

func TestASecretIsFoundThoughALaterLayerDeletesIt(t *testing.T) {
	first := layer(t, file{name: "root/.ssh/id_ed25519", data: key()}, file{name: "app/config.js", data: "\nconst t = 'ghp_" + strings.Repeat("a1B2", 9) + "'\n"},
		file{name: "usr/share/doc/x/key.pem", data: key()}, file{name: "app/node_modules/x/test/key.pem", data: key()})
	second := layer(t, file{name: "root/.wh..ssh"})
	got := merged(t, first, second)
	if len(got.Secrets) != 2 {
		t.Fatalf("got %+v", got.Secrets)
	}
	deleted, kept := got.Secrets[0], got.Secrets[1]
	if deleted.Rule != "private-key" || !deleted.Deleted || deleted.Layer != 0 || kept.Rule != "github-token" || kept.Deleted || kept.Line != 2 {
		t.Errorf("got %+v", got.Secrets)
	}
}

func TestMarksToolsAndAccounts(t *testing.T) {
	got := merged(t, layer(t, file{name: "usr/bin/su", mode: 0o4755, data: "x"}, file{name: "usr/bin/gone", mode: 0o4755, data: "x"}, file{name: "bin/ping", data: "x", xattr: "security.capability"},
		file{name: "srv/", mode: 0o2775}, file{name: "tmp/", mode: 0o1777}, file{name: "data/", mode: 0o777}, file{name: "bin/sh", mode: 0o755, data: "x"},
		file{name: "etc/passwd", data: "root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\napp::1000:1000::/:/bin/false\n"}, file{name: "etc/shadow", data: "root:*:1:0:9:7:::\nguest::1:0:9:7:::\n"}),
		layer(t, file{name: "usr/bin/gone", mode: 0o755, data: "x"}))
	var marks []string
	for _, m := range got.Marks {
		marks = append(marks, m.Kind+" "+m.Path)
	}
	if want := []string{"setuid usr/bin/su", "capability bin/ping", "world-writable data"}; !slices.Equal(marks, want) {
		t.Errorf("marks %v, want %v", marks, want)
	}
	if want := []string{"bin/sh", "usr/bin/su"}; !slices.Equal(got.Tools, want) {
		t.Errorf("tools %v, want %v", got.Tools, want)
	}
	if want := []string{"accounts root and toor share uid 0", "account app has an empty password", "account guest has an empty password"}; !slices.Equal(got.Accounts, want) {
		t.Errorf("accounts %q", got.Accounts)
	}
}

// This test program is itself a Go binary.
func TestAGoProgramSaysWhatItIsMadeOf(t *testing.T) {
	program, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	got := named(merged(t, layer(t, file{name: "app", mode: 0o755, data: string(program)})))
	if want := "Go stdlib " + strings.TrimPrefix(runtime.Version(), "go"); !slices.Contains(got, want) {
		t.Errorf("%q is not in %v", want, got)
	}
}

func TestHostileLayersEndInAnError(t *testing.T) {
	good := layer(t, file{name: "a", data: strings.Repeat("x", 5000)}, file{name: "../../etc/passwd", data: "root::0:0::/:/bin/sh"})
	many := layer(t, slices.Repeat([]file{{name: "a"}}, 200)...)
	cases := map[string]struct {
		data   []byte
		digest string
		limits scan.Limits
		want   error
	}{
		"cut within a file":    {good[:3000], "", scan.DefaultLimits(), io.ErrUnexpectedEOF},
		"another digest":       {good, digest([]byte("other")), scan.DefaultLimits(), scan.ErrDigest},
		"more bytes than fit":  {good, digest(good), scan.Limits{Bytes: 2048, Entries: 10}, scan.ErrTooLarge},
		"a hole counts":        {imagetest.Hollow(1 << 40), "", scan.DefaultLimits(), scan.ErrTooLarge},
		"more files than fit":  {many, digest(many), scan.Limits{Bytes: 1 << 30, Entries: 100}, scan.ErrTooLarge},
		"no archive but noise": {bytes.Repeat([]byte("noise"), 1000), "", scan.DefaultLimits(), tar.ErrHeader},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s, kept := newScanner(t, c.limits)
			source := scan.Source{DiffID: c.digest, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c.data)), nil }}
			_, _, err := s.Layers(context.Background(), []scan.Source{source}, kept)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if kept.Has(scan.Key(c.digest)) {
				t.Error("a bad layer left a record")
			}
		})
	}
}

func TestNamesThatLeadOutStayNames(t *testing.T) {
	got := merged(t, layer(t, file{name: "../../etc/passwd", data: "root:x:0:0::/:/bin/sh\n"}, file{name: "/abs/../usr/bin/su", mode: 0o4755, data: "x"}))
	if len(got.Marks) != 1 || got.Marks[0].Path != "usr/bin/su" || !got.HasAccounts() {
		t.Errorf("got %+v", got)
	}
}

// A record is made once, and a damaged one is made anew.
func TestRecordsAreKeptByDigest(t *testing.T) {
	data := layer(t, file{name: "etc/os-release", data: bookworm}, file{name: "var/lib/dpkg/status", data: dpkg("a=1")})
	s, kept := newScanner(t, scan.DefaultLimits())
	opened := 0
	source := scan.Source{DiffID: digest(data), Open: func() (io.ReadCloser, error) { opened++; return io.NopCloser(bytes.NewReader(data)), nil }}
	for range 3 {
		if _, _, err := s.Layers(context.Background(), []scan.Source{source}, kept); err != nil {
			t.Fatal(err)
		}
	}
	if opened != 1 {
		t.Errorf("the layer was read %d times", opened)
	}
}

func TestInterruptedReadEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s, _ := newScanner(t, scan.DefaultLimits())
	if _, err := s.Read(ctx, bytes.NewReader(layer(t, file{name: "a", data: "x"})), ""); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(layer(f, file{name: "etc/os-release", data: bookworm}, file{name: "var/lib/dpkg/status", data: dpkg("a=1")}))
	f.Add(layer(f, file{name: "x/.wh..wh..opq"}, file{name: ".wh.y"}, file{name: "lib/apk/db/installed", data: "P:a\nV:1\n\n"}))
	f.Add(layer(f, file{name: "app/node_modules/a/package.json", data: `{"name":"a","version":"1"}`}))
	s, _ := newScanner(f, scan.Limits{Bytes: 1 << 20, Entries: 1000})
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := s.Read(context.Background(), bytes.NewReader(data), "")
		if err != nil {
			return
		}
		for _, p := range scan.Merge([]scan.Layer{l, l}).Packages {
			if p.Name == "" || p.Version == "" {
				t.Errorf("a package without name or version: %+v", p)
			}
		}
	})
}

// What an image must have and does not show is said: nothing may be concluded from the packages that are left.
func TestWhatCannotBeSeen(t *testing.T) {
	t.Parallel()
	node := file{name: "app/node_modules/left/package.json", data: `{"name":"left","version":"1.0.0"}`}
	status := file{name: "var/lib/dpkg/status", data: dpkg("openssl=3.0.1")}
	libc := file{name: "lib/x86_64-linux-gnu/libc.so.6", data: "x"}
	release := func(text string) file { return file{name: "etc/os-release", data: text} }
	for name, c := range map[string]struct {
		files []file
		want  string
	}{
		"all there":                       {[]file{release(bookworm), status, node, libc}, ""},
		"no distribution":                 {[]file{node}, ""},
		"no package database":             {[]file{release(bookworm), node}, "has no package database of the type deb"},
		"another one's package database":  {[]file{release("ID=alpine\nVERSION_ID=3.22.1\n"), status}, "has no package database of the type apk"},
		"an empty package database":       {[]file{release(bookworm), {name: "var/lib/dpkg/status"}, node}, "has no package database"},
		"no os-release":                   {[]file{status, node}, "no os-release says of which"},
		"neither, and a C library":        {[]file{node, libc}, "libc.so.6, and neither"},
		"neither, and a shell":            {[]file{node, {name: "bin/sh", data: "x"}}, "/bin/sh, and neither"},
		"an unknown distribution":         {[]file{release("ID=homegrown\nVERSION_ID=1\n"), status}, `no advisories are known for the distribution "homegrown"`},
		"a distribution that is like one": {[]file{release("ID=raspbian\nID_LIKE=debian\nVERSION_ID=12\n"), status}, `for the distribution "raspbian"`},
	} {
		got := merged(t, layer(t, c.files...))
		if text := strings.Join(got.Unseen, "; "); !strings.Contains(text, c.want) || (c.want == "") != (text == "") {
			t.Errorf("%s: got %q, want %q", name, text, c.want)
		}
	}
	gone := merged(t, layer(t, release(bookworm), status, node), layer(t, file{name: "var/lib/.wh.dpkg"}))
	if len(gone.Unseen) != 1 {
		t.Errorf("a later layer took the database away: %v", gone.Unseen)
	}
}

// Packages of a distribution that is not known are looked up nowhere: neither in the kernel's list nor in that of another one.
func TestAPackageWithoutDistributionHasNoAdvisories(t *testing.T) {
	t.Parallel()
	apk := file{name: "lib/apk/db/installed", data: "P:musl\nV:1.2.5-r0\nA:x86_64\n\n"}
	for _, files := range [][]file{
		{{name: "var/lib/dpkg/status", data: dpkg("linux=6.1", "openssl=3.0.1")}},
		{apk},
		{apk, {name: "etc/os-release", data: "ID=chimera\nVERSION_ID=1\n"}},
	} {
		for _, p := range merged(t, layer(t, files...)).Packages {
			if p.Ecosystem != "" {
				t.Errorf("%s is looked up in %s", p.Name, p.Ecosystem)
			}
		}
	}
}

// A program whose packages cannot be seen is a problem, not a program without packages.
func TestUnreadablePrograms(t *testing.T) {
	t.Parallel()
	program, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	silent := bytes.ReplaceAll(program, []byte("\xff Go buildinf:"), []byte("\xff Go nothing!:"))
	packed := slices.Clone(program[:4096])
	copy(packed[40:48], make([]byte, 8)) // no sections
	copy(packed[60:64], make([]byte, 4))
	copy(packed[1000:], "UPX!")
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"a program in order": {program, ""}, "a cut program": {program[:100], "cannot be read"},
		"a Go program without a list of modules": {silent, "does not say which modules"}, "a packed program": {packed, "packed"},
		"a script": {[]byte("#!/bin/sh\n"), ""},
	} {
		got := merged(t, layer(t, file{name: "app", mode: 0o755, data: string(c.data)}))
		if c.want == "" && len(got.Problems) > 0 || c.want != "" && (len(got.Problems) != 1 || !strings.Contains(got.Problems[0].Text, c.want)) {
			t.Errorf("%s: %+v", name, got.Problems)
		}
	}
}

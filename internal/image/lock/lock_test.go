package lock_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/image/lock"
)

func digest(c string) string { return "sha256:" + strings.Repeat(c, 64) }

func example() lock.File {
	day := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	return lock.File{Profile: digest("f"), Images: []lock.Entry{
		{Service: "db", Reference: "postgres:18", Source: lock.Registry, Digest: digest("a"), Locked: day,
			Platforms: []lock.Platform{{Platform: "linux/amd64", Manifest: digest("b"), Config: digest("c")}}},
		{Service: "app", Reference: "shop-app:latest", Source: lock.Engine, ID: digest("d"), Locked: day},
		{Service: "cache", Reference: "redis:8", Mirror: "mirror.example.com/library/redis:8", Source: lock.Registry, Digest: digest("e"), Locked: day},
	}}
}

func TestTheSameLockGivesTheSameBytes(t *testing.T) {
	first, err := example().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	read, err := lock.Parse(first)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(read.Images)
	second, err := read.Marshal()
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("%v\n%s\n%s", err, first, second)
	}
}

func TestPinsKeepTheTagForTheReader(t *testing.T) {
	got := example().Pins("")
	if len(got) != 2 || got["db"] != "postgres:18@"+digest("a") || got["cache"] != "mirror.example.com/library/redis:8@"+digest("e") {
		t.Errorf("got %v", got)
	}
}

func TestStale(t *testing.T) {
	wanted := []lock.Wanted{{Service: "app", Reference: "shop-app:latest"}, {Service: "db", Reference: "postgres:19"}, {Service: "web", Reference: "nginx:1"}}
	got := example().Stale(wanted)
	want := []string{"service db uses postgres:19 now; postgres:18 is locked", "service web is not locked", "service cache is locked and not in the profile"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// Graph drivers know an image by its configuration, the containerd store by its manifest, and both by where it came from.
func TestRecognises(t *testing.T) {
	db, _ := example().Entry("db")
	for _, c := range []struct {
		id      string
		digests []string
		want    bool
	}{
		{digest("c"), nil, true}, {digest("b"), nil, true}, {digest("a"), nil, true}, {digest("9"), []string{"postgres@" + digest("a")}, true},
		{digest("9"), []string{"postgres@" + digest("8")}, false}, {"", nil, false},
	} {
		if got := db.Recognises(c.id, c.digests); got != c.want {
			t.Errorf("%v: %t", c, got)
		}
	}
}

func TestDiff(t *testing.T) {
	after := example()
	after.Images = slices.Clone(after.Images[:2])
	after.Images[0].Digest = digest("1")
	var got []string
	for _, c := range lock.Diff(example(), after) {
		got = append(got, c.String())
	}
	want := []string{"cache: redis:8 is no longer locked", "db: postgres:18 changed from sha256:aaaaaaaaaaaa to sha256:111111111111"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func FuzzParse(f *testing.F) {
	good, err := example().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"apiVersion":"hsectl/v1","kind":"Lock","images":[{"service":"a","reference":"b","source":"registry","digest":"latest"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := lock.Parse(data)
		if err != nil {
			return
		}
		for _, reference := range file.Pins("") {
			if !strings.Contains(reference, "@sha256:") {
				t.Errorf("%q pins nothing", reference)
			}
		}
		if _, err := file.Marshal(); err != nil {
			t.Error(err)
		}
	})
}

package backup_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/backup"
)

// volume is the tar of a directory v as an engine sends it.
func volume(t testing.TB, dir string, change func(*tar.Header)) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: dir + "/", Typeflag: tar.TypeDir, Mode: 0o700, Uid: 999, Gid: 999},
		{Name: dir + "/base/", Typeflag: tar.TypeDir, Mode: 0o700, Uid: 999, Gid: 999},
		{Name: dir + "/base/1", Typeflag: tar.TypeReg, Mode: 0o600, Uid: 999, Gid: 999, Size: 4},
		{Name: dir + "/base/2", Typeflag: tar.TypeLink, Linkname: dir + "/base/1", Mode: 0o600, Uid: 999, Gid: 999},
		{Name: dir + "/current", Typeflag: tar.TypeSymlink, Linkname: "base/1", Mode: 0o777},
	} {
		if change != nil {
			change(&h)
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte("rows")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What is packed from one directory comes back in another, and has the same digest there.
func TestThereAndBack(t *testing.T) {
	var archive, back bytes.Buffer
	packed, err := backup.Pack(&archive, bytes.NewReader(volume(t, "v", nil)))
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := backup.Unpack(&back, &archive, "other")
	if err != nil || unpacked != packed || packed.Entries != 5 {
		t.Fatalf("%+v, %+v, %v", packed, unpacked, err)
	}
	var names []string
	r := tar.NewReader(bytes.NewReader(back.Bytes()))
	for {
		h, err := r.Next()
		if err != nil {
			break
		}
		names = append(names, h.Name+">"+h.Linkname)
	}
	want := "other/> other/base/> other/base/1> other/base/2>other/base/1 other/current>base/1"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("it came back as %s\nwant %s", got, want)
	}
	again, err := backup.Digest(&back)
	if err != nil || again != packed {
		t.Errorf("what came back is %+v, %v", again, err)
	}
}

// Whatever differs but the time gives another digest.
func TestDigestSees(t *testing.T) {
	digest := func(change func(*tar.Header)) backup.Content {
		t.Helper()
		c, err := backup.Digest(bytes.NewReader(volume(t, "v", change)))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	same := digest(nil)
	if digest(func(h *tar.Header) { h.ModTime = time.Unix(1e9, 0) }) != same {
		t.Error("a time makes another digest")
	}
	for name, change := range map[string]func(*tar.Header){
		"a mode":   func(h *tar.Header) { h.Mode |= 0o004 },
		"an owner": func(h *tar.Header) { h.Uid = 0 },
		"a name":   func(h *tar.Header) { h.Name = strings.Replace(h.Name, "base/1", "base/3", 1) },
		"a link":   func(h *tar.Header) { h.Linkname = strings.Replace(h.Linkname, "base/1", "base/3", 1) },
	} {
		if digest(change) == same {
			t.Errorf("%s makes no other digest", name)
		}
	}
}

// An archive that is damaged, cut off, or leads out of its directory is an error and never half a volume.
func TestRefused(t *testing.T) {
	pack := func(change func(*tar.Header)) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write(volume(t, "v", change))
		_ = w.Close()
		return b.Bytes()
	}
	good := pack(nil)
	flipped := bytes.Clone(good)
	flipped[len(flipped)-6] ^= 1 // in the checksum at the end
	for name, data := range map[string][]byte{
		"nothing":             {},
		"no gzip":             []byte("rows"),
		"half":                good[:len(good)/2],
		"without its end":     good[:len(good)-4],
		"a flipped bit":       flipped,
		"a name outside":      pack(func(h *tar.Header) { h.Name = strings.Replace(h.Name, "v/base", "v/../../etc", 1) }),
		"an absolute name":    pack(func(h *tar.Header) { h.Name = strings.Replace(h.Name, "v/base", "/etc", 1) }),
		"a hard link outside": pack(func(h *tar.Header) { h.Linkname = strings.Replace(h.Linkname, "v/base", "../etc", 1) }),
		"a link for its root": pack(func(h *tar.Header) {
			if h.Name == "v/" {
				h.Name, h.Typeflag, h.Linkname = "v", tar.TypeSymlink, "/etc"
			}
		}),
	} {
		if _, err := backup.Unpack(io.Discard, bytes.NewReader(data), "v"); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}

func TestRecords(t *testing.T) {
	made := time.Date(2026, 11, 27, 13, 30, 0, 0, time.UTC)
	r := backup.NewRecord("shop", "db-data", made)
	r.Form, r.Bytes, r.SHA256 = backup.Dump, 10, strings.Repeat("ab", 32)
	if r.Archive != "shop.db-data.20261127T133000.000Z.tar.gz" || !backup.IsRecord(backup.RecordName(r.Archive), "shop", "db-data") {
		t.Fatalf("%s, %s", r.Archive, backup.RecordName(r.Archive))
	}
	for _, other := range []string{r.Archive, backup.ProofName("shop", "db-data"), "shop.db.data.20261127T133000.000Z.json", "shop.db-data.json"} {
		if backup.IsRecord(other, "shop", "db-data") {
			t.Errorf("%s is taken for a record", other)
		}
	}
	text := func(change func(*backup.Record)) []byte {
		changed := r
		change(&changed)
		data, err := backup.Text(changed)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if back, err := backup.ParseRecord(text(func(*backup.Record) {}), "shop", "db-data"); err != nil || back != r {
		t.Errorf("%+v, %v", back, err)
	}
	for name, change := range map[string]func(*backup.Record){
		"another volume":   func(r *backup.Record) { r.Volume = "x" },
		"another stack":    func(r *backup.Record) { r.Stack = "x" },
		"no digest":        func(r *backup.Record) { r.SHA256 = "" },
		"no size":          func(r *backup.Record) { r.Bytes = 0 },
		"no form":          func(r *backup.Record) { r.Form = "" },
		"a path":           func(r *backup.Record) { r.Archive = "../x" },
		"a hidden file":    func(r *backup.Record) { r.Archive = ".x" },
		"another document": func(r *backup.Record) { r.Kind = "Evidence" },
	} {
		if _, err := backup.ParseRecord(text(change), "shop", "db-data"); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
	proof, err := backup.Text(backup.NewProof(r, made, true, "came back"))
	if err != nil {
		t.Fatal(err)
	}
	if p, err := backup.ParseProof(proof, "shop", "db-data"); err != nil || !p.Passed || p.Archive != r.Archive {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := backup.ParseProof(proof, "shop", "other"); err == nil {
		t.Error("a proof counts for another volume")
	}
}

// Whatever lies in the directory, nothing leaves its place and nothing panics; what is taken comes back as it is.
func FuzzUnpack(f *testing.F) {
	var b bytes.Buffer
	if _, err := backup.Pack(&b, bytes.NewReader(volume(f, "v", nil))); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("rows"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var out bytes.Buffer
		c, err := backup.Unpack(&out, io.LimitReader(bytes.NewReader(data), 1<<16), "v")
		if err != nil || out.Len() > 1<<24 {
			return
		}
		r := tar.NewReader(bytes.NewReader(out.Bytes()))
		for {
			h, err := r.Next()
			if err != nil {
				break
			}
			if h.Name != "v/" && !strings.HasPrefix(h.Name, "v/") || strings.Contains("/"+h.Name+"/", "/../") {
				t.Errorf("%q leads out", h.Name)
			}
		}
		if again, err := backup.Digest(&out); err != nil || again != c {
			t.Errorf("%+v, then %+v, %v", c, again, err)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	data, err := backup.Text(backup.NewRecord("shop", "data", time.Unix(1e9, 0)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := backup.ParseRecord(data, "shop", "data"); err == nil && (strings.ContainsAny(r.Archive, "/") || r.Stack != "shop") {
			t.Errorf("%+v was taken", r)
		}
		_, _ = backup.ParseProof(data, "shop", "data")
	})
}

package cache_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/image/cache"
	"github.com/hsectl/hsectl/internal/image/vuln"
)

func archive(t testing.TB, records ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i, r := range records {
		w, err := z.Create(fmt.Sprintf("%d.json", i))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func record(id, name string) string {
	return fmt.Sprintf(`{"id":%q,"modified":"2026-11-01T00:00:00Z","affected":[{"package":{"ecosystem":"npm","name":%q},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}`, id, name)
}

// server answers with what it holds now.
type server struct {
	*httptest.Server
	body   atomic.Pointer[[]byte]
	status atomic.Int64
	asked  atomic.Int64
}

func newServer(t *testing.T, body []byte) *server {
	t.Helper()
	s := &server{}
	s.body.Store(&body)
	s.status.Store(http.StatusOK)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		data := *s.body.Load()
		tag := fmt.Sprintf(`"%d"`, len(data))
		if r.URL.Path != "/npm/all.zip" {
			http.NotFound(w, r)
			return
		}
		if status := int(s.status.Load()); status != http.StatusOK {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(status)
			return
		}
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", tag)
		w.Write(data)
	}))
	t.Cleanup(s.Close)
	return s
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir, address string, p cache.Policy) cache.Database {
	t.Helper()
	source, err := cache.NewSource(address)
	if err != nil {
		t.Fatal(err)
	}
	if p.Now.IsZero() {
		p.Now = noon
	}
	return cache.Database{Dir: dir, Source: source, Policy: p}
}

func find(d cache.Database, name string) (int, vuln.Info, error) {
	info, found, err := d.Find(context.Background(), "npm", map[string]bool{name: true})
	return len(found[name]), info, err
}

func TestADatabaseIsFetchedOnceAndAskedAgainWhenDue(t *testing.T) {
	s := newServer(t, archive(t, record("A", "left"), record("B", "right")))
	dir := t.TempDir()
	n, info, err := find(open(t, dir, s.URL, cache.Policy{Refresh: time.Hour}), "left")
	if err != nil || n != 1 || info.Records != 2 {
		t.Fatalf("%d %+v %v", n, info, err)
	}
	if _, _, err = find(open(t, dir, s.URL, cache.Policy{Refresh: time.Hour}), "left"); err != nil || s.asked.Load() != 1 {
		t.Errorf("asked %d times, %v", s.asked.Load(), err)
	}
	later := cache.Policy{Refresh: time.Hour, Now: noon.Add(2 * time.Hour)}
	if _, info, err = find(open(t, dir, s.URL, later), "left"); err != nil || s.asked.Load() != 2 || info.Age(later.Now) != 0 {
		t.Errorf("asked %d times, %s old, %v", s.asked.Load(), info.Age(later.Now), err)
	}
	newer := archive(t, record("C", "left"), record("D", "left"), record("E", "left"))
	s.body.Store(&newer)
	later.Now = noon.Add(4 * time.Hour)
	if n, _, err = find(open(t, dir, s.URL, later), "left"); err != nil || n != 3 {
		t.Errorf("%d advisories, %v", n, err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "npm", "*")); len(files) != 3 {
		t.Errorf("left behind: %v", files)
	}
}

func TestNothingIsConcludedFromNoDatabase(t *testing.T) {
	s := newServer(t, archive(t, record("A", "left")))
	if _, _, err := find(open(t, t.TempDir(), s.URL, cache.Policy{Offline: true}), "left"); !errors.Is(err, cache.ErrNoDatabase) {
		t.Errorf("offline: %v", err)
	}
	if _, _, err := open(t, t.TempDir(), s.URL, cache.Policy{}).Find(context.Background(), "Elsewhere", nil); !errors.Is(err, cache.ErrNoDatabase) {
		t.Errorf("unknown ecosystem: %v", err)
	}
	dir := t.TempDir()
	if _, _, err := find(open(t, dir, s.URL, cache.Policy{}), "left"); err != nil {
		t.Fatal(err)
	}
	var stale *cache.StaleError
	old := cache.Policy{Offline: true, MaxAge: 24 * time.Hour, Now: noon.Add(48 * time.Hour)}
	if _, _, err := find(open(t, dir, s.URL, old), "left"); !errors.As(err, &stale) || stale.Age != 48*time.Hour {
		t.Errorf("old: %v", err)
	}
}

func TestABadDatabaseLeavesTheGoodOne(t *testing.T) {
	good := archive(t, record("A", "left"))
	whole := archive(t, record("A", "left"), record("B", strings.Repeat("b", 4000)))
	for name, bad := range map[string][]byte{
		"cut in the middle": whole[:len(whole)/2], "no archive": []byte("<html>busy</html>"), "no records": archive(t),
		"a record that is no JSON": archive(t, "{"), "a flipped byte": flip(whole),
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := newServer(t, bad), t.TempDir()
			if _, _, err := find(open(t, dir, s.URL, cache.Policy{}), "left"); !errors.Is(err, vuln.ErrDatabase) {
				t.Errorf("at first: %v", err)
			}
			s.body.Store(&good)
			if _, _, err := find(open(t, dir, s.URL, cache.Policy{}), "left"); err != nil {
				t.Fatal(err)
			}
			s.body.Store(&bad)
			n, info, err := find(open(t, dir, s.URL, cache.Policy{Now: noon.Add(time.Hour)}), "left")
			if err != nil || n != 1 || info.Warning == "" {
				t.Errorf("afterwards: %d, warning %q, %v", n, info.Warning, err)
			}
		})
	}
}

// flip damages the compressed bytes of the first record.
func flip(data []byte) []byte {
	out := bytes.Clone(data)
	out[45] ^= 0xff
	return out
}

func TestABusyServerIsAskedAgainAndARefusalIsNot(t *testing.T) {
	s := newServer(t, archive(t, record("A", "left")))
	s.status.Store(http.StatusTooManyRequests)
	if _, _, err := find(open(t, t.TempDir(), s.URL, cache.Policy{}), "left"); err == nil || s.asked.Load() != 4 || !strings.Contains(err.Error(), "429") {
		t.Errorf("asked %d times: %v", s.asked.Load(), err)
	}
	s.asked.Store(0)
	s.status.Store(http.StatusForbidden)
	if _, _, err := find(open(t, t.TempDir(), s.URL, cache.Policy{}), "left"); err == nil || s.asked.Load() != 1 {
		t.Errorf("asked %d times: %v", s.asked.Load(), err)
	}
}

func TestACarriedDatabaseIsAsOldAsItsFile(t *testing.T) {
	from := t.TempDir()
	path := filepath.Join(from, "npm", "all.zip")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, archive(t, record("A", "left")), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, noon.Add(-72*time.Hour), noon.Add(-72*time.Hour)); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for range 2 {
		n, info, err := find(open(t, dir, from, cache.Policy{Offline: true}), "left")
		if err != nil || n != 1 || info.Age(noon) != 72*time.Hour {
			t.Errorf("%d, %s old, %v", n, info.Age(noon), err)
		}
	}
	var stale *cache.StaleError
	if _, _, err := find(open(t, dir, from, cache.Policy{Offline: true, MaxAge: 48 * time.Hour}), "left"); !errors.As(err, &stale) {
		t.Errorf("got %v", err)
	}
}

func TestManyAtOnce(t *testing.T) {
	s, dir := newServer(t, archive(t, record("A", "left"))), t.TempDir()
	kept, err := cache.OpenRecords(t.TempDir(), 4096)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			if n, _, err := find(open(t, dir, s.URL, cache.Policy{}), "left"); err != nil || n != 1 {
				t.Errorf("%d, %v", n, err)
			}
			name := cache.Key("layer", 1, "sha256:"+strings.Repeat(fmt.Sprintf("%x", i), 64))
			if err := kept.Put(name, strings.Repeat(name, 10)); err != nil {
				t.Error(err)
			}
			var value string
			if kept.Get(name, &value) && value != strings.Repeat(name, 10) {
				t.Errorf("%s holds %q", name, value)
			}
		})
	}
	group.Wait()
}

func TestRecordsAreBoundedAndRecover(t *testing.T) {
	dir := t.TempDir()
	kept, err := cache.OpenRecords(dir, 600)
	if err != nil {
		t.Fatal(err)
	}
	name := func(i int) string { return cache.Key("layer", 1, "sha256:"+strings.Repeat(fmt.Sprintf("%x", i), 64)) }
	for i := range 10 {
		if err := kept.Put(name(i), fmt.Sprint(i, noon)); err != nil {
			t.Fatal(err)
		}
	}
	var total int64
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		info, _ := f.Info()
		total += info.Size()
	}
	if total > 600 || len(files) == 0 {
		t.Errorf("%d bytes in %d files", total, len(files))
	}
	last := filepath.Join(dir, files[len(files)-1].Name())
	if err := os.WriteFile(last, []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		var v string
		kept.Get(name(i), &v)
	}
	if _, err := os.Stat(last); err == nil {
		t.Error("a damaged record is still there")
	}
	if err := kept.Put("../../outside", 1); err == nil || kept.Get("../x", new(int)) || kept.Has("../x") {
		t.Error("a name that leads out was taken")
	}
}

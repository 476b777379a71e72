package host_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/backup"
	"github.com/hsectl/hsectl/internal/host"
)

func stored(t *testing.T, dir string, made time.Time) backup.Record {
	t.Helper()
	r := backup.NewRecord("shop", "data", made)
	r.Form = backup.Files
	r, err := host.StoreBackup(dir, r, func(w io.Writer) (backup.Content, error) {
		_, err := io.WriteString(w, "rows of "+made.String())
		return backup.Content{Entries: 2}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What is stored is private, found again, the newest first, and goes when there are too many; what failed leaves nothing.
func TestStoreBackup(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "backups")
	if _, err := host.Backups(dir, "shop", "data"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	begun := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)
	for day := range 4 {
		stored(t, dir, begun.AddDate(0, 0, day))
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory is %v, %v", info.Mode(), err)
	}
	_, err := host.StoreBackup(dir, backup.NewRecord("shop", "data", begun.AddDate(1, 0, 0)), func(io.Writer) (backup.Content, error) { return backup.Content{}, io.ErrUnexpectedEOF })
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("half a backup: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 8 {
		t.Errorf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
	records, err := host.Backups(dir, "shop", "data")
	if err != nil || len(records) != 4 || !records[0].Made.Equal(begun.AddDate(0, 0, 3)) {
		t.Fatalf("%+v, %v", records, err)
	}
	if n, err := host.PruneBackups(dir, "shop", "data", 3); n != 1 || err != nil {
		t.Errorf("%d pruned, %v", n, err)
	}
	if n, err := host.PruneBackups(dir, "shop", "data", 0); n != 0 || err != nil {
		t.Errorf("%d pruned though all are kept, %v", n, err)
	}
	records, err = host.Backups(dir, "shop", "data")
	if err != nil || len(records) != 3 || !records[2].Made.Equal(begun.AddDate(0, 0, 1)) {
		t.Errorf("%+v, %v", records, err)
	}
}

// An archive that is not what its record says is never opened.
func TestOpenBackup(t *testing.T) {
	dir := t.TempDir()
	r := stored(t, dir, time.Unix(1e9, 0))
	path := filepath.Join(dir, r.Archive)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := host.OpenBackup(dir, r)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(f); err != nil || string(data) != string(good) || f.Close() != nil {
		t.Errorf("%q, %v", data, err)
	}
	for name, data := range map[string]string{"is cut off": string(good[:len(good)-1]), "has another byte": strings.Replace(string(good), "rows", "rowz", 1)} {
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := host.OpenBackup(dir, r); !damaged(err) {
			t.Errorf("what %s is opened: %v", name, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := host.ArchiveSize(dir, r); !damaged(err) || !strings.Contains(err.Error(), "gone") {
		t.Errorf("what is gone: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, backup.RecordName(r.Archive)), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := host.Backups(dir, "shop", "data"); err == nil {
		t.Error("a damaged record is passed over")
	}
}

func damaged(err error) bool {
	_, ok := errors.AsType[*host.DamageError](err)
	return ok
}

func TestProofs(t *testing.T) {
	dir := t.TempDir()
	if _, ok, err := host.LastProof(dir, "shop", "data"); ok || err != nil {
		t.Errorf("no proof: %v, %v", ok, err)
	}
	if err := host.StoreProof(dir, backup.NewProof(stored(t, dir, time.Unix(1e9, 0)), time.Unix(2e9, 0), false, "no rows")); err != nil {
		t.Fatal(err)
	}
	p, ok, err := host.LastProof(dir, "shop", "data")
	if !ok || err != nil || p.Passed || p.Detail != "no rows" {
		t.Errorf("%+v, %v, %v", p, ok, err)
	}
}

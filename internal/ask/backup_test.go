package ask

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The newest file counts, and it must hold something and be young.
func TestLastBackup(t *testing.T) {
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	write := func(t *testing.T, dir, name, content string, age time.Duration) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct {
		make func(t *testing.T, dir string) string
		ok   bool
		text string
	}{
		"a young file":       {func(t *testing.T, dir string) string { return write(t, dir, "db.dump", "rows", 3*time.Hour) }, true, "db.dump has 4 bytes and is 3h0m0s old; whether it can be restored was not tried"},
		"an old one":         {func(t *testing.T, dir string) string { return write(t, dir, "db.dump", "rows", 30*time.Hour) }, false, "more than 26h"},
		"an empty one":       {func(t *testing.T, dir string) string { return write(t, dir, "db.dump", "", time.Hour) }, false, "has 0 bytes"},
		"none":               {func(_ *testing.T, dir string) string { return filepath.Join(dir, "gone") }, false, "no such file"},
		"an empty directory": {func(_ *testing.T, dir string) string { return dir }, false, "contains no file"},
		"a directory of them": {func(t *testing.T, dir string) string {
			write(t, dir, "old", "x", 99*time.Hour)
			write(t, dir, "new", "xx", time.Hour)
			return dir
		}, true, "new has 2 bytes"},
		"the newest is empty": {func(t *testing.T, dir string) string {
			write(t, dir, "old", "x", 2*time.Hour)
			write(t, dir, "new", "", time.Hour)
			return dir
		}, false, "new has 0 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			got := LastBackup(c.make(t, t.TempDir()), now, 26*time.Hour)
			if got.OK != c.ok || !strings.Contains(got.Text, c.text) {
				t.Errorf("got %t, %q", got.OK, got.Text)
			}
		})
	}
}

package compose

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hsectl/hsectl/profiles"
)

// FuzzImport wants no file, however broken, to bring the import, the judging or the mending down.
func FuzzImport(f *testing.F) {
	matches, err := filepath.Glob("../../testdata/compose/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range matches {
		data, err := os.ReadFile(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	path := filepath.Join(f.TempDir(), "compose.yml")
	f.Fuzz(func(t *testing.T, data []byte) {
		IsCompose(data)
		if len(data) > 1<<16 || os.WriteFile(path, data, 0o600) != nil {
			t.Skip()
		}
		p, err := Load(t.Context(), Source{Files: []string{path}, Read: fromDisk, AsWritten: true})
		if err != nil {
			return
		}
		p.Check()
		p.Fix()
		if _, err := p.Profile(Target{Dir: filepath.Dir(path), Source: "compose.yml", Today: today, Library: profiles.Library{}}); err != nil {
			t.Skip(err)
		}
	})
}

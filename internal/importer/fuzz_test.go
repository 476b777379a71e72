package importer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/profiles"
)

// FuzzImport wants no file, however broken, to bring the import, the judging or the fixing down.
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
		composefile.IsCompose(data)
		if len(data) > 1<<16 || os.WriteFile(path, data, 0o600) != nil {
			t.Skip()
		}
		p, err := composefile.Load(t.Context(), composefile.Source{Files: []string{path}, Read: fromDisk, AsWritten: true})
		if err != nil {
			return
		}
		p.Check()
		p.Fix()
		if _, err := Profile(p, Target{Dir: filepath.Dir(path), Source: "compose.yml", Today: today, Library: profiles.Library{}}); err != nil {
			t.Skip(err)
		}
	})
}

// FuzzIncludes wants two files that include, extend and anchor each other in any way to end, within bounds.
func FuzzIncludes(f *testing.F) {
	for _, seed := range [][2]string{
		{"include: [b.yml]\nservices: {a: {image: x}}", "include: [a.yml]\nservices: {b: {image: x}}"},
		{"services: {a: {extends: {file: b.yml, service: b}}}", "services: {b: {extends: {file: a.yml, service: a}}}"},
		{"services: {a: {extends: a, image: x}}", ""},
		{"include:\n  - path: [b.yml, b.yml]\n    env_file: b.yml\n    project_directory: .\n", "services: {b: {image: '${X:-${Y:?no}}'}}"},
		{"x-a: &a {b: c}\nservices: {a: {<<: *a, image: x, environment: {<<: [*a, *a]}}}", "{}"},
		{"x-a: &a [x, x, x, x, x, x, x, x, x]\nx-b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nx-c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nx-d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\nx-e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\nx-f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e]\nx-g: [*f, *f, *f, *f, *f, *f, *f, *f, *f]\nservices: {a: {image: x}}", ""},
		{"x-a: &a {b: *a}\nservices: {a: {image: x, labels: *a}}", ""},
		{"services: {a: {image: x, env_file: b.yml, label_file: b.yml}}", "A=b\nB=${A}\nC=$$\n"},
		{"include: [a.yml]", ""},
		{"services: {a: {build: {context: ., additional_contexts: {b: service:b}}, depends_on: [b]}, b: {image: x, depends_on: [a]}}", ""},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if len(a)+len(b) > 1<<16 {
			t.Skip()
		}
		for name, data := range map[string][]byte{"a.yml": a, "b.yml": b} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p, err := composefile.Load(t.Context(), composefile.Source{Files: []string{filepath.Join(dir, "a.yml")}, Read: fromDisk})
		if err != nil {
			return
		}
		p.Check()
		if _, err := p.Values(); err != nil {
			t.Skip(err)
		}
	})
}

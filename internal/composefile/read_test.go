package composefile_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/composefile"
)

const inMemory = `name: shop
x-base: &base {read_only: true}
services:
  web:
    <<: *base
    image: registry.example.com/web:${TAG:?needed}
    cap_drop: [ALL]
    volumes:
      - ./conf:/etc/web:ro
  db: {image: postgres:17, env_file: [db.env]}
jobs: {}
---
services:
  web:
    cap_drop: [ALL]
    cap_add:
      - NET_RAW
      - SYS_ADMIN
`

// A file in memory is read without a look at the disk: what is in other files is unknown, not absent.
func TestReadInMemory(t *testing.T) {
	p, err := composefile.Read(t.Context(), "docker-compose.yml", []byte(inMemory), composefile.Environment{Dir: "/srv/shop", Variables: map[string]string{"TAG": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Services(); !slices.Equal(got, []string{"db", "web"}) {
		t.Errorf("services %v", got)
	}
	web := p.Facts("web")
	if !web.RootReadOnly.Value || web.Image.Value.Reference != "registry.example.com/web:1" || web.Mounts.Value[0].Source != "/srv/shop/conf" {
		t.Errorf("facts %+v", web)
	}
	if f := p.Facts("db"); f.Environment.Known() {
		t.Error("what env_file says is known, although it was not read")
	}
	if f := p.Facts("nothing"); f.Image.Known() || f.Processes.Known() {
		t.Error("a service that is not there has facts")
	}
	if in := p.Intent("db"); in.Image != "postgres:17" {
		t.Errorf("intent %+v", in)
	}
	for keys, want := range map[string]string{
		"services web cap_add 1": "docker-compose.yml:18:9", "services web read_only": "docker-compose.yml:2:16",
		"services web volumes 0": "docker-compose.yml:9:9", "services web cap_add 7": "docker-compose.yml:16:5",
		"services web": "docker-compose.yml:14:3", "services db none": "docker-compose.yml:10:3", "networks": "docker-compose.yml",
	} {
		if got := p.Place(strings.Fields(keys)...).String(); got != want {
			t.Errorf("%s is at %s, want %s", keys, got, want)
		}
	}
}

// Without a directory relative paths stay as they are written, and a project gets its name from its file.
func TestReadWithoutADirectory(t *testing.T) {
	p, err := composefile.Read(t.Context(), "x.yml", []byte("name: a\nservices: {app: {image: x, volumes: ['./conf:/etc/app:ro']}}"), composefile.Environment{})
	if err != nil || p.Name != "a" || p.Facts("app").Mounts.Value[0].Source != "./conf" {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestReadRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"another file is included": "include: [/etc/hostname]\nservices: {app: {image: x}}",
		"another file is extended": "services: {app: {extends: {file: /etc/hostname, service: app}}}",
		"nothing":                  "", "a list": "[1]", "no YAML": "\t",
		"too much":                      "x-a: &a [x, x, x, x, x, x, x, x, x]\nx-b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nx-c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nx-d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\nx-e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\nx-f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e]\nx-g: [*f, *f, *f, *f, *f, *f, *f, *f, *f]\nservices: {a: {image: x}}",
		"too much in a second document": "services: {a: {image: x}}\n---\nx-a: &a {b: *a}\nservices: {a: {image: x, labels: *a}}",
	} {
		if p, err := composefile.Read(t.Context(), "x.yml", []byte(text), composefile.Environment{}); err == nil {
			t.Errorf("%s: read as %v", name, p.Services())
		}
	}
}

// A file that was loaded from the disk is read once: what is judged is what was read.
func TestLoadReadsOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "compose.yml")
	if err := os.WriteFile(path, []byte("services: {app: {image: second}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := composefile.Load(t.Context(), composefile.Source{Files: []string{path}, Read: func(string, int64) ([]byte, error) {
		return []byte("services: {app: {image: first}}"), nil
	}})
	if err != nil || p.Facts("app").Image.Value.Reference != "first" {
		t.Errorf("%v, %v", p, err)
	}
}

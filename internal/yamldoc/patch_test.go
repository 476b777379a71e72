package yamldoc

import (
	"errors"
	"strings"
	"testing"
)

const patched = `# the shop
name: shop
services:
  app:
    image: app:1 # pinned elsewhere
    limits: {cpus: "1", memory: 64M}

    writable:
      # uploads stay
      - {path: /data, volume: data}
    networks: [front]
  db: {image: "db:1"}
`

// One key changes, and nothing else does.
func TestPatch(t *testing.T) {
	for name, c := range map[string]struct {
		edit     Edit
		old, new string
	}{
		"scalar in braces":   {Edit{Path: "services.app.limits.memory", Value: "128M"}, "memory: 64M", "memory: 128M"},
		"scalar with quotes": {Edit{Path: "services.app.limits.cpus", Value: `"2"`}, `cpus: "1"`, `cpus: "2"`},
		"scalar and comment": {Edit{Path: "services.app.image", Value: "app:2"}, "image: app:1 #", "image: app:2 #"},
		"entry of a list":    {Edit{Path: "services.app.writable", Item: "{path: /tmp, tmpfs: 16M}"}, "      - {path: /data", "      - {path: /tmp, tmpfs: 16M}\n      - {path: /data"},
		"entry in brackets":  {Edit{Path: "services.app.networks", Item: "back"}, "[front]", "[back, front]"},
		"new key":            {Edit{Path: "services.app.init", Value: "true"}, "    image: app:1", "    init: true\n    image: app:1"},
		"new list":           {Edit{Path: "services.app.depends_on", Item: "db"}, "    image: app:1", "    depends_on: [db]\n    image: app:1"},
		"new key in braces":  {Edit{Path: "services.db.init", Value: "true"}, `{image: "db:1"}`, `{init: true, image: "db:1"}`},
		"new keys":           {Edit{Path: "services.db.limits.memory", Value: "1G"}, `{image: "db:1"}`, `{limits: {memory: 1G}, image: "db:1"}`},
	} {
		got, err := Patch([]byte(patched), c.edit)
		if want := strings.Replace(patched, c.old, c.new, 1); err != nil || string(got) != want {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
	}
}

func TestPatchRefuses(t *testing.T) {
	for name, e := range map[string]Edit{
		"a list as a scalar": {Path: "services.app.networks", Value: "x"},
		"a scalar as a list": {Path: "services.app.image", Item: "x"},
		"no such entry":      {Path: "services.app.writable[7].tmpfs", Value: "1M"},
	} {
		if _, err := Patch([]byte(patched), e); !errors.Is(err, ErrUnpatchable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever the file is, a patch neither crashes nor loses a line.
func FuzzPatch(f *testing.F) {
	f.Add(patched, "services.app.limits.memory", "1G", "")
	f.Add(patched, "services.app.writable", "", "{path: /x}")
	f.Add("services: {app: {}}", "services.app.init", "true", "")
	f.Fuzz(func(t *testing.T, data, path, value, item string) {
		got, err := Patch([]byte(data), Edit{path, value, item})
		if err == nil && strings.Count(string(got), "\n") < strings.Count(data, "\n") {
			t.Errorf("lines are lost: %q", got)
		}
	})
}

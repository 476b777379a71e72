package sizing

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/size"
)

const profileText = `# the shop
apiVersion: hsectl/v1
kind: Profile
name: shop
services:
  web:
    preset: node # as the image is
    image: node:24-slim
    user: "1000:1000"
    limits: {cpus: "1.0", memory: 512M, pids: 200} # a lot
    writable:
      - {path: /data, volume: data}
      - path: /scratch # own
        tmpfs: 64M
        mode: "0700"
    health: {http: {port: 3000, path: /}}
  db: {image: "db:1", user: "999:999", limits: {cpus: "1.0", memory: 512M, pids: 200}, reservations: {memory: 400M}, health: {tcp: 5432, command: [x]}}
`

// A proposal becomes a change of the one key that it is about; all other bytes stay.
func TestPatch(t *testing.T) {
	text := strings.Replace(profileText, "health: {tcp: 5432, command: [x]}", "health: {command: [/db, health]}", 1)
	overlay := "services:\n  web:\n    limits: {memory: 512M}\n"
	change := func(key, proposed string, lowers bool) size.Change {
		return size.Change{Key: key, Proposed: proposed, Verdict: size.Changes, Lowers: lowers}
	}
	for name, c := range map[string]struct {
		service string
		changes []size.Change
		replace []string // in the profile
		byHand  string
		overlay bool
	}{
		"limits":                        {"web", []size.Change{change("limits.memory", "256M", true), change("limits.cpus", "0.5", true), change("limits.pids", "80", true)}, []string{`{cpus: "1.0", memory: 512M, pids: 200} #`, `{cpus: "0.5", memory: 256M, pids: 80} #`}, "", false},
		"what fits":                     {"web", []size.Change{{Key: "limits.memory", Verdict: size.Fits}, {Key: "limits.cpus", Verdict: size.Unknown}}, nil, "", false},
		"a tmpfs of its own":            {"web", []size.Change{change("tmpfs /scratch", "32M", true)}, []string{"tmpfs: 64M", "tmpfs: 32M"}, "", false},
		"a tmpfs of the preset":         {"web", []size.Change{change("tmpfs /tmp", "128M", false)}, []string{"      - {path: /data", "      - {path: /tmp, tmpfs: 128M, mode: \"1777\", why: \"temporary files of the program and its libraries\"}\n      - {path: /data"}, "", false},
		"a limit below the reservation": {"db", []size.Change{change("limits.memory", "300M", true), change("reservations.memory", "200M", true)}, []string{"memory: 512M, pids: 200}, reservations: {memory: 400M}", "memory: 300M, pids: 200}, reservations: {memory: 200M}"}, "", false},
		"a reservation above the limit": {"db", []size.Change{change("reservations.memory", "600M", false)}, nil, "services.db.reservations.memory", false},
		"a value of an overlay":         {"web", []size.Change{change("limits.memory", "256M", true), change("limits.pids", "80", true)}, []string{"pids: 200} #", "pids: 80} #"}, "services.web.limits.memory", true},
		"a tmpfs that is not there":     {"web", []size.Change{change("tmpfs /none", "1M", true)}, nil, "services.web.writable", false},
		"a setting that no profile has": {"web", []size.Change{change("limits.nonsense", "1M", true)}, nil, "services.web.limits.nonsense", false},
		"a service that is not there":   {"none", []size.Change{change("limits.memory", "1G", false)}, nil, "services.none.limits.memory", false},
		"a value that is no amount":     {"web", []size.Change{change("limits.memory", "much", false)}, nil, "services.web.limits.memory", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			from := app.Selection{Files: []string{filepath.Join(dir, "hsectl.yaml")}}
			files := map[string]string{"hsectl.yaml": text}
			if c.overlay {
				files["site.yaml"] = overlay
				from.Files = append(from.Files, filepath.Join(dir, "site.yaml"))
			}
			for file, data := range files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(data), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			l, err := app.LoadPinned(from)
			if err != nil {
				t.Fatal(err)
			}
			p := newPatch(from, l, []size.Proposal{{Service: c.service, Settings: c.changes}})
			want := text
			if c.replace != nil {
				want = strings.Replace(text, c.replace[0], c.replace[1], 1)
			}
			if string(p.data) != want {
				t.Errorf("the profile is now\n%s", p.data)
			}
			var byHand []string
			for _, h := range p.byHand {
				byHand = append(byHand, h.Path)
			}
			if strings.Join(byHand, " ") != c.byHand {
				t.Errorf("by hand: %v, want %q", byHand, c.byHand)
			}
		})
	}
}

// What follows a limit is shown word by word.
func TestMoves(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hsectl.yaml")
	text := "apiVersion: hsectl/v1\nkind: Profile\nname: shop\nservices:\n  cache: {preset: redis, limits: {memory: 512M}}\n  db: {preset: postgres, limits: {memory: 1G}}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	from := app.Selection{Files: []string{path}}
	l, err := app.LoadPinned(from)
	if err != nil {
		t.Fatal(err)
	}
	half := func(service, memory string) size.Proposal {
		return size.Proposal{Service: service, Settings: []size.Change{{Key: "limits.memory", Proposed: memory, Verdict: size.Changes, Lowers: true}}}
	}
	p := newPatch(from, l, []size.Proposal{half("cache", "256M"), half("db", "512M")})
	var got []string
	for _, service := range []string{"cache", "db"} {
		for _, m := range p.moves[service] {
			got = append(got, m.Now+" → "+m.Proposed)
		}
	}
	all := strings.Join(got, "\n")
	for _, want := range []string{"--maxmemory 307mb → --maxmemory 153mb", "shared_buffers=256MB → shared_buffers=128MB", "shm_size 256m → shm_size 128m"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is missing:\n%s", want, all)
		}
	}
}

// A stack with many services gets a coarser step, so that each answer stays within its bound.
func TestGrid(t *testing.T) {
	for _, c := range []struct {
		window   time.Duration
		services int
		step     time.Duration
	}{{size.DefaultWindow, 3, 5 * time.Minute}, {size.DefaultWindow, 12, 15 * time.Minute}, {size.DefaultWindow, 40, time.Hour}, {size.DefaultWindow, 1000, time.Hour}, {time.Hour, 40, 5 * time.Minute}, {longestWindow, 1, 5 * time.Minute}} {
		step, together := grid(c.window, c.services)
		if step != c.step && c.window != longestWindow || together < 1 || together*int(c.window/step+1)*sampleBytes > 1<<20 {
			t.Errorf("%s, %d services: a step of %s, %d together", c.window, c.services, step, together)
		}
		if points := int(c.window / step); points > mostPoints {
			t.Errorf("%s: %d points", c.window, points)
		}
	}
}

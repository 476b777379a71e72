package importer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/profiles"
)

// What running containers show answers the questions of an import; what they leave open is still asked.
func TestSeenAnswersQuestions(t *testing.T) {
	for _, c := range []struct {
		name, service string
		seen          *Observation
		want, not     []string
	}{
		{
			"no inspection", `image: example.org/app:1`, nil,
			[]string{"which user does the image run as?", "where else does the service write?", "cpus and memory? This is a guess", "Write health:"}, nil,
		},
		{
			"everything is seen", `image: example.org/app:1`,
			&Observation{Users: []string{"1001:1001"}, Written: []string{"/app/data", "/tmp", "/var/cache/app"}, Memory: 100 << 20, Listening: []int{80}, Test: []string{"CMD-SHELL", "curl -f ${HOST}"}},
			[]string{`user: "1001:1001"`, "path: /var/cache/app, tmpfs: 64M", "path: /app/data, volume: app-app-data", "memory: 512M", "shell: curl -f $${HOST}", "hold 100M at most"},
			[]string{"which user", "where else", "memory? This", "HSE-HLT-001", "path: /tmp, tmpfs: 64M, why"},
		},
		{
			"root alone", `image: example.org/app:1`, &Observation{Users: []string{"0:0"}},
			[]string{`user: "0:0"`, "HSE-USR-001", "which user can the service run as?"}, []string{"where else"},
		},
		{
			"root starts others", `image: example.org/app:1`, &Observation{Users: []string{"0:0", "101:101"}},
			[]string{`user: "101:101"`, "0:0 and 101:101"}, []string{"HSE-USR-001"},
		},
		{
			"the file says the user", "image: example.org/app:1\n    user: \"7:7\"", &Observation{Users: []string{"8:8"}},
			[]string{`user: "7:7"`}, []string{"8:8"},
		},
		{
			"where programs and settings are", `image: example.org/app:1`, &Observation{Written: []string{"/", "/etc/app", "/usr/lib/x", "/var"}},
			[]string{"write in /,", "write in /etc/app,", "write in /usr/lib/x,", "write in /var,"}, []string{"path: /etc", "path: /usr", "path: /var,", "path: /,"},
		},
		{
			"a mount lies below", "image: example.org/app:1\n    volumes: [\"state:/app/data\"]", &Observation{Written: []string{"/app"}},
			[]string{"write in /app,"}, []string{"path: /app,"},
		},
		{
			"a test that is off", `image: example.org/app:1`, &Observation{Test: []string{"NONE"}, Listening: []int{80, 443}},
			[]string{"HSE-HLT-001", "It listens on 80, 443. Write health:"}, nil,
		},
		{
			"the image is known", `image: redis:8`, &Observation{Users: []string{"0:0"}, Written: []string{"/data2"}, Memory: 1 << 30, Test: []string{"CMD", "x"}},
			[]string{"preset: redis"}, []string{"/data2", "2G", `user: "0:0"`, "command: [x]"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "compose.yml")
			text := "name: shop\nservices:\n  app:\n    " + c.service + "\nvolumes: {state: {}}\n"
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			p, err := composefile.Load(t.Context(), composefile.Source{Files: []string{path}, Read: fromDisk, AsWritten: true})
			if err != nil {
				t.Fatal(err)
			}
			target := Target{Dir: filepath.Dir(path), Source: "compose.yml", Today: today, Library: profiles.Library{}, Strict: true}
			if c.seen != nil {
				target.Observed = map[string]Observation{"app": *c.seen}
			}
			d, err := Profile(p, target)
			if err != nil {
				t.Fatal(err)
			}
			for _, problem := range d.Problems {
				t.Errorf("%v", problem)
			}
			said := string(d.Text) + strings.Join(d.Questions, "\n")
			for _, want := range c.want {
				if !strings.Contains(said, want) {
					t.Errorf("%q is missing", want)
				}
			}
			for _, not := range c.not {
				if strings.Contains(said, not) {
					t.Errorf("%q is there", not)
				}
			}
			if t.Failed() {
				t.Log(said)
			}
		})
	}
}

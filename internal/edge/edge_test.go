package edge

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/profile"
)

var update = flag.Bool("update", false, "write the golden files")

func sites() map[string]profile.Edge {
	base := func(sites map[string]profile.Site) profile.Edge {
		return profile.Edge{Sites: sites, Address: "0.0.0.0", HTTP: 80, HTTPS: 443}
	}
	public := base(map[string]profile.Site{
		"shop.example.com": {Service: "web", Port: 8080, TLS: profile.TLSACME,
			Routes:  []profile.Route{{Path: "/api/*", Service: "api", Port: 3000}, {Path: "/health", Service: "web", Port: 9000}},
			Headers: map[string]profile.Text{"Content-Security-Policy": "default-src 'self'", "Via": ""}},
	})
	public.Email, public.CA = "ops@example.com", "https://acme.example.com/directory"
	private := base(map[string]profile.Site{
		"*.internal.example.com": {Service: "web", Port: 8080, TLS: profile.TLSFiles, Certificate: "tls_chain", Key: "tls_key"},
		"localhost":              {Service: "web", Port: 8080, TLS: profile.TLSInternal},
		"plain.example.com":      {Service: "web", Port: 8080, TLS: profile.TLSOff},
	})
	private.HTTP, private.HTTPS = 8080, 8443
	return map[string]profile.Edge{"public": public, "private": private}
}

// The golden files were read by people and by `caddy adapt`.
func TestCaddyfile(t *testing.T) {
	for name, edge := range sites() {
		t.Run(name, func(t *testing.T) {
			for _, f := range Files(Config{Edge: edge, Dir: "/etc/hsectl", Grace: 30 * time.Second}) {
				if f.Path != caddyfile {
					continue
				}
				golden := filepath.Join("testdata", name+".caddyfile")
				if *update {
					if err := os.WriteFile(golden, f.Data, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if string(f.Data) != string(want) {
					t.Errorf("%s differs from what is written now; look at it and run with -update:\n%s", golden, f.Data)
				}
			}
		})
	}
}

// state plays the changes of a volume one by one, and says after each who answers.
func answers(t *testing.T, files map[string]string, switches []Switch) []string {
	t.Helper()
	var out []string
	for _, s := range switches {
		if s.Closed {
			delete(files, s.Path)
		} else {
			files[s.Path] = string(s.Data)
		}
		if _, open := files["slots/web/next.on"]; open {
			out = append(out, files["slots/web/next"])
		} else {
			out = append(out, files["slots/web/now"])
		}
	}
	return out
}

// At no moment of a swap is there nobody to answer, and no container answers that was not meant to yet.
func TestSwap(t *testing.T) {
	files := map[string]string{}
	for _, f := range initial("web") {
		files[f.Path] = string(f.Data)
	}
	for _, step := range []struct {
		name     string
		switches []Switch
		may      string // who may answer while it happens
		end      string // who answers then
	}{
		{"pin", Pin("web", "old"), "web old", "old"},
		{"move", Move("web", "new"), "old new", "new"},
		{"rest", Rest("web"), "new web", "web"},
		{"pin again", Pin("web", "new"), "web new", "new"},
		{"move after a kill", Move("web", "newer"), "new newer", "newer"},
		{"pin after a kill", Pin("web", "newer"), "newer", "newer"},
		{"rest at last", Rest("web"), "newer web", "web"},
	} {
		got := answers(t, files, step.switches)
		for _, who := range got {
			if !strings.Contains(" "+step.may+" ", " "+who+" ") {
				t.Errorf("%s: %q answered meanwhile, not one of %s", step.name, who, step.may)
			}
		}
		if got[len(got)-1] != step.end {
			t.Errorf("%s: ends with %q, not %q", step.name, got[len(got)-1], step.end)
		}
	}
}

// The page asks for nothing from anywhere.
func TestPage(t *testing.T) {
	for _, word := range []string{"http://", "https://", "<script", "src=", "@import", "url("} {
		if strings.Contains(page, word) {
			t.Errorf("the maintenance page contains %q", word)
		}
	}
}

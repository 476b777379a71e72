package edge

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
				if f.Path != MainFile {
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

// volume is what Caddy sees of the slots of a service.
type volume map[string]string

func (v volume) apply(s Switch) {
	if s.Closed {
		delete(v, s.Path)
	} else {
		v[s.Path] = string(s.Data)
	}
}

// counts is the bank that answers now, or nothing at rest.
func (v volume) counts() string {
	for _, bank := range []string{nextBank, nowBank} {
		if _, open := v[switchOf("web", bank)]; open {
			return bank
		}
	}
	return ""
}

// answering are the containers that a request may meet; at rest those that DNS knows.
func (v volume) answering(slots int) []string {
	bank := v.counts()
	if bank == "" {
		return []string{"rest"}
	}
	var out []string
	for i := range slots {
		if name := v[slot("web", bank, i+1)]; !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// A service of any number of containers is rolled, one after the other: at no moment is no container named, and no container answers that was
// not meant to yet or no longer, and no bank is written while it counts. Whatever is cut off is where it starts from again.
func TestSwap(t *testing.T) {
	for containers := 1; containers <= 13; containers++ {
		slots := Slots(containers)
		var steps [][]string // which containers answer; unspecified at rest
		var now []string
		for i := range containers {
			now = append(now, fmt.Sprintf("old-%d", i+1))
		}
		steps = append(steps, now)
		for i := range containers {
			now = slices.Clone(now)
			now[i] = fmt.Sprintf("new-%d", i+1)
			steps = append(steps, now)
		}
		steps = append(steps, nil)
		for cut := -1; cut < 2*slots+3; cut++ { // the change before each step was cut off after so many switches; -1 is whole
			v, before := volume{}, []string{"rest"}
			for i, step := range steps {
				switches, after := Rest("web"), []string{"rest"}
				if step != nil {
					switches, after = Point("web", slots, step...), slices.Sorted(slices.Values(step))
				}
				if cut >= 0 {
					for _, s := range switches[:min(cut, len(switches))] {
						v.apply(s)
					}
					before = slices.Concat(before, after)
				}
				for _, s := range switches {
					bank := v.counts()
					if cut < 0 && bank != "" && !strings.HasSuffix(s.Path, ".on") && strings.Contains(s.Path, "/"+bank+"-") {
						t.Errorf("%d containers, step %d: %s is written while it counts", containers, i, s.Path)
					}
					v.apply(s)
					for _, who := range v.answering(slots) {
						if !slices.Contains(before, who) && !slices.Contains(after, who) {
							t.Errorf("%d containers, step %d, cut after %d: %q answers", containers, i, cut, who)
						}
					}
				}
				if got := v.answering(slots); !slices.Equal(got, after) {
					t.Errorf("%d containers, step %d, cut after %d: %q answer, not %q", containers, i, cut, got, after)
				}
				before = after
			}
		}
	}
}

// Between one and six containers the configuration is the same, so that another number asks nothing of the edge; and the
// containers of one number share the slots evenly as far as that goes.
func TestShares(t *testing.T) {
	edge := sites()["public"]
	text := func(n int) string {
		return string(Files(Config{Edge: edge, Dir: "/etc/hsectl", Grace: 30 * time.Second, Many: map[string]int{"web": n}})[0].Data)
	}
	for n := 1; n <= 40; n++ {
		var names []string
		for i := range n {
			names = append(names, fmt.Sprint(i))
		}
		shares := map[string]int{}
		for _, s := range bankOf("web", nowBank, Slots(n), names) {
			shares[string(s.Data)]++
		}
		least, most := Slots(n), 0
		for _, share := range shares {
			least, most = min(least, share), max(most, share)
		}
		if len(shares) != n || least < 1 || most-least > 1 {
			t.Errorf("%d containers have %v", n, shares)
		}
		if same := text(n) == text(1); same != (n <= bank) {
			t.Errorf("%d containers: the same configuration as for one: %v", n, same)
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

// Only Prometheus reads the metrics of a service, and it does not come through the edge.
func TestMetricsAreNotShown(t *testing.T) {
	e := profile.Edge{HTTP: 80, HTTPS: 443, Sites: map[string]profile.Site{"shop.example": {Service: "app", Port: 8080, TLS: profile.TLSInternal,
		Routes: []profile.Route{{Path: "/api/*", Service: "api", Port: 9000}}}}}
	text := func(metrics map[string]profile.Metrics) string {
		for _, f := range Files(Config{Edge: e, Dir: "/etc/hsectl", Metrics: metrics}) {
			if f.Path == "Caddyfile" {
				return string(f.Data)
			}
		}
		t.Fatal("there is no Caddyfile")
		return ""
	}
	const shut = "handle /metrics {\n\t\t\trespond 404\n\t\t}\n\t\thandle /metrics/* {\n\t\t\trespond 404\n\t\t}\n\t\thandle /api/* {"
	if got := text(map[string]profile.Metrics{"app": {Port: 8080, Path: "/metrics"}}); !strings.Contains(got, shut) {
		t.Errorf("the metrics of app are open:\n%s", got)
	}
	if got := text(map[string]profile.Metrics{"api": {Port: 9000, Path: "/api/metrics"}}); !strings.Contains(got, "handle /api/metrics {") {
		t.Errorf("the metrics of api are open:\n%s", got)
	}
	for name, m := range map[string]map[string]profile.Metrics{
		"none": nil, "of a port that the site does not lead to": {"app": {Port: 9100, Path: "/metrics"}}, "behind a path of another service": {"app": {Port: 8080, Path: "/api/metrics"}},
	} {
		if got := text(m); strings.Contains(got, "respond 404") {
			t.Errorf("%s: something is shut:\n%s", name, got)
		}
	}
}

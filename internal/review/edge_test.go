package review_test

import (
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/review"
)

// What the edge shows to the world is reviewed as the ports of a service are.
func TestSites(t *testing.T) {
	base := strings.Replace(shop, "networks:\n  backend: {}\n", `edge:
  sites:
    shop.example: {service: app, port: 8080, headers: {Content-Security-Policy: default-src 'self'}}
networks:
  backend: {}
`, 1)
	const site = "shop.example: {service: app, port: 8080"
	for name, c := range map[string]struct {
		edits []edit
		want  []string
	}{
		"nothing": {nil, nil},
		"another site": {[]edit{{"    shop.example:", "    admin.example: {service: worker, port: 9000}\n    shop.example:"}},
			[]string{"weaker low site: → https://admin.example", "weaker medium HSE-NET-004 edge network: → edge-worker", "weaker medium HSE-NET-004 worker network: → edge-worker"}},
		"another route": {[]edit{{site, site + ", routes: [{path: /jobs, service: worker, port: 9000}]"}},
			[]string{"neutral low routes of shop.example: /*→app:8080 → /jobs→worker:9000 /*→app:8080 (check that each path leads to the right service: worker is exposed now)",
				"weaker medium HSE-NET-004 edge network: → edge-worker", "weaker medium HSE-NET-004 worker network: → edge-worker"}},
		"no TLS":                   {[]edit{{site, site + ", tls: off"}}, []string{"weaker high certificate of shop.example: acme → off"}},
		"a certificate of our own": {[]edit{{site, site + ", tls: internal"}}, []string{"weaker medium certificate of shop.example: acme → internal"}},
		"a header taken out":       {[]edit{{"default-src 'self'", `""`}}, []string{"weaker medium header Content-Security-Policy: default-src 'self' →"}},
		"a header changed":         {[]edit{{"default-src 'self'", "default-src *"}}, []string{"neutral low header Content-Security-Policy"}},
		"a header not set":         {[]edit{{", headers: {Content-Security-Policy: default-src 'self'}", ""}}, []string{"weaker medium header Content-Security-Policy"}},
	} {
		t.Run(name, func(t *testing.T) {
			lines := printed(review.Compare(side(t, base), side(t, base, c.edits...), today))
			for _, want := range c.want {
				found := false
				for _, line := range lines {
					found = found || strings.HasPrefix(line, want)
				}
				if !found {
					t.Errorf("nothing says %q", want)
				}
			}
			if len(c.want) == 0 && len(lines) > 0 || t.Failed() {
				t.Errorf("got:\n%s", strings.Join(lines, "\n"))
			}
		})
	}
}

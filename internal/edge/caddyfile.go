// Package edge writes the configuration of the proxy that stands between the world and the services: a Caddyfile, the page
// that people see while nothing answers, and the slots by which a deploy moves traffic without a restart.
//
// It is pure. What it writes is text of Caddy's own format, so every value that comes from a profile must have been
// validated there: a host name, a port, a path or a header that cannot end its place.
package edge

import (
	_ "embed" // for the page
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/profile"
)

// page is what people see while a service does not answer. It asks for nothing else, and asks again by itself.
//
//go:embed page.html
var page string

// File is one file of the edge's configuration, by its path below Dir.
type File struct {
	Path string
	Data []byte
}

// Config is what the files are made of.
type Config struct {
	Edge  profile.Edge
	Dir   string         // where the files are in the container
	Grace time.Duration  // until the engine kills the edge
	Many  map[string]int // containers of a service; one where nothing is said

	Metrics map[string]profile.Metrics // of the services; only Prometheus reads them
}

const (
	// MainFile is what Caddy starts from.
	MainFile = "Caddyfile"

	pageFile = "maintenance.html"
)

// idle is how long a connection to a service stays open that nothing uses. Services close theirs after some seconds; a request that is
// sent at that moment would be lost.
const idle = time.Second

// Program returns the command that runs Caddy with the files.
func Program(dir string) []string {
	return []string{"caddy", "run", "--config", path.Join(dir, MainFile), "--adapter", "caddyfile"}
}

// Files returns the configuration, sorted by path.
func Files(c Config) []File {
	return []File{{MainFile, []byte(text(c))}, {pageFile, []byte(page)}}
}

// writer indents as `caddy fmt` does.
type writer struct {
	strings.Builder
	depth int
}

func (w *writer) line(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if strings.HasPrefix(line, "}") {
		w.depth--
	}
	if line != "" {
		w.WriteString(strings.Repeat("\t", w.depth) + line)
	}
	w.WriteByte('\n')
	if strings.HasSuffix(line, "{") {
		w.depth++
	}
}

func text(c Config) string {
	w := &writer{}
	w.line("# Written by hsectl from the section edge: of the profile.")
	options(w, c)
	shared(w)
	for _, service := range c.Edge.Upstreams() {
		slotSnippet(w, c.Dir, service, Slots(c.Many[service]))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Edge.Sites)) {
		site(w, c, name, c.Edge.Sites[name])
	}
	w.line("")
	w.line("# Another name, or none: no answer at all.")
	w.line("http:// {")
	w.line("abort")
	w.line("}")
	w.line("")
	w.line("# For the health test; only within the container. deploy writes what it prints: which version this is.")
	w.line("http://127.0.0.1:2019 {")
	w.line("bind 127.0.0.1")
	w.line("import %s*", VersionFile) // with a star it need not be there
	w.line("respond /config/ 200")
	w.line("}")
	return w.String()
}

// options are Caddy's global ones. Its API for changes is off: what runs is what was reviewed.
func options(w *writer, c Config) {
	w.line("{")
	w.line("admin off")
	w.line("persist_config off")
	w.line("skip_install_trust")
	w.line("http_port %d", c.Edge.HTTP)
	w.line("https_port %d", c.Edge.HTTPS)
	w.line("auto_https disable_redirects") // written below: Caddy's own come after the answer to other names when it manages no certificate
	if c.Edge.Email != "" {
		w.line("email %s", c.Edge.Email)
	}
	if c.Edge.CA != "" {
		w.line("acme_ca %s", c.Edge.CA)
	}
	// Caddy waits for requests that it has begun without an end of its own; the engine's grace must not cut them.
	w.line("grace_period %s", max(c.Grace-5*time.Second, c.Grace/2))
	w.line("log {")
	w.line("output stderr")
	w.line("format json")
	w.line("}")
	w.line("servers {")
	w.line("protocols h1 h2 h3")
	w.line("max_header_size 64KiB")
	w.line("timeouts {")
	w.line("read_header 10s") // a client that sends its header a byte at a time holds a connection no longer
	w.line("idle 2m")
	w.line("}")
	w.line("}")
	w.line("}")
}

// shared are snippets that every site imports.
func shared(w *writer) {
	w.line("")
	w.line("# A service that is being replaced is asked again until it answers; only requests that it never got are sent twice.")
	w.line("(upstream) {")
	w.line("lb_policy round_robin")
	w.line("lb_try_duration 5s")
	w.line("lb_try_interval 50ms")
	w.line("stream_close_delay 1h") // WebSockets outlive the configuration under which they began
	w.line("transport http {")
	w.line("dial_timeout 2s")
	w.line("keepalive %s", idle) // so that what is open to a container that leaves is in use
	w.line("}")
	w.line("}")
	w.line("")
	w.line("# Headers that a service did not set itself.")
	w.line("(headers) {")
	for _, header := range [][2]string{
		{"X-Content-Type-Options", "nosniff"},
		{"X-Frame-Options", "SAMEORIGIN"},
		{"Referrer-Policy", "strict-origin-when-cross-origin"},
		{"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
		{"Cross-Origin-Opener-Policy", "same-origin"},
	} {
		w.line("header ?%s \"%s\"", header[0], header[1])
	}
	for _, header := range []string{"Server", "Via", "X-Powered-By"} {
		w.line("header -%s", header)
	}
	w.line("}")
}

func site(w *writer, c Config, name string, s profile.Site) {
	w.line("")
	address := name
	if s.TLS == profile.TLSOff {
		address = "http://" + name
	}
	w.line("%s {", address)
	switch s.TLS {
	case profile.TLSFiles:
		w.line("tls /run/secrets/%s /run/secrets/%s", s.Certificate, s.Key)
	case profile.TLSInternal:
		w.line("tls internal")
	}
	w.line("log")
	w.line("encode zstd gzip")
	if s.TLS != profile.TLSOff {
		w.line("header ?Strict-Transport-Security \"max-age=31536000\"")
	}
	w.line("import headers")
	for _, header := range slices.Sorted(maps.Keys(s.Headers)) {
		if s.Headers[header] == "" {
			w.line("header -%s", header)
		} else {
			w.line("header >%s \"%s\"", header, s.Headers[header]) // > waits for the service's answer, and wins
		}
	}
	w.line("")
	w.line("@maintenance file {")
	w.line("root %s", path.Join(c.Dir, SlotDir))
	w.line("try_files /%s", maintenanceSlot)
	w.line("}")
	w.line("route {")
	w.line("error @maintenance 503")
	for _, p := range private(c, s) {
		w.line("handle %s {", p)
		w.line("respond 404")
		w.line("}")
	}
	for _, r := range s.Routes {
		w.line("handle %s {", r.Path)
		w.line("import %s %s", snippet(r.Service), strconv.Itoa(r.Port))
		w.line("}")
	}
	w.line("handle {")
	w.line("import %s %s", snippet(s.Service), strconv.Itoa(s.Port))
	w.line("}")
	w.line("}")
	w.line("")
	w.line("handle_errors 502 503 504 {")
	w.line("import headers")
	w.line("header Retry-After 10")
	w.line("header Cache-Control no-store")
	w.line("root %s", c.Dir)
	w.line("rewrite /%s", pageFile)
	w.line("file_server {")
	w.line("status 503")
	w.line("}")
	w.line("}")
	w.line("}")
	if s.TLS != profile.TLSOff {
		redirect(w, c, name)
	}
}

// private are the paths of a site behind which a service shows its metrics.
func private(c Config, s profile.Site) []string {
	var out []string
	for _, service := range slices.Sorted(maps.Keys(c.Metrics)) {
		m := c.Metrics[service]
		leads := profile.Route{Service: s.Service, Port: s.Port}
		for _, r := range s.Routes {
			if prefix, any := strings.CutSuffix(r.Path, "*"); r.Path == m.Path || any && strings.HasPrefix(m.Path, prefix) {
				leads = r
				break
			}
		}
		if leads.Service == service && leads.Port == m.Port {
			out = append(out, m.Path, m.Path+"/*")
		}
	}
	return out
}

// redirect sends plain HTTP to the same place over TLS. A certificate authority's challenge is answered before it.
func redirect(w *writer, c Config, name string) {
	port := ""
	if c.Edge.HTTPS != 443 {
		port = fmt.Sprintf(":%d", c.Edge.HTTPS)
	}
	w.line("")
	w.line("http://%s {", name)
	w.line("import headers")
	w.line("redir https://{host}%s{uri} 308", port)
	w.line("}")
}

package app

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/record"
)

func TestLikely(t *testing.T) {
	for _, c := range []struct {
		name string
		err  deploy.UnhealthyError
		want string
	}{
		{"memory", deploy.UnhealthyError{OOM: true, ExitCode: 137, Logs: []string{"EROFS"}}, "killed it for memory"},
		{"read-only", deploy.UnhealthyError{ExitCode: 1, Logs: []string{"Error: EROFS: read-only file system, open '/app/x'"}}, "it writes to /app/x, which is not declared"},
		{"read-only in words", deploy.UnhealthyError{Logs: []string{"mkdir: cannot create directory: Read-only file system"}}, "add it to services.app.writable"},
		{"permission", deploy.UnhealthyError{ExitCode: 1, Logs: []string{"EACCES: permission denied, mkdir '/data/x'"}}, "its user may not use /data/x"},
		{"architecture", deploy.UnhealthyError{ExitCode: 1, Logs: []string{"exec /app: exec format error"}}, "another processor"},
		{"not found", deploy.UnhealthyError{ExitCode: 127}, "is not in the image"},
		{"health tool not found", deploy.UnhealthyError{Health: `exec: "curl": executable file not found in $PATH`}, "not in the image: curl"},
		{"not executable", deploy.UnhealthyError{ExitCode: 126}, "noexec"},
		{"capability", deploy.UnhealthyError{ExitCode: 1, Logs: []string{"chown: Operation not permitted"}}, "CHOWN"},
		{"name", deploy.UnhealthyError{Logs: []string{"getaddrinfo ENOTFOUND postgres"}}, "put both services on one network"},
		{"refused", deploy.UnhealthyError{Logs: []string{"connect ECONNREFUSED 10.0.0.2:5432"}}, "does not answer"},
		{"health only", deploy.UnhealthyError{Health: "HTTP 404"}, "its health test fails"},
		{"nothing known", deploy.UnhealthyError{ExitCode: 1, Logs: []string{"boom"}}, ""},
		{"a harmless line", deploy.UnhealthyError{ExitCode: 1, Logs: []string{
			"10-listen-on-ipv6-by-default.sh: info: can not modify /etc/nginx/conf.d/default.conf (read-only file system?)", "boom"}}, ""},
	} {
		c.err.Service = "app"
		if got := Likely(&c.err); !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: %q, want …%s…", c.name, got, c.want)
		}
	}
}

// What is kept of a failed deploy has no value of a secret, and a bound whatever was printed.
func TestWhatIsKeptOfAFailure(t *testing.T) {
	var out strings.Builder
	p := NewProgress(Streams{Out: &out, Err: &out}, "")
	p.Hide(t.Context(), kept{"made": "kept-by-engine"}, "shop", map[string]deploy.Secret{"a": deploy.NewSecret([]byte("hunter2-and-the-rest"))})
	e := &deploy.UnhealthyError{Service: "app", State: "exited with code 1", ExitCode: 1, Health: strings.Repeat("GET /?t=hunter2-and-the-rest\n", 2000)}
	for i := range 2000 {
		e.Logs = append(e.Logs, fmt.Sprintf("%d kept-by-engine %s", i, strings.Repeat("x", 300)))
	}
	e.Logs[700] = "OSError: [Errno 30] Read-only file system: '/srv/kept-by-engine'"
	f := p.Failure(fmt.Errorf("applying: %w", e), record.Release{Stack: "shop"})
	data, err := json.Marshal(f)
	if err != nil || f == nil {
		t.Fatal(f, err)
	}
	if text := string(data); strings.Contains(text, "hunter2") || strings.Contains(text, "kept-by-engine") || !strings.Contains(text, "Read-only file system: '/srv/[secret]'") || len(text) > 128<<10 {
		t.Errorf("%d bytes: %.200s", len(text), text)
	}
	if f := p.Failure(fmt.Errorf("no service"), record.Release{}); f != nil {
		t.Errorf("%+v", f)
	}
}

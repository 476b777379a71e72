package ask

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/hsectl/hsectl/internal/verify"
)

// server answers each connection with fixed bytes, after it was spoken to when asked is set.
func server(t *testing.T, asked bool, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if asked {
				_, _ = c.Read(make([]byte, 512))
			}
			_, _ = c.Write([]byte(answer))
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

func TestAsk(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sick" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = w.Write([]byte("ready"))
	}))
	defer web.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	closed := server(t, false, "")
	rpc := grpc.NewServer()
	state := health.NewServer()
	state.SetServingStatus("db", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	grpc_health_v1.RegisterHealthServer(rpc, state)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = rpc.Serve(l) }()
	defer rpc.Stop()

	for name, c := range map[string]struct {
		check verify.Check
		want  bool
		text  string
	}{
		"http":            {verify.Check{URL: web.URL, Body: "ready"}, true, "status 200"},
		"http, sick":      {verify.Check{URL: web.URL + "/sick"}, false, "status 500"},
		"too slow":        {verify.Check{URL: web.URL, Latency: 1}, false, "took longer"},
		"unknown signer":  {verify.Check{URL: secure.URL}, false, "certificate"},
		"known to be own": {verify.Check{URL: "tls://" + strings.TrimPrefix(secure.URL, "https://"), Insecure: true, Days: 14}, true, "valid for"},
		"tcp":             {verify.Check{URL: "tcp://" + closed}, true, "accepts"},
		"tcp, closed":     {verify.Check{URL: "tcp://127.0.0.1:1"}, false, "refused"},
		"postgres":        {verify.Check{URL: "postgres://" + server(t, true, "R\x00\x00\x00\x08")}, true, "accepts"},
		"mysql":           {verify.Check{URL: "mysql://" + server(t, false, "\x10\x00\x00\x00\x0a9.1\x00")}, true, "version 9.1"},
		"redis":           {verify.Check{URL: "redis://" + server(t, true, "+PONG\r\n")}, true, "PONG"},
		"dns":             {verify.Check{URL: "dns://localhost"}, true, ""},
		"grpc":            {verify.Check{URL: "grpc://" + l.Addr().String()}, true, "serving"},
		"grpc, sick":      {verify.Check{URL: "grpc://" + l.Addr().String() + "/db"}, false, "not_serving"},
		"no such kind":    {verify.Check{URL: "gopher://x"}, false, "unknown scheme"},
	} {
		c.check.Timeout = 10 * time.Second
		got := Check(t.Context(), c.check)
		if got.OK != c.want || !strings.Contains(got.Text, c.text) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A server that never answers does not keep the probe.
func TestAskGivesUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := Check(ctx, verify.Check{URL: (&url.URL{Scheme: "redis", Host: l.Addr().String()}).String()}); got.OK {
		t.Errorf("%+v", got)
	}
}

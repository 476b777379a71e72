package enginetest

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"
)

// Proxy is a socket in front of a real engine, for what engines do on bad days.
type Proxy struct {
	// Before is asked about each request. Where it returns false the connection is cut, and nothing reaches the engine.
	Before func(*http.Request) bool
	// Change may replace what the engine has answered.
	Change func(*http.Response) error

	path   string
	server *http.Server
}

// Start lets the proxy serve, in front of the engine at a socket, until the test ends or Close is called.
func (p *Proxy) Start(t testing.TB, socket string) {
	t.Helper()
	var listener net.Listener
	p.path, listener = listen(t)
	onward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	onward.FlushInterval, onward.ErrorLog, onward.ModifyResponse = -1, log.New(io.Discard, "", 0), p.Change
	onward.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	onward.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	p.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.Before != nil && !p.Before(r) {
			panic(http.ErrAbortHandler)
		}
		onward.ServeHTTP(w, r)
	})}
	go func() { _ = p.server.Serve(listener) }() // ends with Close
	t.Cleanup(p.Close)
}

// Close cuts all connections and takes no other.
func (p *Proxy) Close() { _ = p.server.Close() }

// Host is the address of the proxy, as DOCKER_HOST has it.
func (p *Proxy) Host() string { return "unix://" + p.path }

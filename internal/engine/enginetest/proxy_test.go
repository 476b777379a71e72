package enginetest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/enginetest"
)

// A proxy passes on what it is not told to change or to cut.
func TestProxy(t *testing.T) {
	t.Parallel()
	p := &enginetest.Proxy{
		Before: func(r *http.Request) bool { return !strings.HasSuffix(r.URL.Path, "/containers/json") },
		Change: func(r *http.Response) error {
			if strings.HasSuffix(r.Request.URL.Path, "/info") {
				text := `{"SystemTime":"2001-02-03T04:05:06Z"}`
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
				r.Header.Del("Content-Length")
			}
			return nil
		},
	}
	p.Start(t, strings.TrimPrefix(enginetest.New(t, nil).Host(), "unix://"))
	e, err := engine.Connect(t.Context(), engine.Endpoint{Host: p.Host()})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if now, err := e.Now(t.Context()); err != nil || now.Year() != 2001 {
		t.Errorf("%v, %v", now, err)
	}
	if _, err := e.Stack(t.Context(), "shop"); err == nil {
		t.Error("what was cut has answered")
	}
	p.Close()
	if _, err := e.Now(t.Context()); err == nil {
		t.Error("an engine that is gone has answered")
	}
}

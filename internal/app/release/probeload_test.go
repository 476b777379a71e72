package release

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hsectl/hsectl/internal/ask"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/stack"
)

// What is asked follows from the edge, and what cannot be asked is refused before anything changes.
func TestProbeLoadAims(t *testing.T) {
	edge := &stack.Edge{Sites: []stack.Site{{Name: "shop.test", URL: "https://shop.test:8443", Address: "127.0.0.1:8443", TLS: "internal"}}}
	for name, c := range map[string]struct {
		load  ProbeLoad
		edge  *stack.Edge
		local bool
		want  ask.Visit
		err   string
	}{
		"off":                  {load: ProbeLoad{}},
		"the first site":       {ProbeLoad{Rate: 5}, edge, true, ask.Visit{URL: "https://127.0.0.1:8443/", Host: "shop.test", Insecure: true, PerSecond: 5}, ""},
		"an address":           {ProbeLoad{Rate: 5, URL: "http://10.0.0.1/"}, nil, false, ask.Visit{URL: "http://10.0.0.1/", PerSecond: 5}, ""},
		"no edge":              {ProbeLoad{Rate: 5}, nil, true, ask.Visit{}, "no edge"},
		"an engine far away":   {ProbeLoad{Rate: 5}, edge, false, ask.Visit{}, "another machine"},
		"a rate below nothing": {ProbeLoad{Rate: -1}, edge, true, ask.Visit{}, "below 0"},
		"a budget of all":      {ProbeLoad{Rate: 5, Budget: 100}, edge, true, ask.Visit{}, "percentage"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.load.aim(stack.Stack{Edge: c.edge}, c.local)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) || c.load.visit != c.want {
				t.Errorf("got %+v, %v", c.load.visit, err)
			}
		})
	}
}

// A deploy is judged by what visitors saw: an answer of any kind below 500 is one.
func TestProbeLoadJudges(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		budget float64
		want   string
	}{
		"well":            {http.StatusOK, 0, ""},
		"not found":       {http.StatusNotFound, 0, ""},
		"broken":          {http.StatusBadGateway, 0, "(100.00 %; the budget is 0 %): 502 Bad Gateway"},
		"below the limit": {http.StatusBadGateway, 99, "100.00 %"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			come := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				if asked.Add(1) == 3 {
					close(come)
				}
			}))
			defer server.Close()
			load := ProbeLoad{Rate: 100, Budget: c.budget, visit: ask.Visit{URL: server.URL, PerSecond: 100}}
			judge := load.start(t.Context(), func(deploy.Event) {})
			<-come
			err := judge()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("after %d requests: %v", asked.Load(), err)
			}
		})
	}
}

//go:build engine

package docker

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/enginetest"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/probe"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
)

// through starts a proxy in front of an engine, and connects through it.
func through(t *testing.T, direct *Engine, p *enginetest.Proxy) *Engine {
	t.Helper()
	socket, ok := direct.Socket()
	if !ok {
		t.Fatal("the engine is not reached by a socket")
	}
	p.Start(t, socket)
	e, err := Connect(t.Context(), engine.Endpoint{Host: p.Host()}, func() ([]byte, error) {
		built, err := programs()
		return built["probe"], err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() }) // some are cut before
	return e
}

func to(r *http.Request, method, end string) bool {
	return r.Method == method && strings.HasSuffix(r.URL.Path, end)
}

// What goes wrong during an inspection is unknown or failed, never proven, and no probe is left behind.
func TestVerifyOnABadDay(t *testing.T) {
	direct := testEngine(t)
	s := testStack(t, direct, web, "serve")
	mustDeploy(t, direct, s)
	original := only(t, direct, s, "web")
	renew := func(t *testing.T) {
		t.Helper()
		recreate(t, direct, original, func(*container.Config, *container.HostConfig) {})
		awaitHealthTest(t, direct, s)
	}

	t.Run("the container disappears mid-check", func(t *testing.T) {
		var once sync.Once
		e := through(t, direct, &enginetest.Proxy{Before: func(r *http.Request) bool {
			if to(r, http.MethodPost, "/containers/create") { // the probe is made after the container was inspected
				once.Do(func() { remove(t, direct, s) })
			}
			return true
		}})
		notProven(t, e, s)
		noLeftovers(t, direct, s)
	})

	t.Run("it disappears during an inspection from the host", func(t *testing.T) {
		renew(t)
		e := through(t, direct, &enginetest.Proxy{})
		e.LookLocally(func() verify.Look {
			look := probe.Local()
			return func(ctx context.Context, pid int, id string, r verify.Request) (*verify.Dump, error) {
				remove(t, direct, s)
				return look(ctx, pid, id, r)
			}
		})
		notProven(t, e, s)
		noLeftovers(t, direct, s)
	})

	t.Run("a crash loop", func(t *testing.T) {
		recreate(t, direct, original, func(c *container.Config, h *container.HostConfig) {
			c.Cmd, h.RestartPolicy = []string{"crash"}, container.RestartPolicy{Name: container.RestartPolicyAlways}
		})
		notProven(t, direct, s)
		noLeftovers(t, direct, s)
	})

	t.Run("a paused container", func(t *testing.T) {
		renew(t)
		id := only(t, direct, s, "web").ID
		if _, err := direct.API.ContainerPause(t.Context(), id, client.ContainerPauseOptions{}); err != nil {
			t.Fatal(err)
		}
		notProven(t, direct, s)
		noLeftovers(t, direct, s)
		if _, err := direct.API.ContainerUnpause(t.Context(), id, client.ContainerUnpauseOptions{}); err != nil {
			t.Fatal(err)
		}
	})

	t.Run("an engine that never says how the probe ended", func(t *testing.T) {
		renew(t)
		ctx, cancel := context.WithCancel(t.Context())
		e := through(t, direct, &enginetest.Proxy{Before: func(r *http.Request) bool {
			if to(r, http.MethodPost, "/wait") {
				// Waiting ends at last: by the deadline of a pipeline, or an interrupt.
				time.AfterFunc(time.Second, cancel)
				<-r.Context().Done()
				return false
			}
			return true
		}})
		if evidence, err := verify.Verify(ctx, s, e, verify.Options{}); err == nil && finding.Proven(evidence.Findings) {
			t.Error("proven by an engine that does not answer")
		}
		noLeftovers(t, direct, s)
	})

	t.Run("an engine that dies while a probe runs", func(t *testing.T) {
		renew(t)
		p := &enginetest.Proxy{}
		p.Before = func(r *http.Request) bool {
			if to(r, http.MethodPost, "/start") { // it is started, and the answer is lost
				parts := strings.Split(r.URL.Path, "/")
				if _, err := direct.API.ContainerStart(t.Context(), parts[len(parts)-2], client.ContainerStartOptions{}); err != nil {
					t.Error(err)
				}
				go p.Close()
				return false
			}
			return true
		}
		if evidence, err := verify.Verify(t.Context(), s, through(t, direct, p), verify.Options{}); err == nil && finding.Proven(evidence.Findings) {
			t.Error("proven by an engine that died")
		}
		// The probe could not be removed. The next inspection removes it, and is not disturbed by it.
		awaitProbesEnd(t, direct, s)
		for _, f := range judge(t, direct, s) {
			if !f.Proven() && f.Control != "HSE-HLT-002" && f.Control != "HSE-HLT-003" {
				t.Errorf("afterwards: %s is %s: %s", f.Control, f.Status, f.Detail)
			}
		}
		noLeftovers(t, direct, s)
	})
}

// notProven wants every control that only the processes can answer to be unknown or failed.
func notProven(t *testing.T, e *Engine, s stack.Stack) {
	t.Helper()
	evidence, err := verify.Verify(t.Context(), s, e, verify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if finding.Proven(evidence.Findings) {
		t.Error("the stack is proven")
	}
	for _, f := range evidence.Findings {
		switch f.Control {
		case "HSE-USR-001", "HSE-CAP-001", "HSE-PRV-002", "HSE-KRN-001", "HSE-FS-010", "HSE-SEC-002":
			if f.Status != finding.Unknown && f.Status != finding.Fail && f.Status != finding.Drift {
				t.Errorf("%s is %s: %s", f.Control, f.Status, f.Detail)
			}
		}
	}
}

func remove(t *testing.T, e *Engine, s stack.Stack) {
	t.Helper()
	if _, err := e.API.ContainerRemove(t.Context(), s.Name+"-web-1", client.ContainerRemoveOptions{Force: true}); err != nil {
		t.Error(err)
	}
}

// awaitProbesEnd waits until the probes of a stack have ended by themselves.
func awaitProbesEnd(t *testing.T, e *Engine, s stack.Stack) {
	t.Helper()
	ticker := time.NewTicker(engine.PollInterval)
	defer ticker.Stop()
	for {
		list, err := e.API.ContainerList(t.Context(), client.ContainerListOptions{Filters: make(client.Filters).Add("label", engine.LabelRole+"=probe", engine.LabelStack+"="+s.Name)})
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Items) == 0 { // only those that run are listed
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal("a probe never ended")
		case <-ticker.C:
		}
	}
}

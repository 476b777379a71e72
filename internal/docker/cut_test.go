//go:build engine

package docker

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/engine"
)

// wire is a socket through which a deploy reaches the engine, and which can be cut.
type wire struct {
	path     string
	listener net.Listener

	mu    sync.Mutex // guards open
	open  []net.Conn
	ended bool
}

// engineSocket is the socket of the engine that all tests use.
func engineSocket() string {
	if path := strings.TrimPrefix(os.Getenv("DOCKER_HOST"), "unix://"); path != "" {
		return path
	}
	return "/var/run/docker.sock"
}

func newWire(t *testing.T) *wire {
	t.Helper()
	return newWireAt(t, filepath.Join(t.TempDir(), "engine.sock"))
}

// newWireAt makes a wire at a path, also in the place of one that was cut.
func newWireAt(t *testing.T, path string) *wire {
	t.Helper()
	engine := engineSocket()
	w := &wire{path: path}
	var err error
	if w.listener, err = net.Listen("unix", w.path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.cut)
	go func() {
		for {
			near, err := w.listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("unix", engine)
			if err != nil {
				near.Close()
				continue
			}
			w.join(near, far)
		}
	}()
	return w
}

func (w *wire) join(near, far net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = append(w.open, near, far)
	if w.ended {
		near.Close()
		far.Close()
		return
	}
	go func() { _, _ = io.Copy(far, near) }() // ends when either side closes
	go func() { _, _ = io.Copy(near, far); near.Close() }()
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.listener.Close()
	for _, c := range w.open {
		c.Close()
	}
}

// When the connection is cut the deploy ends with an error that says what to do, and the next one ends what it began.
func TestConnectionCut(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	old, next := f.profile("old", "serve", "serve"), f.profile("next", "serve", "serve")
	f.must("old", "deploy", "-f", old)
	for _, at := range []string{"deliver secrets web", "converge " + f.name, "verify"} {
		t.Run(at, func(t *testing.T) {
			f := *f
			f.t = t
			w := newWire(t)
			cmd := f.command("next", "deploy", "--format", "json", "--host", "unix://"+w.path, "-f", next)
			var messages strings.Builder
			cmd.Stderr = &messages
			code := f.watch(cmd, func(e event) {
				if e.Kind == "step" && e.Text == at {
					w.cut()
				}
			})
			if code != 1 || !strings.Contains(messages.String(), "hsectl deploy --abort") {
				t.Errorf("exit %d, want 1 and a way out:\n%s", code, messages.String())
			}
			f.must("next", "deploy", "--abort", "-f", next)
			f.is("old", old)
		})
	}
}

// An image that is nowhere to be had changes nothing.
func TestImageMissing(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	old := f.profile("old", "serve", "serve")
	f.must("old", "deploy", "-f", old)
	before := only(t, f.e, deployedStack(f), "web").ID
	f.image = "127.0.0.1:1/nothing/here:1"
	code, out := f.run("next", "deploy", "-f", f.profile("next", "serve", "serve"))
	if code != 1 || !strings.Contains(out, "pulling image 127.0.0.1:1/nothing/here:1") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if only(t, f.e, deployedStack(f), "web").ID != before {
		t.Error("a container was replaced")
	}
	f.is("old", old)
}

// What belongs to others is not touched: a container of the same image, and one whose name looks like ours.
func TestOthersAreLeftAlone(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	other := *f
	other.name = f.name + "x"
	t.Cleanup(func() {
		if err := f.e.Down(t.Context(), other.name, true); err != nil {
			t.Log(err)
		}
	})
	theirs := other.profile("theirs", "serve", "serve")
	other.must("theirs", "deploy", "-f", theirs)
	before := fmt.Sprint(only(t, f.e, deployedStack(&other), "web").ID, only(t, f.e, deployedStack(&other), "api").ID)
	old := f.profile("old", "serve", "serve")
	f.must("old", "deploy", "-f", old)
	if code, _ := f.run("next", "deploy", "-f", f.profile("next", "crash", "serve")); code != 1 {
		t.Errorf("exit %d, want 1", code)
	}
	f.is("old", old)
	if after := fmt.Sprint(only(t, f.e, deployedStack(&other), "web").ID, only(t, f.e, deployedStack(&other), "api").ID); after != before {
		t.Error("a container of another stack was touched")
	}
	other.is("theirs", theirs)
	if err := f.e.Down(t.Context(), other.name, true); err != nil {
		t.Error(err)
	}
	list, err := f.e.API.VolumeList(t.Context(), client.VolumeListOptions{Filters: make(client.Filters).Add("label", engine.LabelStack+"="+f.name)})
	if err != nil || len(list.Items) == 0 {
		t.Errorf("removing one stack removed the records of another: %v, %v", list.Items, err)
	}
}

//go:build engine

package docker

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/engine"
)

// step asks a program for something, and wants an answer.
type step func(worker)

// all does one step after the other.
func all(steps ...step) step {
	return func(w worker) {
		w.Helper()
		for _, s := range steps {
			s(w)
		}
	}
}

// inside runs a line in the shell of the image, and wants something of its output.
func inside(want, line string) step {
	return func(w worker) {
		w.Helper()
		made, err := w.engine.API.ExecCreate(w.Context(), only(w.T, w.engine, w.stack, w.service).ID,
			client.ExecCreateOptions{Cmd: []string{"sh", "-c", line}, AttachStdout: true, AttachStderr: true})
		if err != nil {
			w.Fatal(err)
		}
		attached, err := w.engine.API.ExecAttach(w.Context(), made.ID, client.ExecAttachOptions{})
		if err != nil {
			w.Fatal(err)
		}
		defer attached.Close()
		var out bytes.Buffer
		if _, err := stdcopy.StdCopy(&out, &out, attached.Reader); err != nil {
			w.Fatal(err)
		}
		ended, err := w.engine.API.ExecInspect(w.Context(), made.ID, client.ExecInspectOptions{})
		if err != nil {
			w.Fatal(err)
		}
		if ended.ExitCode != 0 || !strings.Contains(out.String(), want) {
			w.Errorf("%s: exit code %d, want %q of:\n%s", line, ended.ExitCode, want, out.String())
		}
	}
}

// address is where the engine's machine reaches a port of the service.
func (w worker) address(port string) string {
	w.Helper()
	for _, n := range only(w.T, w.engine, w.stack, w.service).NetworkSettings.Networks {
		return net.JoinHostPort(n.IPAddress.String(), port)
	}
	w.Fatalf("%s is on no network", w.service)
	return ""
}

// page gets a path over HTTP, and wants something of it.
func page(want, port, path string) step { return request(want, http.MethodGet, port, path, "") }

// request asks over HTTP. A port may have a user before it, whose name is the password, too: guest@15672.
func request(want, method, port, path, body string) step {
	return func(w worker) {
		w.Helper()
		if got := w.ask(method, port, path, body); !strings.Contains(got, want) {
			w.Errorf("%s %s: want %q of:\n%s", method, path, want, got)
		}
	}
}

// eventually gets a path until what is wanted is there: for programs that take something in at intervals of their own.
func eventually(want, port, path string) step {
	return func(w worker) {
		w.Helper()
		over := time.NewTimer(deployTimeout)
		defer over.Stop()
		ticker := time.NewTicker(engine.PollInterval)
		defer ticker.Stop()
		for {
			got := w.ask(http.MethodGet, port, path, "")
			if strings.Contains(got, want) {
				return
			}
			select {
			case <-over.C:
				w.Fatalf("GET %s: want %q of:\n%s", path, want, got)
			case <-ticker.C:
			}
		}
	}
}

func (w worker) ask(method, port, path, body string) string {
	w.Helper()
	user, address, found := strings.Cut(port, "@")
	if !found {
		address = port
	}
	r, err := http.NewRequestWithContext(w.Context(), method, "http://"+w.address(address)+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	if found {
		r.SetBasicAuth(user, user)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.Fatal(err)
	}
	return fmt.Sprintf("%s\n%s", answer.Status, text)
}

// talk sends a text over TCP, as the protocols of the Internet's first days do, and reads until what is wanted has come.
func talk(want, port, text string) step {
	return func(w worker) {
		w.Helper()
		c, err := (&net.Dialer{}).DialContext(w.Context(), "tcp", w.address(port))
		if err != nil {
			w.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(deployTimeout)); err != nil {
			w.Fatal(err)
		}
		if _, err := io.WriteString(c, text); err != nil {
			w.Fatal(err)
		}
		var got []byte
		part := make([]byte, 4096)
		for !bytes.Contains(got, []byte(want)) {
			n, err := c.Read(part)
			got = append(got, part[:n]...)
			if err != nil {
				w.Fatalf("%q: %v, want %q of:\n%s", text, err, want, got)
			}
		}
	}
}

// fastCGI asks PHP to run a script.
func fastCGI(want, port, script, query string) step {
	record := func(kind byte, content []byte) []byte {
		head := []byte{1, kind, 0, 1, 0, 0, 0, 0}
		binary.BigEndian.PutUint16(head[4:], uint16(len(content)))
		return append(head, content...)
	}
	var parameters []byte
	for _, p := range [][2]string{{"REQUEST_METHOD", "GET"}, {"SCRIPT_FILENAME", script}, {"QUERY_STRING", query}} {
		parameters = append(append(parameters, byte(len(p[0])), byte(len(p[1]))), p[0]+p[1]...)
	}
	begin := record(1, []byte{0, 1, 0, 0, 0, 0, 0, 0})
	return talk(want, port, string(bytes.Join([][]byte{begin, record(4, parameters), record(4, nil), record(5, nil)}, nil)))
}

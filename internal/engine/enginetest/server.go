// Package enginetest is an engine's API within a test, for faults that a real engine does not produce on demand: answers that
// are empty, null or cut off, and answers that never come. What an engine really does is shown by the tests that use one.
package enginetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// APIVersion is what a server speaks unless its answers say otherwise.
const APIVersion = "1.52"

// Answers are what a server answers, by method and path without the version: "GET /containers/{id}/json". The patterns are
// those of http.ServeMux.
type Answers map[string]http.HandlerFunc

// Server is the API of an engine on a socket.
type Server struct {
	path string

	mu    sync.Mutex // guards asked
	asked []string
}

var version = regexp.MustCompile(`^/v[0-9.]+/`)

// New starts a server for the length of a test. It answers as an engine that has nothing; answers come before that. What
// neither of them knows is not found.
func New(t testing.TB, answers Answers) *Server {
	t.Helper()
	s := &Server{}
	var listener net.Listener
	s.path, listener = listen(t)
	all := defaults()
	maps.Copy(all, answers)
	mux := http.NewServeMux()
	for pattern, answer := range all {
		mux.HandleFunc(pattern, answer)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = version.ReplaceAllString(r.URL.Path, "/")
		r.URL.RawPath = ""
		s.mu.Lock()
		s.asked = append(s.asked, r.Method+" "+r.URL.Path)
		s.mu.Unlock()
		w.Header().Set("Api-Version", APIVersion)
		w.Header().Set("Ostype", "linux")
		w.Header().Set("Content-Type", "application/json")
		mux.ServeHTTP(w, r)
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // ends when it is closed
	}()
	t.Cleanup(func() {
		_ = server.Close() // ends what is still waiting for an answer, too
		<-served
	})
	return s
}

// listen makes a socket for the length of a test. Its path must be short, and that of t.TempDir has the name of the test.
func listen(t testing.TB) (path string, l net.Listener) {
	t.Helper()
	dir, err := os.MkdirTemp("", "engine-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	path = filepath.Join(dir, "engine.sock")
	if l, err = net.Listen("unix", path); err != nil {
		t.Fatal(err)
	}
	return path, l
}

// Host is the address of the server, as DOCKER_HOST has it.
func (s *Server) Host() string { return "unix://" + s.path }

// Asked returns what was asked so far, as method and path without the version.
func (s *Server) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// defaults are the answers of an engine that has nothing.
func defaults() Answers {
	return Answers{
		"GET /_ping":           Text("OK"),
		"GET /version":         JSON(map[string]any{"Version": "29.0.0", "ApiVersion": APIVersion, "MinAPIVersion": "1.44", "Os": "linux", "Arch": "amd64"}),
		"GET /info":            JSON(map[string]any{"Name": "fake", "SystemTime": "2026-11-30T12:00:00Z", "OSType": "linux"}),
		"GET /containers/json": JSON([]any{}),
		"GET /images/json":     JSON([]any{}),
		"GET /networks":        JSON([]any{}),
		"GET /volumes":         JSON(map[string]any{"Volumes": []any{}}),
	}
}

// Old answers as Docker 18.09 did, whose API is older than what hsectl speaks.
func Old() Answers {
	as := func(answer http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Api-Version", "1.39")
			answer(w, r)
		}
	}
	return Answers{"GET /_ping": as(Text("OK")), "GET /version": as(JSON(map[string]any{"Version": "18.09.9", "ApiVersion": "1.39", "MinAPIVersion": "1.12", "Os": "linux", "Arch": "amd64"}))}
}

// Text answers with a text.
func Text(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

// Nothing answers, and says nothing.
func Nothing() http.HandlerFunc { return func(http.ResponseWriter, *http.Request) {} }

// JSON answers with a value.
func JSON(value any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(value) }
}

// Status answers with a status and a message, as an engine does that refuses.
func Status(code int, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
	}
}

// Half sends the beginning of an answer, and cuts the connection where more is expected.
func Half(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(2*len(text)+1))
		_, _ = w.Write([]byte(text))
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		panic(http.ErrAbortHandler)
	}
}

// Silent takes the question and never answers.
func Silent() http.HandlerFunc { return Stalled("") }

// Stalled sends the beginning of an answer, and then nothing for as long as the client waits.
func Stalled(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if text != "" {
			_, _ = w.Write([]byte(text))
			if f, ok := w.(http.Flusher); ok {
				f.Flush()
			}
		}
		<-r.Context().Done()
	}
}

// Containers answers as an engine that has these containers of a stack: each is what an inspection of it returns, with an Id
// and a Name.
func Containers(stack string, inspections ...map[string]any) Answers {
	var list []map[string]any
	byID := map[string]map[string]any{}
	for _, c := range inspections {
		id, _ := c["Id"].(string)
		name, _ := c["Name"].(string)
		byID[id] = c
		list = append(list, map[string]any{"Id": id, "Names": []string{name}, "Labels": map[string]string{"com.docker.compose.project": stack}})
	}
	return Answers{
		"GET /containers/json": JSON(list),
		"GET /containers/{id}/json": func(w http.ResponseWriter, r *http.Request) {
			c, ok := byID[r.PathValue("id")]
			if !ok {
				Status(http.StatusNotFound, "No such container: "+r.PathValue("id"))(w, r)
				return
			}
			JSON(c)(w, r)
		},
	}
}

// Container is what an inspection of a running container returns. Changes replace its keys; a nil takes one away.
func Container(id, name, service string, changes map[string]any) map[string]any {
	c := map[string]any{
		"Id": id, "Name": "/" + strings.TrimPrefix(name, "/"), "Created": "2026-11-30T11:00:00Z", "Image": "sha256:0",
		"State":           map[string]any{"Status": "running", "Running": true, "Pid": 1, "StartedAt": "2026-11-30T11:00:01Z"},
		"Config":          map[string]any{"Image": "app:1", "User": "10001:10001", "Labels": map[string]string{"com.docker.compose.service": service}},
		"HostConfig":      map[string]any{"NetworkMode": "none"},
		"NetworkSettings": map[string]any{"Networks": map[string]any{}},
	}
	for key, value := range changes {
		if value == nil {
			delete(c, key)
		} else {
			c[key] = value
		}
	}
	return c
}

package expectation

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/drift"
	"github.com/hsectl/hsectl/internal/engine"
)

// maxRequest bounds one request of Compose.
const maxRequest = 8 << 20

// recorder is an engine that has nothing, and writes down what it is asked to create.
type recorder struct {
	engine  *engine.Connection
	managed map[string]bool // "networks NAME" and "volumes NAME" that the stack makes

	mu         sync.Mutex // guards what follows
	made       drift.Requests
	containers map[string]string // service by made-up id
	inspected  map[string][]byte // answers about images, networks and volumes of others
	refused    error
}

func newRecorder(e *engine.Connection, p *types.Project) *recorder {
	managed := map[string]bool{}
	for _, n := range p.Networks {
		managed["networks "+n.Name] = !bool(n.External)
	}
	for _, v := range p.Volumes {
		managed["volumes "+v.Name] = !bool(v.External)
	}
	return &recorder{engine: e, managed: managed, containers: map[string]string{}, inspected: map[string][]byte{},
		made: drift.Requests{Containers: map[string]drift.Request{}, Networks: map[string]json.RawMessage{}, Volumes: map[string]json.RawMessage{}, Made: map[string]string{}}}
}

func (r *recorder) requests() drift.Requests {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made.Made = r.containers
	return r.made
}

func (r *recorder) refusal() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}

var apiVersion = regexp.MustCompile(`^/v[0-9.]+/`)

// RoundTrip implements http.RoundTripper.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	path := apiVersion.ReplaceAllString(req.URL.Path, "/")
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	status, answer, err := r.answer(req, parts)
	if err != nil {
		return nil, err
	}
	if status == http.StatusNotImplemented {
		r.mu.Lock()
		if r.refused == nil {
			r.refused = &RefusedError{req.Method, path}
		}
		r.mu.Unlock()
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}, "Api-Version": {r.engine.API.ClientVersion()}, "Ostype": {r.engine.OS}},
		Body:   io.NopCloser(bytes.NewReader(answer)), ContentLength: int64(len(answer))}, nil
}

// answer is what an engine without anything says.
func (r *recorder) answer(req *http.Request, parts []string) (int, []byte, error) {
	what := parts[0]
	last := parts[len(parts)-1]
	switch {
	case what == "_ping":
		return http.StatusOK, []byte("OK"), nil
	case req.Method == http.MethodPost && last == "create" && len(parts) == 2 && slices.Contains([]string{"containers", "networks", "volumes"}, what):
		return r.create(req, what)
	case req.Method == http.MethodPost && what == "networks" && last == "connect":
		return r.connect(req, parts[1])
	case req.Method != http.MethodGet:
		return http.StatusNotImplemented, refusal(), nil
	case len(parts) == 2 && r.managed[what+" "+parts[1]]:
		return missing(parts[1])
	case what == "containers" && last == "json" && len(parts) == 2:
		return http.StatusOK, []byte("[]"), nil
	case what == "containers" && last == "json":
		return r.container(parts[1])
	case what == "networks" && len(parts) == 1:
		return r.networks(req)
	case what == "volumes" && len(parts) == 1:
		return http.StatusOK, []byte(`{"Volumes":[]}`), nil
	case what == "images" && last == "json" && len(parts) > 2:
		return r.others(req, func(ctx context.Context) ([]byte, error) {
			return r.image(ctx, strings.Join(parts[1:len(parts)-1], "/"), req.URL.Query())
		})
	case what == "networks" && len(parts) == 2:
		return r.others(req, func(ctx context.Context) ([]byte, error) { return r.network(ctx, parts[1]) })
	case what == "volumes" && len(parts) == 2:
		return r.others(req, func(ctx context.Context) ([]byte, error) { return r.volume(ctx, parts[1]) })
	case what == "info" && len(parts) == 1:
		return r.others(req, r.info)
	}
	return http.StatusNotImplemented, refusal(), nil
}

func refusal() []byte { return []byte(`{"message":"this engine only writes down"}`) }

func missing(what string) (int, []byte, error) {
	text, err := json.Marshal(map[string]string{"message": "no such " + what})
	return http.StatusNotFound, text, err
}

// create writes down what is to be made.
func (r *recorder) create(req *http.Request, what string) (int, []byte, error) {
	data, err := body(req)
	if err != nil {
		return 0, nil, err
	}
	var named struct {
		Name   string
		Labels map[string]string
	}
	if err := json.Unmarshal(data, &named); err != nil {
		return 0, nil, fmt.Errorf("reading a request: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch what {
	case "containers":
		service := named.Labels[engine.ComposeService]
		if _, twice := r.made.Containers[service]; twice || service == "" {
			return http.StatusNotImplemented, refusal(), nil
		}
		id := fmt.Sprintf("%064x", len(r.containers)+1)
		r.containers[id] = service
		r.made.Containers[service] = drift.Request{Name: req.URL.Query().Get("name"), Platform: req.URL.Query().Get("platform"), Create: data, Connect: map[string]json.RawMessage{}}
		return http.StatusCreated, []byte(`{"Id":"` + id + `","Warnings":[]}`), nil
	case "networks":
		r.made.Networks[named.Name] = data
		return http.StatusCreated, fmt.Appendf(nil, `{"Id":"%064x","Warning":""}`, 1<<32+len(r.made.Networks)), nil
	case "volumes":
		r.made.Volumes[named.Name] = data
		return http.StatusCreated, data, nil
	}
	return http.StatusNotImplemented, refusal(), nil
}

// connect writes down a network that a container joins after it was made, as older engines want it.
func (r *recorder) connect(req *http.Request, network string) (int, []byte, error) {
	data, err := body(req)
	if err != nil {
		return 0, nil, err
	}
	var to struct {
		Container      string
		EndpointConfig json.RawMessage
	}
	if err := json.Unmarshal(data, &to); err != nil {
		return 0, nil, fmt.Errorf("reading a request: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	service, ok := r.containers[to.Container]
	if !ok {
		return missing("container")
	}
	r.made.Containers[service].Connect[network] = to.EndpointConfig
	return http.StatusOK, nil, nil
}

// container answers what was asked for.
func (r *recorder) container(id string) (int, []byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	service, ok := r.containers[id]
	if !ok {
		return missing("container")
	}
	made := r.made.Containers[service]
	var asked struct {
		Labels     map[string]string
		HostConfig json.RawMessage
	}
	if err := json.Unmarshal(made.Create, &asked); err != nil {
		return 0, nil, fmt.Errorf("reading a request: %w", err)
	}
	out, err := json.Marshal(map[string]any{"Id": id, "Name": "/" + made.Name, "State": map[string]any{"Status": "created"}, "HostConfig": asked.HostConfig,
		"Config": map[string]any{"Labels": asked.Labels}, "NetworkSettings": map[string]any{"Networks": map[string]any{}}, "Mounts": []any{}})
	return http.StatusOK, out, err
}

// networks are those of others that are asked for by name.
func (r *recorder) networks(req *http.Request) (int, []byte, error) {
	var filters map[string]map[string]bool
	if text := req.URL.Query().Get("filters"); text != "" {
		if err := json.Unmarshal([]byte(text), &filters); err != nil {
			return 0, nil, fmt.Errorf("reading a request: %w", err)
		}
	}
	if len(filters["name"]) == 0 {
		return http.StatusOK, []byte("[]"), nil
	}
	return r.others(req, func(ctx context.Context) ([]byte, error) {
		f := make(client.Filters)
		for name := range filters["name"] {
			f.Add("name", name)
		}
		list, err := r.engine.API.NetworkList(ctx, client.NetworkListOptions{Filters: f})
		if err != nil {
			return nil, err
		}
		return json.Marshal(list.Items)
	})
}

// others asks the engine once for what the stack does not make.
func (r *recorder) others(req *http.Request, ask func(context.Context) ([]byte, error)) (int, []byte, error) {
	key := req.URL.String()
	r.mu.Lock()
	known, ok := r.inspected[key]
	r.mu.Unlock()
	if ok {
		return http.StatusOK, known, nil
	}
	data, err := ask(req.Context())
	if errdefs.IsNotFound(err) {
		return missing(req.URL.Path)
	}
	if err != nil {
		return 0, nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inspected[key] = data
	return http.StatusOK, data, nil
}

func (r *recorder) image(ctx context.Context, reference string, query url.Values) ([]byte, error) {
	var raw bytes.Buffer
	options := []client.ImageInspectOption{client.ImageInspectWithRawResponse(&raw)}
	if query.Get("manifests") != "" {
		options = append(options, client.ImageInspectWithManifests(true))
	}
	_, err := r.engine.API.ImageInspect(ctx, reference, options...)
	return raw.Bytes(), err
}

// network answers what an external network is. One that the stack makes does not exist here.
func (r *recorder) network(ctx context.Context, name string) ([]byte, error) {
	found, err := r.engine.API.NetworkInspect(ctx, name, client.NetworkInspectOptions{})
	return found.Raw, err
}

func (r *recorder) volume(ctx context.Context, name string) ([]byte, error) {
	found, err := r.engine.API.VolumeInspect(ctx, name, client.VolumeInspectOptions{})
	return found.Raw, err
}

func (r *recorder) info(ctx context.Context) ([]byte, error) {
	answer, err := r.engine.API.Info(ctx, client.InfoOptions{})
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer.Info)
}

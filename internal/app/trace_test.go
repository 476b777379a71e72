package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/stack"
)

// receiver is a collector that keeps what it gets.
func receiver(t *testing.T) (url string, got func() (spans []*otlp.Span, raw string)) {
	t.Helper()
	var bodies [][]byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/v1/traces" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		bodies = append(bodies, body)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	return server.URL, func() (spans []*otlp.Span, raw string) {
		server.Close()
		for _, body := range bodies {
			var request collector.ExportTraceServiceRequest
			if err := proto.Unmarshal(body, &request); err != nil {
				t.Fatal(err)
			}
			for _, r := range request.ResourceSpans {
				for _, s := range r.ScopeSpans {
					spans = append(spans, s.Spans...)
				}
			}
			raw += string(body)
		}
		return spans, raw
	}
}

// A deploy is one span with one within for each step; what failed is said, and no value of a secret goes out.
func TestSpans(t *testing.T) {
	url, got := receiver(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
	var out bytes.Buffer
	p := NewProgress(Streams{Out: io.Discard, Err: &out}, "text")
	p.Hide(t.Context(), kept{}, "shop", map[string]deploy.Secret{"token": deploy.NewSecret([]byte("s3cr3t-value"))})
	p.Trace(context.Background(), "deploy", "shop")
	for _, e := range []deploy.Event{
		{Kind: deploy.StepEvent, Subject: "applying", Text: "deliver secrets web"},
		{Subject: "web", Text: "1 secret delivered", Done: true},
		{Kind: deploy.StepEvent, Subject: "applying", Text: "converge shop"},
		{Subject: "web", Text: "healthy with s3cr3t-value", Done: true},
		{Kind: deploy.LogEvent, Subject: "migrate", Text: "printed by a job"},
		{Kind: deploy.PhaseEvent, Subject: "shop", Text: "undoing"},
	} {
		p.Event(e)
	}
	if err := p.Failed(errors.New("web said s3cr3t-value\nand more")); err == nil {
		t.Error("the error is lost")
	}
	spans, raw := got()
	names := map[string]*otlp.Span{}
	for _, s := range spans {
		names[s.Name] = s
	}
	whole := names["deploy"]
	if len(spans) != 3 || whole == nil || names["deliver secrets web"] == nil || names["converge shop"] == nil {
		t.Fatalf("spans %v\n%s", names, out.String())
	}
	for _, name := range []string{"deliver secrets web", "converge shop"} {
		if !bytes.Equal(names[name].ParentSpanId, whole.SpanId) || !bytes.Equal(names[name].TraceId, whole.TraceId) || len(names[name].Events) != 1 {
			t.Errorf("%s: %v", name, names[name])
		}
	}
	if whole.Status.Code != otlp.Status_STATUS_CODE_ERROR || !strings.Contains(whole.Status.Message, "web said") || len(whole.Events) != 1 {
		t.Errorf("%v", whole)
	}
	if strings.Contains(raw, "s3cr3t-value") || strings.Contains(raw, "printed by a job") || !strings.Contains(raw, "hsectl.stack") {
		t.Error("the spans hold a secret or what a job printed, or do not name the stack")
	}
}

// A collector that is not there is mentioned, and fails nothing; without one asked for nothing is sent.
func TestSpansWithoutACollector(t *testing.T) {
	for endpoint, want := range map[string]string{"http://127.0.0.1:1": "warning: sending spans", "": ""} {
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
		var out bytes.Buffer
		p := NewProgress(Streams{Out: io.Discard, Err: &out}, "text")
		p.Trace(context.Background(), "deploy", "shop")
		p.Done(stack.Stack{Name: "shop", Services: []stack.Service{{Name: "web", Health: &stack.Health{}}}}, 1)
		if !strings.Contains(out.String(), "shop is up") || !strings.Contains(out.String(), want) || want == "" && strings.Contains(out.String(), "warning") {
			t.Errorf("%q: %s", endpoint, out.String())
		}
	}
}

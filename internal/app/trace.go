package app

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/hsectl/hsectl/internal/deploy"
)

// flushFor bounds how long the end of a deploy waits for the receiver of its spans.
const flushFor = 5 * time.Second

// spans tells a collector of OpenTelemetry how a deploy went: one span for all of it, and one within for each step. They
// hold names of stacks, services, volumes and images, and never what a container printed.
type spans struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	within   context.Context // that of the whole
	whole    trace.Span
	step     trace.Span // nil before the first

	mu   sync.Mutex // guards lost, which the exporter sets
	lost error
}

// newSpans begins the span of a deploy or rollback when the environment names a receiver, and returns nil otherwise. How
// to reach it is for the exporter to read, from the variables that OpenTelemetry defines.
func newSpans(ctx context.Context, verb, stack string) (*spans, error) {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return nil, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: false}))
	if err != nil {
		return nil, fmt.Errorf("preparing spans: %w", err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "hsectl"), attribute.String("service.version", Version())), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("preparing spans: %w", err)
	}
	s := &spans{provider: sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { // the only way to hear of it, and its own way is the error stream
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lost = err
	}))
	s.tracer = s.provider.Tracer("hsectl")
	s.within, s.whole = s.tracer.Start(context.WithoutCancel(ctx), verb, trace.WithAttributes(attribute.String("hsectl.stack", stack)))
	return s, nil
}

// event notes what happened. A step begins where the one before ends.
func (s *spans) event(e deploy.Event) {
	switch {
	case s == nil || e.Kind == deploy.LogEvent:
	case e.Kind == deploy.StepEvent:
		s.endStep()
		_, s.step = s.tracer.Start(s.within, e.Text, trace.WithAttributes(attribute.String("hsectl.phase", e.Subject)))
	case e.Kind == deploy.PhaseEvent:
		s.whole.AddEvent(e.Text)
	case e.Done && s.step != nil:
		s.step.AddEvent(e.Subject + " " + e.Text)
	}
}

func (s *spans) endStep() {
	if s.step != nil {
		s.step.End()
		s.step = nil
	}
}

// end closes everything, with the first line of an error, and sends it. It returns why that failed.
func (s *spans) end(release int, failed string) error {
	if s == nil {
		return nil
	}
	if failed != "" {
		line, _, _ := strings.Cut(failed, "\n")
		s.whole.SetStatus(codes.Error, line)
	} else {
		s.whole.SetAttributes(attribute.Int("hsectl.release", release))
	}
	s.endStep()
	s.whole.End()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.within), flushFor)
	defer cancel()
	err := s.provider.Shutdown(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		err = s.lost
	}
	return err
}

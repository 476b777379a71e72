// Package collector runs the OpenTelemetry Collector, made of the parts that are used, with the configuration that is rendered for
// logs that go to Elasticsearch. It is a module of its own, so that nothing of the collector is among the dependencies of
// hsectl, and it is not part of the gate, because it takes minutes to build: scripts/log-sink runs it.
package collector_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/elasticsearchexporter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/basicauthextension"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/nopexporter"
	"go.opentelemetry.io/collector/exporter/otlpexporter"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/batchprocessor"
	"go.opentelemetry.io/collector/processor/memorylimiterprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// A line that the shipper sends arrives at a search engine on the loopback, with the login of the secret, under its stack,
// service and stream.
func TestLogsArriveAtElasticsearch(t *testing.T) {
	documents := make(chan document, 10)
	engine := httptest.NewServer(searchEngine(t, documents))
	defer engine.Close()
	grpcAddress, httpAddress, metricsPort := free(t), free(t), free(t)
	start(t, map[string]string{
		"https://logs.example.test:9200": engine.URL,
		"0.0.0.0:4317":                   grpcAddress,
		"0.0.0.0:4318":                   httpAddress,
		"host: 0.0.0.0":                  "host: 127.0.0.1",
		"port: 8888":                     "port: " + metricsPort[strings.LastIndex(metricsPort, ":")+1:],
	})
	send(t, grpcAddress, line("shop", "app", "stderr", "it is on fire"), line("shop", "db", "stdout", `{"level":"info"}`))
	want := map[string]document{}
	for _, d := range []document{
		{Index: "logs-generic.otel-default", Login: "hse:opensesame", Stack: "shop", Service: "app", Stream: "stderr", Line: "it is on fire", Time: "1795773600123.456789"},
		{Index: "logs-generic.otel-default", Login: "hse:opensesame", Stack: "shop", Service: "db", Stream: "stdout", Line: `{"level":"info"}`, Time: "1795773600123.456789"},
	} {
		want[d.Service] = d
	}
	for len(want) > 0 {
		select {
		case d := <-documents:
			if w, ok := want[d.Service]; !ok || d != w {
				t.Fatalf("got  %+v\nwant %+v", d, w)
			}
			delete(want, d.Service)
		case <-time.After(time.Minute):
			t.Fatalf("nothing arrived of %v", want)
		}
	}
}

// document is what a search engine is given of a line. Its time is in milliseconds.
type document struct{ Index, Login, Stack, Service, Stream, Line, Time string }

// searchEngine takes bulk requests as Elasticsearch does: a line that says where to, and a line with the document.
func searchEngine(t *testing.T, documents chan<- document) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path != "/_bulk" {
			_, _ = io.WriteString(w, `{"version":{"number":"9.1.0"},"tagline":"You Know, for Search"}`)
			return
		}
		body := r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			unzipped, err := gzip.NewReader(body)
			if err != nil {
				t.Error(err)
				return
			}
			body = unzipped
		}
		user, password, _ := r.BasicAuth()
		var done []string
		lines := bufio.NewScanner(body)
		for lines.Scan() {
			if len(lines.Bytes()) == 0 {
				continue
			}
			var action struct {
				Create struct {
					Index string `json:"_index"`
				} `json:"create"`
			}
			if err := json.Unmarshal(lines.Bytes(), &action); err != nil || !lines.Scan() {
				t.Errorf("no bulk request: %v", err)
				return
			}
			t.Logf("%s: %s", action.Create.Index, lines.Text())
			var d struct {
				Time       string            `json:"@timestamp"`
				Attributes map[string]string `json:"attributes"`
				Body       struct {
					Text string `json:"text"`
				} `json:"body"`
			}
			if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
				t.Errorf("no document: %v: %s", err, lines.Text())
				return
			}
			documents <- document{action.Create.Index, user + ":" + password, d.Attributes["stack"], d.Attributes["service"], d.Attributes["stream"], d.Body.Text, d.Time}
			done = append(done, `{"create":{"status":201}}`)
		}
		fmt.Fprintf(w, `{"took":1,"errors":false,"items":[%s]}`, strings.Join(done, ","))
	})
}

// line is a log record as Alloy's otelcol.receiver.loki makes it of a line and its labels.
func line(stack, service, stream, text string) plog.LogRecord {
	out := plog.NewLogRecord()
	out.Body().SetStr(text)
	out.SetTimestamp(pcommon.NewTimestampFromTime(time.Date(2026, 11, 27, 10, 0, 0, 123456789, time.UTC)))
	out.SetObservedTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	for name, value := range map[string]string{"stack": stack, "service": service, "stream": stream, "loki.attribute.labels": "stack,service,stream"} {
		out.Attributes().PutStr(name, value)
	}
	return out
}

// send waits until the collector takes records.
func send(t *testing.T, address string, records ...plog.LogRecord) {
	t.Helper()
	logs := plog.NewLogs()
	to := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, r := range records {
		r.CopyTo(to.AppendEmpty())
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := plogotlp.NewGRPCClient(connection).Export(ctx, plogotlp.NewExportRequestFromLogs(logs), grpc.WaitForReady(true)); err != nil {
		t.Fatal(err)
	}
}

// start runs the collector with what is rendered, its addresses and the path of its secret replaced.
func start(t *testing.T, replace map[string]string) {
	t.Helper()
	rendered, err := os.ReadFile("collector.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "logs_password"), []byte("opensesame"), 0o600); err != nil {
		t.Fatal(err)
	}
	replace["/run/secrets/logs_password"] = filepath.Join(dir, "logs_password")
	text := string(rendered)
	for from, to := range replace {
		if !strings.Contains(text, from) {
			t.Fatalf("the configuration has no %q", from)
		}
		text = strings.ReplaceAll(text, from, to)
	}
	at := filepath.Join(dir, "collector.yml")
	if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	running, err := otelcol.NewCollector(otelcol.CollectorSettings{
		BuildInfo: component.NewDefaultBuildInfo(), Factories: factories, DisableGracefulShutdown: true,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: confmap.ResolverSettings{
			URIs: []string{at}, DefaultScheme: "file", ProviderFactories: []confmap.ProviderFactory{fileprovider.NewFactory()},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- running.Run(context.WithoutCancel(t.Context())) }()
	t.Cleanup(func() {
		running.Shutdown()
		if err := <-ended; err != nil {
			t.Errorf("the collector ends with %v", err)
		}
	})
	select {
	case err := <-ended:
		ended <- nil
		t.Fatalf("the collector does not start: %v", err)
	default:
	}
}

func factories() (otelcol.Factories, error) {
	receivers, err1 := otelcol.MakeFactoryMap[receiver.Factory](otlpreceiver.NewFactory())
	processors, err2 := otelcol.MakeFactoryMap[processor.Factory](memorylimiterprocessor.NewFactory(), batchprocessor.NewFactory())
	exporters, err3 := otelcol.MakeFactoryMap[exporter.Factory](elasticsearchexporter.NewFactory(), otlpexporter.NewFactory(), nopexporter.NewFactory())
	extensions, err4 := otelcol.MakeFactoryMap[extension.Factory](basicauthextension.NewFactory())
	return otelcol.Factories{Receivers: receivers, Processors: processors, Exporters: exporters, Extensions: extensions,
		Telemetry: otelconftelemetry.NewFactory()}, errors.Join(err1, err2, err3, err4)
}

func free(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

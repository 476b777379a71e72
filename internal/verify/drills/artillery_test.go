package drills

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/stack"
)

// The reports in testdata were written by Artillery 2.0.21: one in which half the pages were not there, one in which nothing answered.
func TestArtillery(t *testing.T) {
	budget := Budget{P95: 500 * time.Millisecond}
	for _, c := range []struct {
		name, file, replace, by string
		answers, latency        finding.Status
		detail                  string
	}{
		{"all good", "artillery.json", `"http.codes.404": 6`, `"http.codes.204": 6`, finding.Pass, finding.Pass, "12 requests, 100.0% good"},
		{"half not found", "artillery.json", "", "", finding.Fail, finding.Pass, "12 requests, 50.0% good"},
		{"slow", "artillery.json", `"p95": 7.9`, `"p95": 700`, finding.Fail, finding.Fail, ""},
		{"no answer", "artillery-refused.json", "", "", finding.Fail, finding.Unknown, "6 requests, 0.0% good, 0.0 per second; ECONNREFUSED"},
	} {
		data, err := os.ReadFile("testdata/" + c.file)
		if err != nil {
			t.Fatal(err)
		}
		if c.replace != "" && !strings.Contains(string(data), c.replace) {
			t.Fatalf("%s: the report has no %s", c.name, c.replace)
		}
		o, err := ParseArtillery([]byte(strings.Replace(string(data), c.replace, c.by, 1)))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got := JudgeLoad(stack.Service{Name: "app"}, o, budget)
		if len(got) != 2 || got[0].Status != c.answers || got[1].Status != c.latency || !strings.Contains(got[0].Detail, c.detail) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	o, err := ParseArtillery([]byte(`{"aggregate":{"counters":{"http.requests":10,"http.codes.200":10,"vusers.failed":2},"summaries":{"http.response_time":{"p50":1,"p95":2,"p99":3,"max":4}}}}`))
	if err != nil || o.Success != 0.8 || o.P99 != 3*time.Millisecond {
		t.Errorf("virtual users that failed are bad requests: %+v, %v", o, err)
	}
	o.Success, o.Ended = 1, "its own checks failed"
	if got := JudgeLoad(stack.Service{Name: "app"}, o, budget)[0]; got.Status != finding.Fail || !strings.Contains(got.Detail, "its own checks failed") {
		t.Errorf("a script that failed by its own checks: %+v", got)
	}
	for _, bad := range []string{"", "{}", `{"aggregate":{}}`, `{"aggregate":{"counters":{"http.requests":-1}}}`,
		`{"aggregate":{"counters":{"http.requests":1},"summaries":{"http.response_time":{"p50":1}}}}`} {
		if _, err := ParseArtillery([]byte(bad)); err == nil {
			t.Errorf("%s is no report", bad)
		}
	}
}

func FuzzArtillery(f *testing.F) {
	f.Add([]byte(`{"aggregate":{"counters":{"http.requests":10,"http.codes.200":10},"summaries":{"http.response_time":{"p50":1,"p95":2,"p99":3,"max":4}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := ParseArtillery(data)
		if err == nil && (o.Success < 0 || o.Success > 1 || o.P95 < 0 || o.Rate < 0) {
			t.Errorf("%s: %+v", data, o)
		}
	})
}

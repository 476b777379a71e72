package drills

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/display"
)

// MaxArtilleryBytes bounds a report of Artillery: it has one record for every ten seconds.
const MaxArtilleryBytes = 64 << 20

// ParseArtillery reads the report that artillery run --output writes. Latencies there are milliseconds. As for our own
// load, only the codes from 200 to 399 are good; a virtual user that failed is at least one bad request.
func ParseArtillery(data []byte) (Loaded, error) {
	var in struct {
		Aggregate *struct {
			Counters  map[string]float64            `json:"counters"`
			First     float64                       `json:"firstMetricAt"` // milliseconds
			Last      float64                       `json:"lastMetricAt"`
			Summaries map[string]map[string]float64 `json:"summaries"`
		} `json:"aggregate"`
	}
	if len(data) > MaxArtilleryBytes {
		return Loaded{}, fmt.Errorf("reading Artillery's report: it is larger than %d bytes", MaxArtilleryBytes)
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return Loaded{}, fmt.Errorf("reading Artillery's report: %w", err)
	}
	if in.Aggregate == nil || in.Aggregate.Counters == nil {
		return Loaded{}, fmt.Errorf("reading Artillery's report: it has no aggregate.counters; reports of Artillery 2 have")
	}
	var out Loaded
	var good, bad float64
	for name, n := range in.Aggregate.Counters {
		if n < 0 || n > 1e15 {
			return Loaded{}, fmt.Errorf("reading Artillery's report: counter %q is %g", display.Name(name), n)
		}
		if kind, ok := strings.CutPrefix(name, "errors."); ok && n > 0 {
			out.Errors = append(out.Errors, kind)
		}
		if code, ok := strings.CutPrefix(name, "http.codes."); ok {
			if c, err := strconv.Atoi(code); err == nil && c >= 200 && c < 400 {
				good += n
			} else {
				bad += n
			}
		}
	}
	slices.Sort(out.Errors)
	requests := in.Aggregate.Counters["http.requests"]
	if out.Requests = uint64(requests); out.Requests == 0 {
		return out, nil
	}
	bad = max(bad, requests-good, in.Aggregate.Counters["vusers.failed"])
	out.Success = max(0, 1-bad/requests)
	if seconds := (in.Aggregate.Last - in.Aggregate.First) / 1000; seconds > 0 {
		out.Rate = good / seconds
	}
	times, ok := in.Aggregate.Summaries["http.response_time"]
	out.Unanswered = !ok
	for name, to := range map[string]*time.Duration{"p50": &out.P50, "p95": &out.P95, "p99": &out.P99, "max": &out.Most} {
		ms, known := times[name]
		if ok && (!known || ms < 0 || ms > float64(math.MaxInt64/time.Millisecond)/2) {
			return Loaded{}, fmt.Errorf("reading Artillery's report: http.response_time has no %s that can be true", name)
		}
		*to = time.Duration(ms * float64(time.Millisecond))
	}
	return out, nil
}

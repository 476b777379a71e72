package size

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/display"
)

// Answer is what Prometheus said to one question, for the services of one stack.
type Answer struct {
	Series   map[string]Series // by service
	Foreign  int               // series of other stacks, or of services that this one does not have
	Dropped  int               // values that cannot be measurements: not a number, infinite, negative, outside the window
	Warnings []string
}

// RefusedError is a question that Prometheus did not answer, with its reason.
type RefusedError struct{ Reason string }

// Error implements error.
func (e *RefusedError) Error() string { return "Prometheus refused the query: " + e.Reason }

// ErrMalformed is an answer that does not follow the API of Prometheus.
var ErrMalformed = errors.New("the answer is not one of Prometheus' API")

// maxMeasure is above everything that is measured here; a higher value is none.
const maxMeasure = 1 << 53

// maxWarnings bounds the warnings that are kept.
const maxWarnings = 3

// The answer to a range query: https://prometheus.io/docs/prometheus/latest/querying/api/#range-queries
type (
	rangeAnswer struct {
		Status    string   `json:"status"`
		ErrorType string   `json:"errorType"`
		Error     string   `json:"error"`
		Warnings  []string `json:"warnings"`
		Data      struct {
			ResultType string        `json:"resultType"`
			Result     []rangeSeries `json:"result"`
		} `json:"data"`
	}

	rangeSeries struct {
		Metric map[string]string `json:"metric"`
		Values []sample          `json:"values"`
	}

	// sample is a time in seconds and a value as text: [1700000000.5, "12"].
	sample struct{ at, value float64 }
)

// UnmarshalJSON reads the two parts, which have different types.
func (s *sample) UnmarshalJSON(data []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	if len(parts) != 2 {
		return fmt.Errorf("%w: a sample has %d parts", ErrMalformed, len(parts))
	}
	if err := json.Unmarshal(parts[0], &s.at); err != nil {
		return err
	}
	var text string
	if err := json.Unmarshal(parts[1], &text); err != nil {
		return err
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // out of range is infinite, and is dropped later
		return fmt.Errorf("%w: %q is not a number", ErrMalformed, display.Name(text))
	}
	s.value = value
	return nil
}

// Decode reads the answer to a range query. Only series with the label stack of this stack and the label service of one of the services
// count, whatever was asked.
func Decode(body []byte, stack string, services []string, w Window) (Answer, error) {
	var read rangeAnswer
	if err := json.Unmarshal(body, &read); err != nil {
		if errors.Is(err, ErrMalformed) {
			return Answer{}, err
		}
		return Answer{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	switch {
	case read.Status == "error":
		return Answer{}, &RefusedError{display.Name(strings.TrimSpace(read.ErrorType + ": " + read.Error))}
	case read.Status != "success":
		return Answer{}, fmt.Errorf("%w: its status is %q", ErrMalformed, display.Name(read.Status))
	case read.Data.ResultType != "matrix":
		return Answer{}, fmt.Errorf("%w: its result is a %q, not a matrix", ErrMalformed, display.Name(read.Data.ResultType))
	}
	out := Answer{Series: map[string]Series{}}
	for _, warning := range read.Warnings[:min(len(read.Warnings), maxWarnings)] {
		out.Warnings = append(out.Warnings, display.Name(warning))
	}
	known := map[string]bool{}
	for _, name := range services {
		known[name] = true
	}
	points := map[string][]Point{}
	for _, series := range read.Data.Result {
		service := series.Metric["service"]
		if series.Metric["stack"] != stack || !known[service] {
			out.Foreign++
			continue
		}
		for _, v := range series.Values {
			if p, ok := v.point(w); ok {
				points[service] = append(points[service], p)
			} else {
				out.Dropped++
			}
		}
	}
	for service, all := range points {
		out.Series[service] = NewSeries(all)
	}
	return out, nil
}

// point returns a sample as a measurement within the window, or false when it cannot be one.
func (s sample) point(w Window) (Point, bool) {
	if math.IsNaN(s.value) || s.value < 0 || s.value > maxMeasure || math.IsNaN(s.at) || math.Abs(s.at) > maxMeasure {
		return Point{}, false
	}
	at := time.UnixMilli(int64(math.Round(s.at * 1000)))
	if at.Before(w.From) || at.After(w.To) {
		return Point{}, false
	}
	return Point{At: at, Value: s.value}, true
}

// Measure is what is asked about the services of a stack.
type Measure string

// The measures, each in the unit of the field of Usage that it fills.
const (
	MeasureMemory    Measure = "memory"
	MeasureStart     Measure = "start"
	MeasureHeap      Measure = "heap"
	MeasureCPU       Measure = "cpu"
	MeasurePeriods   Measure = "periods"
	MeasureThrottled Measure = "throttled"
	MeasurePIDs      Measure = "pids"
	MeasureKills     Measure = "kills"
	MeasureLimit     Measure = "limit"
)

// Query is a question in PromQL. Its result has the labels stack and service.
type Query struct {
	Measure Measure
	Expr    string
}

// With returns the usage with one of its series set.
func (u Usage) With(m Measure, s Series) Usage {
	switch m {
	case MeasureMemory:
		u.Memory = s
	case MeasureStart:
		u.Start = s
	case MeasureHeap:
		u.Heap = s
	case MeasureCPU:
		u.CPU = s
	case MeasurePeriods:
		u.Periods = s
	case MeasureThrottled:
		u.Throttled = s
	case MeasurePIDs:
		u.PIDs = s
	case MeasureKills:
		u.Kills = s
	case MeasureLimit:
		u.Limit = s
	}
	return u
}

package ask

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// MaxRangeBytes bounds the answer to one question about a range of time.
const MaxRangeBytes = 16 << 20

// rangeTimeout bounds one such question. Prometheus itself gives up after two minutes by default.
const rangeTimeout = 2*time.Minute + 10*time.Second

// ErrTooLarge is an answer that has more bytes than are read.
var ErrTooLarge = fmt.Errorf("the answer has more than %d MiB", MaxRangeBytes>>20)

// RangeURL is the address at which a Prometheus answers a question about a range of time, a point each step.
func RangeURL(base, query string, from, to time.Time, step time.Duration) string {
	values := url.Values{
		"query": {query}, "step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)},
		"start": {strconv.FormatInt(from.Unix(), 10)}, "end": {strconv.FormatInt(to.Unix(), 10)},
	}
	return strings.TrimSuffix(base, "/") + "/api/v1/query_range?" + values.Encode()
}

// Range puts a question about a range of time to a Prometheus and returns its answer, which may say that the question is wrong. A
// redirection is not followed.
func Range(ctx context.Context, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, rangeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("reading the address: %w", err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}
	one := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := one.Do(request)
	if err != nil {
		var called *url.Error
		if errors.As(err, &called) {
			err = called.Err // the address has the whole query in it
		}
		return nil, err
	}
	defer answer.Body.Close()
	// A refused query has a status of 400 or 422, and its reason in the body.
	switch answer.StatusCode {
	case http.StatusOK, http.StatusBadRequest, http.StatusUnprocessableEntity:
	default:
		return nil, fmt.Errorf("it answers with status %d", answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, MaxRangeBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if len(body) > MaxRangeBytes {
		return nil, ErrTooLarge
	}
	return body, nil
}

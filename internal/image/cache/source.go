package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// DefaultURL is where OSV publishes its databases: https://google.github.io/osv.dev/data/.
const DefaultURL = "https://osv-vulnerabilities.storage.googleapis.com"

// Source is where databases come from.
type Source interface {
	// Fetch writes the archive of an ecosystem, unless it is still the one of that tag.
	Fetch(ctx context.Context, ecosystem, etag string, to io.Writer) (Answer, error)
	// String names the source.
	String() string
	// Local tells whether it needs no network.
	Local() bool
}

// Answer is what a source says about an archive.
type Answer struct {
	Unchanged bool
	Published time.Time
	ETag      string
	Carried   bool // a copy, whose age is its own
}

// NewSource returns the source that an address means: http, https or a directory with ECOSYSTEM/all.zip files.
func NewSource(address string) (Source, error) {
	u, err := url.Parse(address)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		return remote{base: strings.TrimSuffix(address, "/"), client: newClient(), longest: downloadTime}, nil
	}
	info, err := os.Stat(address)
	if err != nil {
		return nil, fmt.Errorf("finding the vulnerability databases: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("finding the vulnerability databases: %s is neither an address nor a directory", address)
	}
	return directory(address), nil
}

// Bounds of a download.
const (
	maxArchiveBytes = 4 << 30
	headerTime      = 30 * time.Second
	downloadTime    = 10 * time.Minute
	maxTries        = 4
)

func newClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = headerTime
	return &http.Client{Transport: transport}
}

// remote is a server that publishes as OSV does.
type remote struct {
	base    string
	client  *http.Client
	longest time.Duration
}

// String implements Source.
func (r remote) String() string { return r.base }

// Local implements Source.
func (r remote) Local() bool { return false }

// Fetch implements Source. A server that is busy is asked again; one that refuses is not.
func (r remote) Fetch(ctx context.Context, ecosystem, etag string, to io.Writer) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, r.longest)
	defer cancel()
	response, err := backoff.Retry(ctx, func() (*http.Response, error) { return r.ask(ctx, ecosystem, etag) }, backoff.WithMaxTries(maxTries))
	if err != nil {
		return Answer{}, fmt.Errorf("fetching the database of %s: %w", ecosystem, err)
	}
	defer response.Body.Close()
	answer := Answer{ETag: response.Header.Get("ETag"), Unchanged: response.StatusCode == http.StatusNotModified}
	if t, err := http.ParseTime(response.Header.Get("Last-Modified")); err == nil {
		answer.Published = t
	}
	if answer.Unchanged {
		return answer, nil
	}
	n, err := io.Copy(to, io.LimitReader(response.Body, maxArchiveBytes+1))
	if err != nil {
		return Answer{}, fmt.Errorf("fetching the database of %s: %w", ecosystem, err)
	}
	if n > maxArchiveBytes {
		return Answer{}, fmt.Errorf("fetching the database of %s: it is larger than %d bytes", ecosystem, int64(maxArchiveBytes))
	}
	return answer, nil
}

func (r remote) ask(ctx context.Context, ecosystem, etag string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+"/"+url.PathEscape(ecosystem)+"/all.zip", nil)
	if err != nil {
		return nil, backoff.Permanent(err)
	}
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	switch response.StatusCode {
	case http.StatusOK, http.StatusNotModified:
		return response, nil
	}
	failed := errors.Join(fmt.Errorf("the server answered %s", response.Status), response.Body.Close())
	switch {
	case response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusServiceUnavailable:
		if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds >= 0 && seconds <= 60 {
			return nil, errors.Join(failed, backoff.RetryAfter(seconds))
		}
		return nil, failed
	case response.StatusCode >= 500:
		return nil, failed
	}
	return nil, backoff.Permanent(failed)
}

// directory is a copy of what OSV publishes.
type directory string

// String implements Source.
func (d directory) String() string { return string(d) }

// Local implements Source.
func (d directory) Local() bool { return true }

// Fetch implements Source. A file with the same size and time is the same file.
func (d directory) Fetch(ctx context.Context, ecosystem, etag string, to io.Writer) (Answer, error) {
	f, err := os.Open(filepath.Join(string(d), filepath.Base(ecosystem), "all.zip"))
	if err != nil {
		return Answer{}, fmt.Errorf("reading the database of %s: %w", ecosystem, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Answer{}, fmt.Errorf("reading the database of %s: %w", ecosystem, err)
	}
	answer := Answer{Published: info.ModTime(), ETag: fmt.Sprintf("%d-%d", info.Size(), info.ModTime().UnixNano()), Carried: true}
	if answer.ETag == etag {
		answer.Unchanged = true
		return answer, nil
	}
	if _, err := io.Copy(to, f); err != nil {
		return Answer{}, fmt.Errorf("reading the database of %s: %w", ecosystem, errors.Join(err, ctx.Err()))
	}
	return answer, nil
}

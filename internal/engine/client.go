package engine

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"sync"
	"time"

	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"
)

// call is one call that is under way.
type call struct {
	what   string
	cancel context.CancelCauseFunc
	cause  func() error

	mu    sync.Mutex // guards what follows
	timer *time.Timer
	bound time.Duration
}

// newCall returns a call that is ended, with all that uses the context, when it takes longer than its bound.
func newCall(ctx context.Context, what string, bound time.Duration) (*call, context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	c := &call{what: what, cancel: cancel, cause: func() error { return context.Cause(ctx) }, bound: bound}
	c.timer = time.AfterFunc(bound, c.expire)
	context.AfterFunc(ctx, func() { c.timer.Stop() })
	return c, ctx
}

func (c *call) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel(&UnreachableError{&SilentError{c.what, c.bound}})
}

// moved gives the call that much time again, because a piece of it has passed.
func (c *call) moved(bound time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer.Stop() {
		c.bound = bound
		c.timer.Reset(bound)
	}
}

// inTime returns the error that a call failed with, or why it was ended.
func (c *call) inTime(err error) error {
	if _, late := errors.AsType[*SilentError](c.cause()); late && err != nil && !errors.Is(err, io.EOF) {
		return c.cause()
	}
	return err
}

// options make a client keep the bounds in all that it asks.
func (b Bounds) options() []client.Opt {
	type key struct{}
	begin := func(r *http.Request) error {
		if bound := b.of(r); bound > 0 {
			c, ctx := newCall(r.Context(), r.Method+" "+pathOf(r), bound)
			*r = *r.WithContext(context.WithValue(ctx, key{}, c))
		}
		return nil
	}
	answered := func(r *http.Response) {
		if c, ok := r.Request.Context().Value(key{}).(*call); ok && kindOf(r.Request) == stream {
			c.timer.Stop() // from now on its pieces are waited for
		}
	}
	return []client.Opt{client.WithHTTPRequestHook(begin), client.WithHTTPResponseHook(answered)}
}

// bounded is a client whose streams end when nothing comes any more.
type bounded struct {
	client.APIClient
	bounds Bounds
}

// pieces is an answer that comes in pieces, each of them in time.
type pieces struct {
	io.ReadCloser
	call *call
	idle time.Duration
}

// Read implements io.Reader.
func (p *pieces) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	if err == nil {
		p.call.moved(p.idle)
		return n, nil
	}
	return n, p.call.inTime(err)
}

// Close implements io.Closer.
func (p *pieces) Close() error {
	err := p.ReadCloser.Close()
	p.call.cancel(nil)
	return err
}

// receive asks for a stream, and returns it as one that ends.
func (b Bounds) receive(ctx context.Context, what string, ask func(context.Context) (io.ReadCloser, error)) (*pieces, error) {
	c, ctx := newCall(ctx, what, b.Change)
	r, err := ask(ctx)
	if err != nil {
		err = c.inTime(err)
		c.cancel(nil)
		return nil, err
	}
	c.moved(b.Idle)
	return &pieces{r, c, b.Idle}, nil
}

// CopyFromContainer implements client.APIClient.
func (c bounded) CopyFromContainer(ctx context.Context, id string, o client.CopyFromContainerOptions) (out client.CopyFromContainerResult, err error) {
	r, err := c.bounds.receive(ctx, "GET /containers/"+id+"/archive", func(ctx context.Context) (_ io.ReadCloser, err error) {
		out, err = c.APIClient.CopyFromContainer(ctx, id, o)
		return out.Content, err
	})
	if err != nil {
		return out, err
	}
	out.Content = r
	return out, nil
}

// ImageSave implements client.APIClient.
func (c bounded) ImageSave(ctx context.Context, ids []string, o ...client.ImageSaveOption) (client.ImageSaveResult, error) {
	r, err := c.bounds.receive(ctx, "GET /images/get", func(ctx context.Context) (io.ReadCloser, error) { return c.APIClient.ImageSave(ctx, ids, o...) })
	if err != nil {
		return nil, err
	}
	return r, nil
}

// progress is a pull or a push whose messages come in time.
type progress struct {
	client.ImagePullResponse
	*pieces
}

// Read implements io.Reader.
func (p progress) Read(b []byte) (int, error) { return p.pieces.Read(b) }

// Close implements io.Closer.
func (p progress) Close() error { return p.pieces.Close() }

// JSONMessages implements client.ImagePullResponse. Who takes the messages bounds them.
func (p progress) JSONMessages(ctx context.Context) iter.Seq2[jsonstream.Message, error] {
	p.call.timer.Stop()
	return p.ImagePullResponse.JSONMessages(ctx)
}

// Wait implements client.ImagePullResponse. Who waits bounds it.
func (p progress) Wait(ctx context.Context) error {
	p.call.timer.Stop()
	return p.ImagePullResponse.Wait(ctx)
}

// ImagePull implements client.APIClient.
func (c bounded) ImagePull(ctx context.Context, ref string, o client.ImagePullOptions) (client.ImagePullResponse, error) {
	return c.follow(ctx, "POST /images/create", func(ctx context.Context) (client.ImagePullResponse, error) { return c.APIClient.ImagePull(ctx, ref, o) })
}

// ImagePush implements client.APIClient.
func (c bounded) ImagePush(ctx context.Context, ref string, o client.ImagePushOptions) (client.ImagePushResponse, error) {
	return c.follow(ctx, "POST /images/"+ref+"/push", func(ctx context.Context) (client.ImagePullResponse, error) { return c.APIClient.ImagePush(ctx, ref, o) })
}

func (c bounded) follow(ctx context.Context, what string, ask func(context.Context) (client.ImagePullResponse, error)) (client.ImagePullResponse, error) {
	var answer client.ImagePullResponse
	r, err := c.bounds.receive(ctx, what, func(ctx context.Context) (_ io.ReadCloser, err error) {
		answer, err = ask(ctx)
		return answer, err
	})
	if err != nil {
		return nil, err
	}
	return progress{answer, r}, nil
}

// Upload lets send have what is read from r, for as long as it moves.
func (b Bounds) Upload(ctx context.Context, what string, r io.Reader, send func(context.Context, io.Reader) error) error {
	c, ctx := newCall(ctx, what, b.Idle)
	defer c.cancel(nil)
	return c.inTime(send(ctx, &moving{r, c, b.Idle}))
}

// moving is what is sent in pieces.
type moving struct {
	io.Reader
	call *call
	idle time.Duration
}

// Read implements io.Reader.
func (m *moving) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	m.call.moved(m.idle)
	return n, err
}

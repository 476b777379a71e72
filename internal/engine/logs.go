package engine

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// Logs returns the last lines of a container, of both streams in order.
func (e *Connection) Logs(ctx context.Context, id string, tail int) (string, error) {
	options := client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true}
	if tail > 0 {
		options.Tail = fmt.Sprint(tail)
	}
	return e.readLogs(ctx, id, options)
}

// LogsSince returns what a container has printed since a time of the engine's clock.
func (e *Connection) LogsSince(ctx context.Context, id string, since time.Time) (string, error) {
	return e.readLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Since: since.Format(time.RFC3339Nano)})
}

func (e *Connection) readLogs(ctx context.Context, id string, options client.ContainerLogsOptions) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, e.Bounds.Prompt)
	defer cancel()
	answer, err := e.API.ContainerLogs(ctx, id, options)
	if err != nil {
		return "", fmt.Errorf("reading logs: %w", err)
	}
	defer answer.Close()
	var t tail
	if _, err := stdcopy.StdCopy(&t, &t, answer); err != nil {
		return "", fmt.Errorf("reading logs: %w", err)
	}
	return string(t.kept()), nil
}

// maxLog bounds what is kept of a log: its end, where a program says why it ended. How long reading may take has a bound as well.
const maxLog = 8 << 20

// tail keeps the end of what is written to it.
type tail struct{ data []byte }

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	if len(t.data) > 2*maxLog {
		t.data = append(t.data[:0], t.kept()...)
	}
	return len(p), nil
}

// kept returns the end, from the beginning of a line where it was cut.
func (t *tail) kept() []byte {
	if len(t.data) <= maxLog {
		return t.data
	}
	end := t.data[len(t.data)-maxLog:]
	if i := bytes.IndexByte(end, '\n'); i >= 0 {
		end = end[i+1:]
	}
	return end
}

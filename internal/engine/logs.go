package engine

import (
	"context"
	"fmt"
	"io"
	"strings"
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
	var b strings.Builder
	if _, err := stdcopy.StdCopy(&b, &b, io.LimitReader(answer, 8<<20)); err != nil {
		return "", fmt.Errorf("reading logs: %w", err)
	}
	return b.String(), nil
}

package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// maxExecOutput bounds what is kept of the output of a program.
const maxExecOutput = 64 << 10

// Exec runs a program in a running container, by its user, gives it its standard input, and returns its exit code and what it
// printed on both streams. The end of ctx ends the wait, not the program.
func (e *Connection) Exec(ctx context.Context, id string, command []string, stdin []byte) (code int, output string, err error) {
	made, err := e.API.ExecCreate(ctx, id, client.ExecCreateOptions{Cmd: command, AttachStdin: true, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return 0, "", fmt.Errorf("running %s: %w", command[0], err)
	}
	attached, err := e.API.ExecAttach(ctx, made.ID, client.ExecAttachOptions{})
	if err != nil {
		return 0, "", fmt.Errorf("running %s: %w", command[0], err)
	}
	defer attached.Close()
	defer context.AfterFunc(ctx, attached.Close)() // a program that never ends is not waited for
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		// A program may end without having read it all, and its code says what that means.
		_, _ = attached.Conn.Write(stdin)
		_ = attached.CloseWrite()
	}()
	var out bytes.Buffer
	kept := &limitedWriter{&out, maxExecOutput}
	_, err = stdcopy.StdCopy(kept, kept, attached.Reader)
	if ctx.Err() != nil {
		return 0, "", fmt.Errorf("waiting for %s: %w", command[0], context.Cause(ctx))
	}
	if err == nil {
		<-sent
		var done client.ExecInspectResult
		if done, err = e.API.ExecInspect(ctx, made.ID, client.ExecInspectOptions{}); err == nil && done.Running {
			err = errors.New("its output ended before it did")
		}
		code = done.ExitCode
	}
	if err != nil {
		return 0, "", fmt.Errorf("waiting for %s: %w", command[0], err)
	}
	return code, out.String(), nil
}

// limitedWriter keeps the beginning of what is written.
type limitedWriter struct {
	to   io.Writer
	left int
}

// Write implements io.Writer.
func (w *limitedWriter) Write(p []byte) (int, error) {
	keep := p[:min(len(p), w.left)]
	w.left -= len(keep)
	if _, err := w.to.Write(keep); err != nil {
		return 0, err
	}
	return len(p), nil
}

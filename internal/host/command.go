package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// commandTimeout bounds a command that fetches the value of a secret.
const commandTimeout = time.Minute

// Output runs a program in a directory and returns what it prints, of at most limit bytes. No shell is involved. What it
// prints on its error stream is not kept: it may be about a secret.
func Output(ctx context.Context, dir string, argv []string, limit int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("running %s: %w", argv[0], err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("running %s: %w", argv[0], err)
	}
	var data bytes.Buffer
	_, readErr := io.Copy(&data, io.LimitReader(out, int64(limit)+1))
	if data.Len() > limit {
		cancel()
		readErr = fmt.Errorf("it prints more than %d bytes", limit)
	}
	if err := errors.Join(readErr, cmd.Wait()); err != nil {
		return nil, fmt.Errorf("running %s: %w", argv[0], errors.Join(err, context.Cause(ctx)))
	}
	return data.Bytes(), nil
}

// NotInstalled reports whether an error says that there is no such program here.
func NotInstalled(err error) bool { return errors.Is(err, exec.ErrNotFound) }

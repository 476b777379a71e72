package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

const (
	hookGrace = 5 * time.Second // between asking a hook to end and ending it
	hookLine  = 4096            // bytes after which a line is cut in two
)

// Hook is a program that runs on this machine, without a shell.
type Hook struct {
	Command     []string
	Dir         string
	Environment []string // all of it
	Timeout     time.Duration
}

// Run runs the hook to its end, and passes on what it prints, on both streams, line by line. When its time is over, or ctx
// ends, it and everything that it has started is asked to end by SIGTERM, and ended after a grace of 5 s.
func (h Hook) Run(ctx context.Context, line func(string)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, h.Timeout, fmt.Errorf("it did not end within %s", h.Timeout))
	defer cancel()
	cmd := exec.CommandContext(ctx, h.Command[0], h.Command[1:]...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = h.Dir, h.Environment, hookGrace
	end := together(cmd)
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	read := make(chan struct{})
	go func() {
		defer close(read)
		buffered := bufio.NewReaderSize(reader, hookLine)
		for {
			text, _, err := buffered.ReadLine()
			if err != nil {
				return
			}
			line(string(text))
		}
	}()
	err := cmd.Run()
	end()
	_ = writer.Close() // never fails
	<-read
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("running %s: %w", h.Command[0], err)
	}
	return err
}

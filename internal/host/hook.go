package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// hookLine is the size in bytes after which a line of a hook is cut in two.
const hookLine = 4096

// Hook is a program that runs on this machine, without a shell.
type Hook struct {
	Command     []string
	Dir         string
	Environment []string // all of it
	Timeout     time.Duration
}

// Run runs the hook to its end, and passes on what it prints, on both streams, line by line. When its time is over, or ctx
// ends, it and everything that it has started is asked to end by SIGTERM, and ended after a grace of 5 s. A process that
// it leaves in its group when it ends by itself is ended, too.
func (h Hook) Run(ctx context.Context, line func(string)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, h.Timeout, fmt.Errorf("it did not end within %s", h.Timeout))
	defer cancel()
	reader, writer := io.Pipe()
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
	environment := h.Environment
	if environment == nil {
		environment = []string{} // nil would be all of ours
	}
	err := Program{Command: h.Command, Dir: h.Dir, Environment: environment, Apart: true}.Run(ctx, writer, writer)
	_ = writer.Close() // never fails
	<-read
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("running %s: %w", h.Command[0], err)
	}
	return err
}

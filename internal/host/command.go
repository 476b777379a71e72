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

const (
	commandTimeout = time.Minute     // of a command that fetches the value of a secret
	outputDelay    = time.Second     // for which the output of a program that has ended is still read
	groupGrace     = 5 * time.Second // between asking a process group to end and killing it
)

// Program is a program of this machine, run without a shell. This is the only place that starts one: none outlives the
// context by more than its grace, whatever the processes do that it has started and that hold its output.
type Program struct {
	Command     []string
	Dir         string
	Environment []string // all of it; nil for that of hsectl
	Input       io.Reader
	// Apart runs it in a process group of its own, which is asked to end by SIGTERM, and which is gone when Run returns.
	// A program that may ask on the terminal stays in the group that has it.
	Apart bool
}

// Run runs the program to its end. A program that succeeds and leaves a process behind that holds its output has
// succeeded. The streams may be nil.
func (p Program) Run(ctx context.Context, output, complaints io.Writer) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	parent := ctx
	if p.Apart {
		parent = context.WithoutCancel(ctx) // it is asked first
	}
	running, kill := context.WithCancel(parent)
	defer kill()
	cmd := exec.CommandContext(running, p.Command[0], p.Command[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Dir, p.Environment, p.Input, output, complaints
	cmd.WaitDelay = outputDelay
	ask, end := func() {}, func() {}
	if p.Apart {
		ask, end = together(cmd)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	unasked := context.AfterFunc(ctx, func() {
		ask()
		time.AfterFunc(groupGrace, kill)
	})
	err := cmd.Wait()
	end()
	switch {
	case !unasked():
		return context.Cause(ctx)
	case errors.Is(err, exec.ErrWaitDelay):
		return nil
	}
	return err
}

// errTooLarge is what a program printed beyond what is read.
var errTooLarge = errors.New("it prints more than is allowed")

// Output runs the program and returns what it prints, of at most limit bytes. A program that prints more is ended.
func (p Program) Output(ctx context.Context, limit int64, complaints io.Writer) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out := &bounded{left: limit, full: func() { cancel(fmt.Errorf("%w, which are %d bytes", errTooLarge, limit)) }}
	err := p.Run(ctx, out, complaints)
	if cause := context.Cause(ctx); errors.Is(cause, errTooLarge) {
		return nil, cause
	}
	return out.data.Bytes(), err
}

// bounded keeps what is written to it, up to a size.
type bounded struct {
	data bytes.Buffer
	left int64
	full func()
}

// Write implements io.Writer.
func (b *bounded) Write(data []byte) (int, error) {
	if b.left -= int64(len(data)); b.left < 0 {
		b.full()
		return 0, errTooLarge
	}
	return b.data.Write(data)
}

// Output runs a program in a directory and returns what it prints, of at most limit bytes. What it prints on its error
// stream is not kept: it may be about a secret.
func Output(ctx context.Context, dir string, argv []string, limit int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	data, err := Program{Command: argv, Dir: dir}.Output(ctx, int64(limit), nil)
	if err != nil {
		return nil, fmt.Errorf("running %s: %w", argv[0], err)
	}
	return data, nil
}

// NotInstalled reports whether an error says that there is no such program here.
func NotInstalled(err error) bool { return errors.Is(err, exec.ErrNotFound) }

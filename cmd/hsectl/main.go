// Command hsectl compiles one reviewed profile into a hardened Docker Compose stack, deploys it, and proves on the
// running containers that every control holds.
//
// This package is the command line: flags, streams, hints and exit codes. Each verb parses its flags and calls one use case of
// internal/app.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/hsectl/hsectl/internal/app"
)

// garbage is the GOGC value of the program, in percent: most verbs end before a collection pays off. GOGC and GOMEMLIMIT in the
// environment still apply.
const garbage = 400

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once; the next run cleans up
	code := run(ctx, os.Args[1:], app.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}

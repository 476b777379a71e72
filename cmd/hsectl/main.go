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
	"syscall"

	"github.com/hsectl/hsectl/internal/app"
	_ "github.com/hsectl/hsectl/internal/startup" // sets the pace of the garbage collector
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once; the next run cleans up.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], app.Streams{In: os.Stdin, Out: app.Stream(os.Stdout), Err: app.Stream(os.Stderr)})
	stop()
	os.Exit(code)
}

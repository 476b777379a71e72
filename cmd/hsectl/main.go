// Command hsectl compiles one reviewed profile into a hardened Docker Compose stack, deploys it, and proves on the
// running containers that every control holds.
//
// This package is where everything meets: it reads flags, files and the environment, hands values to the pure core,
// and turns what comes back into text, hints and exit codes.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/hsectl/hsectl/internal/app"
)

// garbage is how much of it, in percent of what is live, the program lets lie before it collects. Most verbs end before that
// would pay; GOGC and GOMEMLIMIT still count.
const garbage = 400

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once; what it leaves, the next run ends
	code := run(ctx, os.Args[1:], app.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/release"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/deploy/datadir"
	"github.com/hsectl/hsectl/internal/deploy/lock"
	"github.com/hsectl/hsectl/internal/deploy/planfile"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/buildkit"
	"github.com/hsectl/hsectl/internal/engine/converge"
	"github.com/hsectl/hsectl/internal/engine/images"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/image/cache"
	"github.com/hsectl/hsectl/internal/probe"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/yamldoc"
)

// Exit codes: one table, applied once, in exitCode.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2 // wrong usage or invalid profile
	exitFindings    = 3 // findings at or above the threshold, stale files, or not proven
	exitHeld        = 4 // another deploy holds the lock
	exitInterrupted = 130
)

func exitCode(ctx context.Context, err error) int {
	var usage *app.UsageError
	var missing *app.MissingError
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.Is(err, app.ErrFindings):
		return exitFindings
	case app.IsType[*lock.HeldError](err), app.IsType[*lock.LostError](err):
		return exitHeld
	case errors.As(err, &usage), errors.As(err, &missing), len(yamldoc.Problems(err)) > 0:
		return exitUsage
	}
	return exitFailed
}

// explain prints an error and its remedy. Each problem takes one line and, when something can be done, a hint.
func explain(w io.Writer, err error) {
	if problems := yamldoc.Problems(err); len(problems) > 0 {
		for _, p := range problems {
			fmt.Fprintf(w, "%s\n", p.Error())
			if p.Hint != "" {
				fmt.Fprintf(w, "  hint: %s\n", p.Hint)
			}
		}
		fmt.Fprintf(w, "error: %s in %s; nothing was changed\n", display.Count(len(problems), "problem"), problems[0].At.File)
		return
	}
	if missing, ok := errors.AsType[*app.MissingError](err); ok {
		for _, line := range missing.Lines {
			fmt.Fprintln(w, line)
		}
		fmt.Fprintf(w, "error: %s missing; nothing was changed\n", display.Count(len(missing.Lines), "value"))
		return
	}
	if unhealthy, ok := errors.AsType[*deploy.UnhealthyError](err); ok {
		explainUnhealthy(w, unhealthy)
		if failed, ok := errors.AsType[*deploy.FailedError](err); ok {
			fmt.Fprintln(w, failed.State())
		}
		return
	}
	fmt.Fprintf(w, "error: %v\n", err)
	if hint := hintFor(err); hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
}

func hintFor(err error) string {
	if usage, ok := errors.AsType[*app.UsageError](err); ok {
		return usage.Hint
	}
	if _, ok := errors.AsType[*engine.UnreachableError](err); ok {
		return "start the engine, or select another one with --host, --context or DOCKER_HOST"
	}
	if _, ok := errors.AsType[*engine.TooOldError](err); ok {
		return "update the engine: Docker 19.03 is the oldest that works, 20.10 the oldest that is tested"
	}
	if options, ok := errors.AsType[*deploy.OptionsError](err); ok {
		return "nothing was changed; back the data up, remove the volume, deploy, and restore: docker volume rm " + options.Volume
	}
	if data, ok := errors.AsType[*datadir.VersionError](err); ok {
		return data.Hint()
	}
	if snapshot, ok := errors.AsType[*datadir.SnapshotError](err); ok {
		return snapshot.Hint()
	}
	if first, ok := errors.AsType[*deploy.FirstStartError](err); ok {
		return "nothing was changed; deploy the value that the data was initialised with, or back the data up and start anew: docker compose -p " + first.Stack + " down && docker volume rm " + first.Volume
	}
	if rotation, ok := errors.AsType[*deploy.RotationError](err); ok && rotation.Unknown {
		return "deploy the value that the data was initialised with, or set this one in the program; to start anew without the data: docker compose -p " + rotation.Stack + " down && docker volume rm " + rotation.Volume
	}
	if _, ok := errors.AsType[*deploy.MissingError](err); ok {
		return "build it first: hsectl build"
	}
	if app.IsType[*lock.HeldError](err) {
		return "wait for it with --lock-wait 10m; stale locks are detected and taken over"
	}
	if app.IsType[*lock.LostError](err) {
		return "check the stack with hsectl status, then deploy again"
	}
	if app.IsType[*release.HookError](err) {
		return "fix what the hook reports, or deploy without hooks: --skip-hooks"
	}
	if failed, ok := errors.AsType[*deploy.FailedError](err); ok && failed.Undo != nil {
		return "the deploy is recorded as unfinished: deploy again, or revert it with: hsectl deploy --abort"
	}
	if refused, ok := errors.AsType[*deploy.RefusedError](err); ok {
		if refused.Deaf {
			return "use Caddy 2.11 or later; an edge with its own command: under services.edge is replaced for each change"
		}
		return "the previous configuration stays active; fix the certificate, its key, or the section edge:"
	}
	if app.IsType[*deploy.UnreachableError](err) {
		return "let the program listen on 0.0.0.0, not on 127.0.0.1, and on the port that the site of the edge names"
	}
	if app.IsType[*deploy.GoneError](err) {
		return "choose another release; list them with: hsectl releases"
	}
	if app.IsType[*record.NewerError](err) {
		return "nothing was changed; update hsectl on this machine"
	}
	if damaged, ok := errors.AsType[*record.DamagedError](err); ok {
		return "nothing was changed; to continue without " + damaged.What + ", remove its volume"
	}
	if errors.Is(err, planfile.ErrMoved) || errors.Is(err, planfile.ErrEdited) {
		return "nothing was changed; make and review a new plan: hsectl plan --out FILE"
	}
	if errors.Is(err, probe.ErrDynamic) {
		return "build hsectl with CGO_ENABLED=0, or set HSECTL_PROBE_PROGRAM to a released binary"
	}
	if errors.Is(err, buildkit.ErrImageStore) || errors.Is(err, buildkit.ErrEpoch) {
		return "use an engine with the image store of containerd (Docker 29), or name a BuildKit with --builder"
	}
	if left, ok := errors.AsType[*deploy.LeftOutError](err); ok {
		return fmt.Sprintf("nothing was changed; name all readers: --only %s,%s; or leave out --only", left.Service, strings.Join(left.Readers, ","))
	}
	if errors.Is(err, converge.ErrOpenFiles) {
		return "lower open_files of the service to the engine's hard limit (ulimit -Hn on its machine), or raise the limit of the engine itself"
	}
	if errors.Is(err, cache.ErrNoDatabase) {
		return "run hsectl scan once with network access; for air-gapped hosts, copy the databases as ECOSYSTEM/all.zip and name their directory with --db"
	}
	if app.IsType[*host.RepositoryError](err) {
		return "check the clone with git fsck; a shallow clone gets the missing commits with: git fetch --unshallow"
	}
	if errors.Is(err, images.ErrNoImage) {
		return "build or pull it, or write registry:REFERENCE for an image in a registry; a file or directory must exist"
	}
	if errors.Is(err, buildkit.ErrNoBuilder) {
		return "start buildkitd at that address, or correct --builder: unix:///run/buildkit/buildkitd.sock, tcp://HOST:PORT or docker-container://NAME"
	}
	if app.IsType[*buildkit.ForeignBuilderError](err) {
		return "set HSECTL_PROBE_PROGRAM to a released hsectl for the builder's platform"
	}
	if _, ok := errors.AsType[*image.BuildError](err); ok {
		return "see the failed step above; hsectl build --no-cache rebuilds every step"
	}
	return ""
}

// shownLines is how much of what a failed service printed is shown; hsectl doctor reads all of it.
const shownLines = 15

func explainUnhealthy(w io.Writer, e *deploy.UnhealthyError) {
	is := "is not healthy"
	if e.Untested {
		is = "is not running"
	}
	fmt.Fprintf(w, "\n%s %s: %s, after %s\n", e.Service, is, e.State, e.Waited.Round(100*time.Millisecond))
	if len(e.Logs) > 0 {
		fmt.Fprintf(w, "\n  last log lines\n")
		for _, line := range e.Logs[max(0, len(e.Logs)-shownLines):] {
			fmt.Fprintf(w, "    %s\n", line)
		}
	}
	if e.Health != "" {
		lines := strings.Split(e.Health, "\n")
		fmt.Fprintf(w, "\n  output of the health test\n    %s\n", strings.Join(lines[max(0, len(lines)-shownLines):], "\n    "))
	}
	if likely := app.Likely(e); likely != "" {
		fmt.Fprintf(w, "\n  likely: %s\n", likely)
	}
	fmt.Fprintf(w, "\nerror: %v\n", e)
}

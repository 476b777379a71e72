package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/client"
)

// Daemon is what the engine says of itself, as far as every look at a container needs it.
type Daemon struct {
	Now      time.Time // by its own clock
	Remaps   bool      // user ids of containers are mapped
	Rootless bool      // it is not root itself, so nothing that it starts may see the processes of its machine

	Info json.RawMessage // all that it says of itself
}

// Daemon asks the engine about itself.
func (e *Connection) Daemon(ctx context.Context) (Daemon, error) {
	answer, err := e.API.Info(ctx, client.InfoOptions{})
	if err != nil {
		return Daemon{}, fmt.Errorf("asking the engine about itself: %w", err)
	}
	now, err := time.Parse(time.RFC3339Nano, answer.Info.SystemTime)
	if err != nil {
		return Daemon{}, fmt.Errorf("asking the engine for its time: %w", err)
	}
	options := SecurityOptions(answer.Info.SecurityOptions)
	rootless := slices.Contains(options, "rootless")
	info, err := json.Marshal(answer.Info)
	if err != nil {
		return Daemon{}, fmt.Errorf("asking the engine about itself: %w", err)
	}
	return Daemon{Now: now, Remaps: rootless || slices.Contains(options, "userns"), Rootless: rootless, Info: info}, nil
}

// SecurityOptions returns the names in name=seccomp,profile=default.
func SecurityOptions(options []string) []string {
	var out []string
	for _, o := range options {
		for part := range strings.SplitSeq(o, ",") {
			if name, ok := strings.CutPrefix(part, "name="); ok {
				out = append(out, name)
			}
		}
	}
	return out
}

// Socket returns the path of the engine's socket when the engine is reached by one, and so is on this machine.
func (e *Connection) Socket() (string, bool) { return strings.CutPrefix(e.API.DaemonHost(), "unix://") }

// Local reports whether the engine is on this machine, so that what it publishes is reached from here.
func (e *Connection) Local() bool {
	u, err := url.Parse(e.API.DaemonHost())
	if err != nil {
		return false
	}
	address := net.ParseIP(u.Hostname())
	return u.Scheme == "unix" || u.Scheme == "npipe" || u.Hostname() == "localhost" || address.IsLoopback()
}

// Now returns the time of the engine's clock. Times that are compared are all of this clock.
func (e *Connection) Now(ctx context.Context) (time.Time, error) {
	d, err := e.Daemon(ctx)
	return d.Now.UTC(), err
}

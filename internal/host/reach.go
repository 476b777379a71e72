package host

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hsectl/hsectl/internal/verify"
)

const (
	// reachTimeout is how long a peer on the same machine may take to answer; a firewall answers never.
	reachTimeout = 700 * time.Millisecond
	// reachParallel bounds the connections that are tried at once.
	reachParallel = 32
)

// namespaces reads which namespaces a process is in; only its own user may.
func (p *prober) namespaces(pid int) {
	p.dump.Namespaces = map[string]string{}
	dir := filepath.Join(p.root, "proc", strconv.Itoa(pid), "ns")
	for _, name := range verify.NamespaceNames() {
		if link, err := os.Readlink(filepath.Join(dir, name)); err == nil {
			p.dump.Namespaces[name] = link
		}
	}
}

// exposed looks for secrets in the environment and the command line of a process. Only names and numbers leave this
// function: values would end in the engine's log of the probe.
func (p *prober) exposed(pid int, status string) {
	dir := filepath.Join(p.root, "proc", strconv.Itoa(pid))
	name := verify.ProcessName(status)
	if text, err := readBounded(filepath.Join(dir, "environ")); err == nil {
		p.dump.EnvironRead++
		p.dump.Exposed = append(p.dump.Exposed, verify.ExposedVariables(name, text)...)
	}
	if text, err := readBounded(filepath.Join(dir, "cmdline")); err == nil {
		p.dump.Exposed = append(p.dump.Exposed, verify.ExposedArguments(name, text)...)
	}
}

// reach tries to connect to each target from the network namespace that the probe is in.
func reach(targets []verify.Target) []verify.Reached {
	out := make([]verify.Reached, len(targets))
	slots := make(chan struct{}, reachParallel)
	var wg sync.WaitGroup
	for i, t := range targets {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			out[i] = verify.Reached{Target: t, Error: tryConnect(net.JoinHostPort(t.Address, strconv.Itoa(t.Port)))}
		})
	}
	wg.Wait()
	return out
}

func tryConnect(address string) string {
	c, err := net.DialTimeout("tcp", address, reachTimeout)
	if err != nil {
		if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
			return "ETIMEDOUT"
		}
		return strings.TrimSpace(fmt.Sprint(errnoName(err), " "))
	}
	if err := c.Close(); err != nil {
		return errnoName(err)
	}
	return ""
}

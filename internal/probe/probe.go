// Package probe is what hsectl runs in a container, next to one, or on the machine of the engine to see what the kernel
// really enforces. It sees and reports; verify judges.
package probe

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/ask"
	"github.com/hsectl/hsectl/internal/probe/place"
	"github.com/hsectl/hsectl/internal/verify"
)

// Run looks at the processes of the pid namespace it runs in and tries what r asks, in the container of PID 1.
// It runs inside a probe container, as the user of the container it looks at. Its root parameter is "/" but for tests.
func Run(root string, r verify.Request) verify.Dump {
	p := prober{root: root, pause: time.Sleep}
	if r.Trace {
		return verify.Dump{Attempts: trace()}
	}
	if r.Attempt {
		return verify.Dump{Attempts: attempts()}
	}
	if r.Only {
		p.ask(r)
		p.used(filepath.Join(root, "proc/1/root"), r.Used)
		return p.dump
	}
	p.processes()
	p.cgroup()
	p.kernel()
	p.try(filepath.Join(root, "proc/1/root"), r)
	return p.dump
}

// prober gathers a dump. Members are the processes to look at, by their number in proc, with the number that the container
// gives them; without any all processes count, by their own numbers.
type prober struct {
	root    string
	members map[int]int
	pause   func(time.Duration)
	text    int    // bytes that were read of environments and command lines
	sum     string // digest of the resolver's file
	dump    verify.Dump

	descriptors int  // that were looked at
	overlooked  bool // some were not
}

// kernel notes which paths an engine has to hide here, or to make read-only.
func (p *prober) kernel() {
	for _, path := range slices.Concat(verify.MaskedPaths(), verify.ReadOnlyPaths()) {
		if _, err := os.Lstat(filepath.Join(p.root, path)); err == nil {
			p.dump.Kernel = append(p.dump.Kernel, path)
		}
	}
}

// try does what the request asks, in the container whose files are below target.
func (p *prober) try(target string, r verify.Request) {
	p.dump.Reached = reach(r.Connect)
	wires, err := place.Wires()
	if p.dump.Wires = wires; err != nil {
		p.cut(verify.LookWires, err.Error())
	}
	p.ask(r)
	// Where the probe may not go in, a security module perhaps, a write that fails says nothing of the container.
	if _, err := os.Stat(target); err != nil {
		p.note("entering the container's file system: %v", err)
		p.dump.Barred = p.dump.Errors[len(p.dump.Errors)-1]
		return
	}
	p.dump.Foreign = place.Foreign(target)
	p.surroundings(target, r.Volumes)
	for _, path := range r.Write {
		p.dump.Trials = append(p.dump.Trials, verify.Trial{Path: path, Error: tryWriteIn(target, path)})
	}
	if r.Secrets != "" {
		p.secrets(target, r.Secrets)
	}
}

// surroundings looks at the place that the thread is in: at the network, and at what lies in the container below target.
func (p *prober) surroundings(target string, volumes []string) {
	note := func(look string, err error) {
		if err != nil {
			p.cut(look, err.Error())
		}
	}
	mounts, err := "", error(nil)
	if i := slices.IndexFunc(p.dump.Processes, func(r verify.RawProcess) bool { return r.PID == 1 }); i >= 0 {
		mounts = p.dump.Processes[i].Files["mountinfo"]
	}
	p.dump.Tops = place.Tops(target, volumes)
	p.dump.Special, err = place.Special(target, mounts)
	note(verify.LookSpecial, err)
	p.dump.Nodes, err = place.Nodes(target)
	note(verify.LookNodes, err)
	p.dump.Names.Files, p.sum = place.Names(target, p.note)
}

// askTime bounds all questions that are put from one network. A service can make each wait for as long as it likes.
const askTime = 12 * time.Second

// ask puts questions from the network of the thread that it is called on.
func (p *prober) ask(r verify.Request) {
	if len(r.Peers) > 0 {
		if err := p.open(r.Peers); err != nil {
			p.note("counting open connections: %v", err)
		}
	}
	if len(r.Asks) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	p.dump.Answers = ask.Within(ctx, r.Asks)
}

// used reads how many bytes are in the file systems that are mounted at paths of the container whose files are below target.
func (p *prober) used(target string, paths []string) {
	for _, path := range paths {
		at, err := place.Resolve(target, path)
		if err != nil {
			continue
		}
		if bytes, ok := spaceUsed(at); ok {
			if p.dump.Used == nil {
				p.dump.Used = map[string]int64{}
			}
			p.dump.Used[path] = bytes
		}
	}
}

// open counts the connections with peers that are open in the network of the thread that it is called on.
func (p *prober) open(peers []string) error {
	var addresses []netip.Addr
	for _, peer := range peers {
		address, err := netip.ParseAddr(peer)
		if err != nil {
			return err
		}
		addresses = append(addresses, address)
	}
	var tables []string
	for _, name := range []string{"tcp", "tcp6"} {
		table, err := readBounded("/proc/thread-self/net/" + name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a kernel without IPv6
			return err
		}
		tables = append(tables, table)
	}
	var err error
	p.dump.Open, err = verify.OpenConnections(addresses, tables...)
	return err
}

func (p *prober) note(format string, args ...any) {
	p.dump.Errors = append(p.dump.Errors, fmt.Sprintf(format, args...))
}

// cut notes why a look was not finished: nothing may be concluded from what it did not see.
func (p *prober) cut(look, why string) {
	if p.dump.Unfinished == nil {
		p.dump.Unfinished = map[string]string{}
	}
	p.dump.Unfinished[look] = why
}

// hide notes why a process, or what decides about it, is missing: the others do not speak for it.
func (p *prober) hide(format string, args ...any) {
	p.note(format, args...)
	p.dump.Hidden = p.dump.Errors[len(p.dump.Errors)-1]
}

// cgroup reads the limits of PID 1's control group: one hierarchy in version 2, one per controller in version 1.
func (p *prober) cgroup() {
	first := slices.IndexFunc(p.dump.Processes, func(r verify.RawProcess) bool { return r.PID == 1 })
	if first < 0 {
		return
	}
	p.dump.Cgroup = map[string]string{}
	for line := range strings.Lines(p.dump.Processes[first].Files["cgroup"]) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for _, controller := range strings.Split(parts[1], ",") {
			for _, name := range verify.CgroupFiles()[controller] {
				text, err := readBounded(filepath.Join(p.root, "sys/fs/cgroup", controller, parts[2], name))
				if err == nil {
					p.dump.Cgroup[name] = text
				}
			}
		}
	}
}

func tryWriteIn(root, path string) string {
	at, err := place.Resolve(root, path)
	if err != nil {
		return errnoName(err)
	}
	return tryWrite(at)
}

// tryWrite creates a file in the directory and removes it again, or opens the file for writing without changing it.
// It returns the kernel's name for the refusal, or nothing when the write succeeded.
func tryWrite(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return errnoName(err)
	}
	if !info.IsDir() {
		f, err := os.OpenFile(path, os.O_WRONLY|nonblock, 0) // a pipe must not hold the probe up
		if err != nil {
			return errnoName(err)
		}
		return errnoName(f.Close())
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand
	name := filepath.Join(path, ".hsectl-"+hex.EncodeToString(random[:]))
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return errnoName(err)
	}
	_, err = f.Write(random[:])
	return errnoName(errors.Join(err, f.Close(), os.Remove(name)))
}

// maxSecrets bounds the files that are looked at in the directory of the secrets.
const maxSecrets = 1000

// secrets looks at the files without keeping what is in them.
func (p *prober) secrets(root, path string) {
	entries, err := list(root, path, maxSecrets)
	if err != nil {
		p.note("listing secrets: %v", err)
		if !errors.Is(err, fs.ErrNotExist) {
			p.cut(verify.LookSecrets, p.dump.Errors[len(p.dump.Errors)-1])
		}
	}
	for _, path := range entries {
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		s := verify.SecretFile{Name: filepath.Base(path), Mode: uint32(info.Mode().Perm())}
		if f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0); err == nil { // it may be a pipe by now
			s.Readable = f.Close() == nil
		}
		p.dump.Secrets = append(p.dump.Secrets, s)
	}
}

// list returns what is in a directory of the container, sorted, and an error when it holds more than the most.
func list(root, path string, most int) ([]string, error) {
	dir, err := place.Resolve(root, path)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(most + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(names) > most {
		err = fmt.Errorf("%s holds more than %d files", path, most)
		names = names[:most]
	} else {
		err = nil
	}
	slices.Sort(names)
	var out []string
	for _, name := range names {
		out = append(out, filepath.Join(dir, name))
	}
	return out, err
}

// Package probe is what hsectl runs in a container, next to one, or on the machine of the engine to see what the kernel
// really enforces. It sees and reports; verify judges.
package probe

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hsectl/hsectl/internal/verify"
)

// Bounds on what a probe reads: a container may hold many processes, and its files are not to be trusted.
const (
	maxProcesses = 512
	maxFileBytes = 1 << 20
)

// A process that enters the container takes a few milliseconds, and seconds on a machine that has no time; these bound how
// long a probe waits for it.
const (
	settleTries = 200
	settlePause = 25 * time.Millisecond
)

// Run looks at the processes of the pid namespace it runs in and tries what r asks, in the container of PID 1.
// It runs inside a probe container, as the user of the container it looks at. Its root parameter is "/" but for tests.
func Run(root string, r verify.Request) verify.Dump {
	p := prober{root: root}
	if r.Attempt {
		return verify.Dump{Attempts: attempts()}
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
	dump    verify.Dump
}

// kernel notes which paths an engine has to hide here.
func (p *prober) kernel() {
	for _, path := range verify.KernelPaths() {
		if _, err := os.Lstat(filepath.Join(p.root, path)); err == nil {
			p.dump.Kernel = append(p.dump.Kernel, path)
		}
	}
}

// try does what the request asks, in the container whose files are below target.
func (p *prober) try(target string, r verify.Request) {
	p.dump.Reached = reach(r.Connect)
	// Where the probe may not go in, a security module perhaps, a write that fails says nothing of the container.
	if _, err := os.Stat(target); err != nil {
		p.note("entering the container's file system: %v", err)
		p.dump.Barred = p.dump.Errors[len(p.dump.Errors)-1]
		return
	}
	p.dump.Foreign = foreign(target)
	for _, path := range r.Write {
		p.dump.Trials = append(p.dump.Trials, verify.Trial{Path: path, Error: tryWriteIn(target, path)})
	}
	if r.Secrets != "" {
		p.secrets(target, r.Secrets)
	}
}

func (p *prober) note(format string, args ...any) {
	p.dump.Errors = append(p.dump.Errors, fmt.Sprintf(format, args...))
}

// hide notes why a process, or what decides about it, is missing: the others do not speak for it.
func (p *prober) hide(format string, args ...any) {
	p.note(format, args...)
	p.dump.Hidden = p.dump.Errors[len(p.dump.Errors)-1]
}

// listed returns the processes to look at: all that proc shows but the probe itself, unless they are given.
func (p *prober) listed() (map[int]int, error) {
	if p.members != nil {
		return p.members, nil
	}
	entries, err := os.ReadDir(filepath.Join(p.root, "proc"))
	if err != nil {
		return nil, err
	}
	out := map[int]int{}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && (pid != os.Getpid() || p.root != "/") {
			out[pid] = pid
		}
	}
	return out, nil
}

// processes reads every process of the container. One that ends meanwhile is left out.
func (p *prober) processes() {
	members, err := p.listed()
	if err != nil {
		p.hide("listing processes: %v", err)
		return
	}
	each, first := verify.ProcessFiles()
	for _, pid := range slices.Sorted(maps.Keys(members)) {
		if len(p.dump.Processes) == maxProcesses {
			p.hide("there are more than %d", maxProcesses)
			return
		}
		raw := p.process(pid, each)
		status, ok := raw.Files["status"]
		if !ok {
			continue
		}
		raw.PID = members[pid]
		if raw.PID == 1 {
			for _, name := range first {
				p.read(pid, name, raw.Files)
			}
			p.namespaces(pid)
		}
		p.exposed(pid, status)
		if p.members != nil {
			raw.Files["status"] = renumbered(status, members)
		}
		p.dump.Processes = append(p.dump.Processes, raw)
	}
}

// renumbered gives the parent in a process's status the number that the container gives it; 0 is outside.
func renumbered(status string, members map[int]int) string {
	before, rest, ok := strings.Cut(status, "\nPPid:\t")
	number, after, more := strings.Cut(rest, "\n")
	parent, err := strconv.Atoi(number)
	if !ok || !more || err != nil {
		return status
	}
	return before + "\nPPid:\t" + strconv.Itoa(members[parent]) + "\n" + after
}

// process reads the files of one process. A process that the runtime is just bringing into the container, for a health
// test, has not yet dropped what it will drop: it is read again until it has become the program. One that only calls
// itself so stays, and is judged as it is.
func (p *prober) process(pid int, names []string) verify.RawProcess {
	raw := verify.RawProcess{PID: pid}
	for range settleTries {
		raw.Files = map[string]string{}
		for _, name := range names {
			p.read(pid, name, raw.Files)
		}
		// A process that has just ended is a zombie until its parent looks; only one that stays is left behind.
		if status := raw.Files["status"]; !strings.HasPrefix(status, "Name:\trunc:[") && !strings.Contains(status, "\nState:\tZ") {
			break
		}
		time.Sleep(settlePause)
	}
	return raw
}

func (p *prober) read(pid int, name string, into map[string]string) {
	text, err := readBounded(filepath.Join(p.root, "proc", strconv.Itoa(pid), name))
	switch {
	case err == nil:
		into[name] = text
	case gone(err), verify.OptionalFile(name):
	case name == "attr/current" && errors.Is(err, syscall.EINVAL): // a kernel without a security module
	case name == "status", name == "attr/current":
		p.hide("reading %s of process %d: %v", name, pid, err)
	default:
		p.note("reading %s of process %d: %v", name, pid, err)
	}
}

// gone tells a process that is gone, with all of its files.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) }

func readBounded(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes))
	return string(data), err
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
	at, err := resolve(root, path)
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

// secrets looks at the files without keeping what is in them.
func (p *prober) secrets(root, path string) {
	dir, err := resolve(root, path)
	if err != nil {
		p.note("finding the secrets: %v", err)
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		p.note("listing secrets: %v", err)
		return
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		s := verify.SecretFile{Name: e.Name(), Mode: uint32(info.Mode().Perm())}
		if f, err := os.Open(path); err == nil {
			s.Readable = f.Close() == nil
		}
		p.dump.Secrets = append(p.dump.Secrets, s)
	}
}

package probe

import (
	"cmp"
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

// Bounds on what a probe reads of one container, whatever runs in it: its files are not to be trusted. What is beyond a bound
// is unknown.
const (
	maxProcesses = 512
	maxFileBytes = 1 << 20
	maxTextBytes = 8 << 20 // of all environments and command lines together
	maxExposed   = 100
)

// A process that enters the container takes a few milliseconds, and seconds on a machine that has no time. A process that
// has just ended is a zombie until its parent looks. These bound how long a probe waits for all processes of a container
// together.
const (
	settleTries = 200
	reapTries   = 80
	settlePause = 25 * time.Millisecond
)

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

// processes reads every process of the container, the first one first. One that ends meanwhile is left out.
func (p *prober) processes() {
	members, err := p.listed()
	if err != nil {
		p.hide("listing processes: %v", err)
		return
	}
	pids := slices.SortedFunc(maps.Keys(members), func(a, b int) int { return cmp.Or(cmp.Compare(members[a], members[b]), cmp.Compare(a, b)) })
	if len(pids) > maxProcesses {
		p.hide("there are more than %d", maxProcesses)
		pids = pids[:maxProcesses]
	}
	_, first := verify.ProcessFiles()
	seen := p.settled(pids)
	var sockets map[string]int
	for _, pid := range pids {
		raw := seen[pid]
		status, ok := raw.Files["status"]
		if !ok {
			continue
		}
		raw.PID = members[pid]
		if raw.PID == 1 {
			for _, name := range first {
				p.read(pid, name, &raw)
			}
			p.namespaces(pid)
			sockets, _ = verify.Listeners(raw.Files["net/tcp"], raw.Files["net/tcp6"]) // what cannot be read is said by who judges it
		}
		raw.Listens = p.listens(pid, sockets)
		raw.Options = p.initOptions(pid, status)
		p.exposed(pid, status)
		if p.members != nil {
			raw.Files["status"] = renumbered(status, members)
		}
		p.dump.Processes = append(p.dump.Processes, raw)
	}
	p.unheld(sockets)
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

// settled reads the files of each process. A process that the runtime is just bringing into the container, for a health
// test, has not yet dropped what it will drop: it is read again until it has become the program. All of them are waited for
// together, so that the wait does not grow with what a container starts.
func (p *prober) settled(pids []int) map[int]verify.RawProcess {
	out := map[int]verify.RawProcess{}
	for try := 0; ; try++ {
		pids = slices.DeleteFunc(slices.Clone(pids), func(pid int) bool {
			raw := p.process(pid)
			out[pid] = raw
			status := raw.Files["status"]
			return !p.entering(status) && (try >= reapTries || !isZombie(status))
		})
		if len(pids) == 0 {
			return out
		}
		if try == settleTries {
			break
		}
		p.pause(settlePause)
	}
	for _, pid := range pids {
		p.hide("process %d has not become a program of the container", pid)
	}
	return out
}

// entering tells a process that the runtime is bringing in. Its parent is outside of the container: one that a container's own
// process started only calls itself so, and is judged as it is.
func (p *prober) entering(status string) bool {
	if !strings.HasPrefix(status, "Name:\trunc:[") {
		return false
	}
	_, rest, _ := strings.Cut(status, "\nPPid:\t")
	number, _, _ := strings.Cut(rest, "\n")
	parent, err := strconv.Atoi(number)
	if err != nil {
		return false
	}
	_, inside := p.members[parent]
	return parent == 0 || p.members != nil && !inside
}

func isZombie(status string) bool { return strings.Contains(status, "\nState:\tZ") }

// process reads the files of one process.
func (p *prober) process(pid int) verify.RawProcess {
	raw := verify.RawProcess{PID: pid, Files: map[string]string{}}
	each, _ := verify.ProcessFiles()
	for _, name := range each {
		p.read(pid, name, &raw)
	}
	return raw
}

func (p *prober) read(pid int, name string, into *verify.RawProcess) {
	text, err := readBounded(filepath.Join(p.root, "proc", strconv.Itoa(pid), name))
	switch {
	case err == nil:
		into.Files[name] = text
	case errors.Is(err, errTooLong) && strings.HasPrefix(name, "net/tcp") && verify.ListenersFirst(text):
		into.Files[name] = text
	case gone(err), verify.OptionalFile(name) && !errors.Is(err, errTooLong):
	case name == "attr/current" && errors.Is(err, syscall.EINVAL): // a kernel without a security module
	case name == "status", name == "attr/current":
		p.hide("reading %s of process %d: %v", name, pid, err)
	default:
		p.note("reading %s of process %d: %v", name, pid, err)
		into.Unread = append(into.Unread, name)
	}
}

// gone tells a process that is gone, with all of its files.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) }

var errTooLong = fmt.Errorf("it is longer than %d bytes", maxFileBytes)

// readBounded reads a file. Of one that is too long it returns the beginning, and errTooLong.
func readBounded(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(data) > maxFileBytes {
		return string(data[:maxFileBytes]), errTooLong
	}
	return string(data), err
}

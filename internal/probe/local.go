//go:build linux && (amd64 || arm64)

package probe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hsectl/hsectl/internal/probe/place"
	"github.com/hsectl/hsectl/internal/verify"
)

// Local returns a way to look at containers whose processes this machine's own kernel runs, without a probe container:
// root reads /proc, and a thread that enters a container's file system and network, and then has no more rights than the
// container's own user, tries what is asked. The processes of the machine are listed once, at the first look.
//
// It answers verify.ErrRemote when the container is not proven to be here: its process must be in the control group
// that carries the container's whole id, and in this program's user namespace, where user ids mean the same.
func Local() verify.Look {
	list := sync.OnceValues(populate)
	return func(ctx context.Context, pid int, id string, r verify.Request) (*verify.Dump, error) {
		if os.Geteuid() != 0 || !owns(pid, id) {
			return nil, verify.ErrRemote
		}
		if r.Only && len(r.Asks) == 0 {
			return inTime(ctx, func() (*verify.Dump, error) { return usedAt(pid, id, r) })
		}
		all, err := list()
		if err != nil {
			return nil, err
		}
		if r.Only {
			return inTime(ctx, func() (*verify.Dump, error) { return askAt(all, pid, id, r) })
		}
		return inTime(ctx, func() (*verify.Dump, error) { return lookAt(all, pid, id, r) })
	}
}

// lookTime bounds one look. A container can make a read of its memory or of its files wait for as long as it likes.
const lookTime = 20 * time.Second

// inTime returns what a look has seen, unless it takes too long. Nothing can end a look that the kernel lets wait: it is
// left alone.
func inTime(ctx context.Context, look func() (*verify.Dump, error)) (*verify.Dump, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lookTime, fmt.Errorf("the look at the container took longer than %s", lookTime))
	defer cancel()
	type result struct {
		dump *verify.Dump
		err  error
	}
	done := make(chan result, 1)
	go func() {
		dump, err := look()
		done <- result{dump, err}
	}()
	select {
	case seen := <-done:
		return seen.dump, errors.Join(seen.err, ctx.Err())
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func lookAt(all population, pid int, id string, r verify.Request) (*verify.Dump, error) {
	// The directory stays that of this process, even when its number is given to another one.
	dir, err := os.Open(procDir(pid))
	if err != nil {
		return nil, fmt.Errorf("opening the container's first process: %w", err)
	}
	defer dir.Close()
	p := prober{root: "/", members: within(all.processes, pid), pause: time.Sleep}
	p.processes()
	p.cgroup()
	p.kernel()
	first := slices.IndexFunc(p.dump.Processes, func(raw verify.RawProcess) bool { return raw.PID == 1 })
	if first < 0 || !owns(pid, id) {
		return nil, errors.New("the container went away")
	}
	// Who started the container is outside it, in the network of the machine. Where that cannot be read it is unknown.
	starter := all.processes[pid].parent
	p.dump.HostNet, _ = os.Readlink(filepath.Join(procDir(starter), "ns/net"))
	// The same process mounted the container's file system: the paths of its layers are its own.
	p.changed(p.dump.Processes[first], filepath.Join(procDir(starter), "root"))
	var cut string
	if p.dump.Machine, cut = strangers(all, pid, id, p.members, p.pause); cut != "" {
		p.cut(verify.LookMachine, cut)
	}
	user, capabilities, ok := p.dump.FirstIDs()
	if !ok {
		return nil, errors.New("the user of the container's first process could not be read")
	}
	t := thread{dir: int(dir.Fd()), uid: user[0], gid: user[1], capabilities: capabilities}
	if err := t.do(t.enter, func() { p.try("/", r) }); err != nil {
		return nil, fmt.Errorf("entering the container: %w", err)
	}
	p.dump.Names.Machine, p.dump.Names.Written = place.Recorded(filepath.Join(procDir(starter), "root"), r.Written, p.sum)
	return &p.dump, nil
}

// askAt puts questions from the network of a container, or from that of the process that started it, which is its machine's.
func askAt(all population, pid int, id string, r verify.Request) (*verify.Dump, error) {
	from := pid
	if r.Outside {
		from = all.processes[pid].parent
	}
	dir, err := os.Open(procDir(from))
	if err != nil {
		return nil, fmt.Errorf("opening the container's first process: %w", err)
	}
	defer dir.Close()
	if !owns(pid, id) {
		return nil, errors.New("the container went away")
	}
	p := prober{}
	t := thread{dir: int(dir.Fd()), uid: probeUser, gid: probeUser}
	if err := t.do(t.enterNetwork, func() { p.ask(r) }); err != nil {
		return nil, fmt.Errorf("entering the network of the container: %w", err)
	}
	return &p.dump, nil
}

// usedAt reads how full file systems of a container are. No link that a container puts in the way leads out of its root.
func usedAt(pid int, id string, r verify.Request) (*verify.Dump, error) {
	p := prober{}
	p.used(filepath.Join(procDir(pid), "root"), r.Used)
	if !owns(pid, id) {
		return nil, errors.New("the container went away")
	}
	return &p.dump, nil
}

// probeUser asks: questions need no rights.
const probeUser = 65532

func procDir(pid int) string { return filepath.Join("/proc", strconv.Itoa(pid)) }

// owns reports whether a process of this machine is in the control group of a container and in our user namespace.
func owns(pid int, id string) bool {
	groups, err := readBounded(filepath.Join(procDir(pid), "cgroup"))
	if err != nil || len(id) < 64 || !strings.Contains(groups, id) {
		return false
	}
	theirs, err := os.Readlink(filepath.Join(procDir(pid), "ns/user"))
	ours, ourErr := os.Readlink("/proc/self/ns/user")
	return err == nil && ourErr == nil && theirs == ours
}

// within returns the processes that are in the pid namespace of a process or in one below it, by their number here.
func within(all map[int]machineProcess, first int) map[int]int {
	home := all[first]
	depth := len(home.numbers) - 1
	out := map[int]int{}
	if depth < 0 {
		return out
	}
	// The first process of a namespace was started in the one above; who only entered it was not. A kernel nests no deeper
	// than maxNested.
	makers := map[string]int{}
	for _, p := range all {
		if n := len(p.numbers); n > depth+1 && p.numbers[n-1] == 1 {
			makers[p.namespace] = p.parent
		}
	}
	below := map[string]bool{home.namespace: true}
	for namespace := range makers {
		for at, steps := namespace, 0; at != "" && steps < maxNested; steps++ {
			if at == home.namespace {
				below[namespace] = true
				break
			}
			at = all[makers[at]].namespace
		}
	}
	for pid, p := range all {
		if below[p.namespace] && len(p.numbers) > depth {
			out[pid] = p.numbers[depth]
		}
	}
	return out
}

// maxNested is how deep a kernel lets pid namespaces be nested (pid_namespaces(7)).
const maxNested = 32

// thread is one thread of this program that enters a container.
type thread struct {
	dir          int // the container's first process in /proc
	uid, gid     int
	capabilities uint64
}

// do calls f in what it has entered of the container, with its user's rights. The thread ends with it, so
// nothing of this reaches the rest of the program: credentials, root directory and namespaces are the thread's own.
func (t thread) do(enter func() error, f func()) error {
	done := make(chan error)
	var run func()
	run = func() {
		runtime.LockOSThread() // and never unlocked: the runtime then ends the thread with the goroutine
		if unix.Gettid() == os.Getpid() {
			// The first thread never ends, and stands for the whole program: another one enters while this one is held.
			again := make(chan struct{})
			go func() { defer close(again); run() }()
			<-again
			runtime.UnlockOSThread()
			return
		}
		err := enter()
		if err == nil {
			f()
		}
		done <- err
	}
	go run()
	return <-done
}

func (t thread) enter() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("leaving the program's root directory: %w", err)
	}
	root, err := unix.Openat(t.dir, "root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening its root directory: %w", err)
	}
	defer shut(root)
	if err := t.network(); err != nil {
		return err
	}
	if err := errors.Join(unix.Fchdir(root), unix.Chroot("."), unix.Chdir("/")); err != nil {
		return fmt.Errorf("entering its root directory: %w", err)
	}
	return t.become()
}

func (t thread) enterNetwork() error {
	if err := t.network(); err != nil {
		return err
	}
	return t.become()
}

func (t thread) network() error {
	network, err := unix.Openat(t.dir, "ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening its network: %w", err)
	}
	defer shut(network)
	if err := unix.Setns(network, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering its network: %w", err)
	}
	return nil
}

// become takes the user's identity. The calls are made directly: those of the standard library change all threads.
func (t thread) become() error {
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("keeping capabilities: %w", err)
	}
	for _, call := range []struct{ number, a, b, c uintptr }{
		{unix.SYS_SETGROUPS, 0, 0, 0},
		{unix.SYS_SETRESGID, uintptr(t.gid), uintptr(t.gid), uintptr(t.gid)},
		{unix.SYS_SETRESUID, uintptr(t.uid), uintptr(t.uid), uintptr(t.uid)},
	} {
		if _, _, errno := unix.RawSyscall(call.number, call.a, call.b, call.c); errno != 0 {
			return fmt.Errorf("becoming user %d:%d: %w", t.uid, t.gid, errno)
		}
	}
	low, high := uint32(t.capabilities), uint32(t.capabilities>>32)
	sets := []unix.CapUserData{{Effective: low, Permitted: low}, {Effective: high, Permitted: high}}
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &sets[0]); err != nil {
		return fmt.Errorf("giving up capabilities: %w", err)
	}
	return nil
}

// shut closes a descriptor that was only read from, or only entered by.
func shut(fd int) { _ = unix.Close(fd) }

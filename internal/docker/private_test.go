//go:build engine

package docker

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/engine"
)

// privateSize bounds the disk of a private engine: the images of the tests and little more.
const privateSize = "256m"

// private is an engine of the test's own, which may be killed and whose disk may be filled. It lives in namespaces of
// processes, mounts and the network that end with the test, however that ends, and no other engine sees it.
type private struct {
	t    *testing.T
	dir  string
	host string
	args []string // more of the engine's arguments
	init int      // pid of the first process of its namespaces, which does nothing
	log  *os.File
}

// remapped are the ids that a private engine may give to containers when it maps them, by their owner.
const remapped = "nobody:100000:65536"

// newPrivate starts an engine with more arguments than it needs. It wants root and dockerd, which scripts/engine installs.
func newPrivate(t *testing.T, args ...string) *private {
	t.Helper()
	dir, err := os.MkdirTemp("", "hsectl-") // a short path: it names sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &private{t: t, dir: dir, host: "unix://" + filepath.Join(dir, "s"), args: args}
	if err := errors.Join(os.Mkdir(p.data(), 0o711), os.Mkdir(filepath.Join(dir, "exec"), 0o711), os.Chmod(dir, 0o711),
		os.WriteFile(filepath.Join(dir, "ids"), []byte(remapped+"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if p.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.log.Close() })
	p.hold()
	p.start()
	return p
}

func (p *private) data() string { return filepath.Join(p.dir, "data") }

// hold makes the namespaces. They last as long as a shell in them, which reaps what others leave, and which waits for the
// end of its input.
func (p *private) hold() {
	p.t.Helper()
	script := fmt.Sprintf("exec 3<&0; ip link set lo up && mount -t tmpfs -o size=%s tmpfs %s && mount --bind %[3]s /etc/subuid && mount --bind %[3]s /etc/subgid && echo ready && { cat <&3 & wait $!; }",
		privateSize, p.data(), filepath.Join(p.dir, "ids"))
	cmd := exec.Command("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	cmd.Stderr = p.log
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("a private engine needs unshare and root: %v", err)
	}
	p.t.Cleanup(func() { stdin.Close(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "ready\n" {
		p.t.Fatalf("making namespaces: %q, %v\n%s", line, err, p.tail())
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	if p.init, err = strconv.Atoi(strings.TrimSpace(string(children))); err != nil {
		p.t.Fatal(err)
	}
}

// within is a command in the namespaces.
func (p *private) within(args ...string) *exec.Cmd {
	cmd := exec.Command("nsenter", append([]string{"--target", strconv.Itoa(p.init), "--net", "--mount", "--pid"}, args...)...)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	return cmd
}

// start starts the engine and waits until it answers.
func (p *private) start() {
	p.t.Helper()
	cmd := p.within(append([]string{"dockerd", "--data-root", p.data(), "--exec-root", filepath.Join(p.dir, "exec"), "--host", p.host,
		"--pidfile", filepath.Join(p.dir, "pid"), "--iptables=false", "--ip-masq=false",
		"--containerd-namespace", "hsectl", "--containerd-plugins-namespace", "hsectl-plugins"}, p.args...)...)
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ticker := time.NewTicker(engine.PollInterval)
	defer ticker.Stop()
	for {
		if e, err := Connect(p.t.Context(), engine.Endpoint{Host: p.host}, nil); err == nil {
			e.Close()
			return
		}
		select {
		case err := <-ended:
			p.t.Fatalf("the private engine ended: %v\n%s", err, p.tail())
		case <-p.t.Context().Done():
			p.t.Fatalf("the private engine does not answer\n%s", p.tail())
		case <-ticker.C:
		}
	}
}

// stop sends the engine a signal and waits until it has ended.
func (p *private) stop(signal syscall.Signal) {
	p.t.Helper()
	pidfile := filepath.Join(p.dir, "pid")
	script := fmt.Sprintf("pid=$(cat %s) && kill -%d $pid && while kill -0 $pid 2>/dev/null; do sleep 0.1; done", pidfile, int(signal))
	if err := p.within("sh", "-c", script).Run(); err != nil {
		p.t.Fatalf("stopping the private engine: %v\n%s", err, p.tail())
	}
	if err := os.Remove(pidfile); err != nil && !errors.Is(err, os.ErrNotExist) { // left when it is killed
		p.t.Fatal(err)
	}
}

// fill takes all that is left of the engine's disk, and returns what gives it back.
func (p *private) fill() (free func()) {
	p.t.Helper()
	path := fmt.Sprintf("/proc/%d/root%s/filler", p.init, p.data())
	f, err := os.Create(path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 16 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			p.t.Fatal(err)
		}
	}
	return func() {
		if err := os.Remove(path); err != nil {
			p.t.Error(err)
		}
	}
}

// tail is the end of the engine's log.
func (p *private) tail() string {
	f, err := os.Open(p.log.Name())
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	return strings.Join(display.LastLines(string(text), 20), "\n")
}

// pidHere is the number on this machine of a process that has another one in the engine's pid namespace.
func (p *private) pidHere(inner int) int {
	p.t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		p.t.Fatal(err)
	}
	want := fmt.Sprintf("\nNSpid:\t%%d\t%d\t", inner)
	for _, entry := range entries {
		status, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "status"))
		if pid, number := strconv.Atoi(entry.Name()); err == nil && number == nil && strings.Contains(string(status), fmt.Sprintf(want, pid)) {
			return pid
		}
	}
	p.t.Fatalf("process %d of the private engine is not found", inner)
	return 0
}

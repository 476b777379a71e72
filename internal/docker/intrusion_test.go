//go:build engine

package docker

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/probe"
	"github.com/hsectl/hsectl/internal/verify"
)

// intruder changes a running container from the machine of its engine, and takes that back.
type intruder struct {
	*testing.T
	engine *Engine
	c      engine.Container
}

// run runs a program of the machine.
func (i intruder) run(words ...string) {
	i.Helper()
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		i.Fatalf("%v: %v: %s", words, err, out)
	}
}

// start starts a program of the machine, and returns what ends it.
func (i intruder) start(words ...string) (pid int, end func()) {
	i.Helper()
	c := exec.Command(words[0], words[1:]...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		i.Fatal(err)
	}
	return c.Process.Pid, func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // and what it has started
		_ = c.Wait()
	}
}

// into lets a program run in a namespace of the container.
func (i intruder) into(kind string, words ...string) []string {
	return append([]string{"nsenter", "-t", fmt.Sprint(i.c.State.Pid), "--" + kind}, words...)
}

// inside calls f on a thread that has entered a namespace of the container.
func (i intruder) inside(kind string, flag int, f func() error) {
	i.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/%s", i.c.State.Pid, kind), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Unshare(unix.CLONE_FS)
		}
		if err == nil {
			err = unix.Setns(fd, flag)
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		i.Fatal(err)
	}
}

// volume is where the machine has the container's volume.
func (i intruder) volume() string {
	i.Helper()
	for _, m := range i.c.Mounts {
		if m.Destination == "/data" {
			return m.Source
		}
	}
	i.Fatal("the container has no volume")
	return ""
}

// addTo adds a line to a file that the engine wrote, and returns what takes it away.
func (i intruder) addTo(file, line string) func() {
	i.Helper()
	before, err := os.ReadFile(file)
	if err != nil {
		i.Fatal(err)
	}
	write := func(data []byte) { // in place: the container has this very file
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_TRUNC, 0)
		if err != nil {
			i.Fatal(err)
		}
		if _, err = f.Write(data); err != nil {
			i.Fatal(err)
		}
		if err := f.Close(); err != nil {
			i.Fatal(err)
		}
	}
	write(append(slices.Clone(before), line...))
	return func() { write(before) }
}

// intrusion is one way to change a running container. It returns what takes it back.
type intrusion struct {
	name, control, detail string
	local                 bool // only a look from the machine sees it
	do                    func(intruder) func()
}

func intrusions() []intrusion {
	enter := func(kind string, words ...string) intrusion {
		return intrusion{"a process in the " + kind + " namespace", "HSE-NS-007", "", true, func(i intruder) func() {
			_, end := i.start(i.into(kind, words...)...)
			return end
		}}
	}
	wire := func(name, detail string, add, remove []string) intrusion {
		return intrusion{name, "HSE-NET-011", detail, false, func(i intruder) func() {
			i.run(i.into("net", add...)...)
			return func() { i.run(i.into("net", remove...)...) }
		}}
	}
	ip := func(words string) []string { return append([]string{"ip"}, strings.Fields(words)...) }
	leave := func(name, detail string, put func(i intruder, at string) error) intrusion {
		return intrusion{name, "HSE-FS-012", detail, false, func(i intruder) func() {
			dir := filepath.Join(i.volume(), "deep", "er")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				i.Fatal(err)
			}
			if err := put(i, filepath.Join(dir, "tool")); err != nil {
				i.Fatal(err)
			}
			return func() {
				if err := os.RemoveAll(filepath.Join(i.volume(), "deep")); err != nil {
					i.Fatal(err)
				}
			}
		}}
	}
	program := func(i intruder, at string, mode os.FileMode) error {
		i.Helper()
		if err := os.WriteFile(at, []byte("x"), 0o755); err != nil {
			return err
		}
		return os.Chmod(at, mode)
	}
	return []intrusion{
		enter("net", "sleep", "600"), enter("ipc", "sleep", "600"), enter("uts", "sleep", "600"), enter("pid", "sleep", "600"), enter("mount", "/program", "ignore-signals"),
		{"a process in all namespaces", "HSE-NS-007", "not in its control group", true, func(i intruder) func() {
			_, end := i.start("nsenter", "-t", fmt.Sprint(i.c.State.Pid), "-a", "/program", "ignore-signals")
			return end
		}},
		{"a process in the control group", "HSE-NS-007", "sleep is in its control group", true, func(i intruder) func() {
			pid, end := i.start("sleep", "600")
			if err := os.WriteFile(filepath.Join(groupOf(i, "memory"), "cgroup.procs"), []byte(fmt.Sprint(pid)), 0o600); err != nil {
				i.Fatal(err)
			}
			return end
		}},
		{"a process with all rights", "HSE-CAP-001", "", false, func(i intruder) func() { // docker exec --privileged leaves one like it
			_, end := i.start("nsenter", "-t", fmt.Sprint(i.c.State.Pid), "-a", "/program", "ignore-signals")
			return end
		}},
		wire("a route", "route to 10.99.0.0/16", ip("route add 10.99.0.0/16 dev eth0"), ip("route del 10.99.0.0/16 dev eth0")),
		wire("a route in another table", "in table 100", ip("route add 10.99.0.0/16 dev eth0 table 100"), ip("route flush table 100")),
		wire("a rule", "rule 77, for table 254", ip("rule add priority 77 lookup main"), ip("rule del priority 77")),
		wire("an address", "address 10.98.0.9/24 of eth0", ip("addr add 10.98.0.9/24 dev eth0"), ip("addr del 10.98.0.9/24 dev eth0")),
		wire("an interface", "interface intruder0", []string{"sh", "-c", "ip link add intruder0 type veth peer name intruder1 && ip link set intruder0 up"}, ip("link del intruder0")),
		{"a name", "HSE-NET-012", "intruder is 10.97.0.9", false, func(i intruder) func() { return i.addTo(i.c.HostsPath, "10.97.0.9 intruder\n") }},
		{"a server of names", "HSE-NET-012", "asks 10.97.0.9", false, func(i intruder) func() { return i.addTo(i.c.ResolvConfPath, "nameserver 10.97.0.9\n") }},
		{"a host name", "HSE-NET-012", "/etc/hostname", false, func(i intruder) func() { return i.addTo(i.c.HostnamePath, "intruder\n") }},
		{"a UDP socket", "HSE-NET-007", "port 5353/udp", false, func(i intruder) func() {
			fd := -1
			i.inside("net", unix.CLONE_NEWNET, func() (err error) {
				if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
					return err
				}
				return unix.Bind(fd, &unix.SockaddrInet4{Port: 5353})
			})
			return func() { _ = unix.Close(fd) }
		}},
		leave("a setuid program", "/data/deep/er/tool, with mode 4755", func(i intruder, at string) error { return program(i, at, 0o755|os.ModeSetuid) }),
		leave("a setgid program", "with mode 2755", func(i intruder, at string) error { return program(i, at, 0o755|os.ModeSetgid) }),
		leave("a program with capabilities", "gives capabilities", func(i intruder, at string) error {
			if err := program(i, at, 0o755); err != nil {
				return err
			}
			return unix.Setxattr(at, "security.capability", []byte{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0)
		}),
		leave("a device file in a volume", "is a device", func(_ intruder, at string) error { return unix.Mknod(at, unix.S_IFBLK|0o666, int(unix.Mkdev(8, 0))) }),
		{"a device file in /dev", "HSE-KRN-011", "/dev/disk is device b 8:0", false, func(i intruder) func() {
			at := fmt.Sprintf("/proc/%d/root/dev/disk", i.c.State.Pid)
			if err := unix.Mknod(at, unix.S_IFBLK|0o666, int(unix.Mkdev(8, 0))); err != nil {
				i.Fatal(err)
			}
			return func() { _ = os.Remove(at) }
		}},
		{"a rule for devices", "HSE-KRN-011", "the control group allows device b 8:", false, func(i intruder) func() {
			write := func(file string) error {
				return os.WriteFile(filepath.Join(groupOf(i, "devices"), file), []byte("b 8:0 rwm"), 0o600)
			}
			if err := write("devices.allow"); err != nil {
				i.Skipf("control groups of version 2, or rules that may not be changed here: %v", err)
			}
			return func() { _ = write("devices.deny") }
		}},
		{"a volume of everybody", "HSE-FS-013", "/data has mode 0777", false, func(i intruder) func() {
			if err := os.Chmod(i.volume(), 0o777); err != nil {
				i.Fatal(err)
			}
			return func() { _ = os.Chmod(i.volume(), 0o700) }
		}},
		{"a volume of another user", "HSE-FS-013", "/data belongs to 0:10001", false, func(i intruder) func() {
			if err := os.Chown(i.volume(), 0, 10001); err != nil {
				i.Fatal(err)
			}
			return func() { _ = os.Chown(i.volume(), 10001, 10001) }
		}},
		{"settings that can be written", policy.WholeComparison, "/proc/sys is writable", false, func(i intruder) func() {
			remount := func(flags uintptr) {
				i.inside("mnt", unix.CLONE_NEWNS, func() error {
					return unix.Mount("", "/proc/sys", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|flags, "")
				})
			}
			remount(0)
			return func() { remount(unix.MS_RDONLY) }
		}},
		{"settings where programs run", policy.WholeComparison, "/proc is mounted without noexec", false, func(i intruder) func() {
			remount := func(flags uintptr) {
				i.inside("mnt", unix.CLONE_NEWNS, func() error {
					return unix.Mount("", "/proc", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_NOSUID|unix.MS_NODEV|flags, "")
				})
			}
			remount(0)
			return func() { remount(unix.MS_NOEXEC) }
		}},
	}
}

// groupOf is the directory of the container's control group: of version 2, or of a controller of version 1.
func groupOf(i intruder, controller string) string {
	i.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", i.c.State.Pid))
	if err != nil {
		i.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if dir := filepath.Join("/sys/fs/cgroup", parts[1], parts[2]); (parts[1] == controller || parts[1] == "") && strings.Contains(parts[2], i.c.ID) {
			return dir
		}
	}
	i.Fatal("the control group is not mounted here")
	return ""
}

// Whatever is done to a running container from the machine is named by its control, from the machine and by a probe, and when it is
// taken back nothing is left to say.
func TestVerifySeesIntrusions(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	s := testStack(t, e, web, "serve")
	d := deploy.Desired{Stack: s, Secrets: map[string]deploy.Secret{"token": deploy.NewSecret([]byte(tokenValue))}, Timeout: patience()}
	_, plan := planOf(t, e, d)
	if err := deploy.Execute(t.Context(), plan, e, func(v deploy.Event) { t.Logf("%s %s", v.Subject, v.Text) }); err != nil {
		t.Fatal(err)
	}
	rendered := &verify.Rendered{File: plan.File}
	look := func(t *testing.T, local bool) []finding.Finding {
		t.Helper()
		e.LookLocally(nil)
		if local {
			e.LookLocally(probe.Local)
		}
		evidence, err := verify.Verify(t.Context(), s, e, verify.Options{Rendered: rendered})
		if err != nil {
			t.Fatal(err)
		}
		return evidence.Findings
	}
	clean := func(when string, local bool) {
		t.Helper()
		for _, f := range look(t, local) {
			if !f.Proven() && f.Control != "HSE-OPS-004" { // which remembers that exec was used
				t.Errorf("%s: %s %s: %s", when, f.Control, f.Status, f.Detail)
			}
		}
	}
	if f := findingOf(t, look(t, true), "HSE-NS-007"); f.Status != finding.Pass || f.Tier != finding.Effective {
		t.Fatalf("%s on %s: %s", f.Status, f.Tier, f.Detail)
	}
	clean("as deployed, from the machine", true)
	clean("as deployed, by a probe", false)
	c := only(t, e, s, "web")
	for _, way := range intrusions() {
		t.Run(way.name, func(t *testing.T) {
			back := way.do(intruder{t, e, c})
			for _, local := range []bool{true, false} {
				if !local && way.local {
					continue
				}
				f := findingOf(t, look(t, local), way.control)
				if f.Status != finding.Fail && f.Status != finding.Drift || !strings.Contains(f.Detail, way.detail) {
					t.Errorf("from the machine %v: %s is %s: %s", local, f.Control, f.Status, f.Detail)
				}
			}
			back()
		})
	}
	clean("when all is taken back", true)
}

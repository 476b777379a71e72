//go:build linux

package probe_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/probe"
	"github.com/hsectl/hsectl/internal/verify"
)

// fake lays out what a probe sees of a container: two processes, its control group, and its root.
func fake(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for path, text := range map[string]string{
		"proc/1/status": "Name:\tinit\n", "proc/1/limits": "limits", "proc/1/attr/current": "docker-default (enforce)\n",
		"proc/1/mountinfo": "mounts", "proc/1/cgroup": "12:cpu,cpuacct:/docker/x\n5:memory:/docker/x\n4:pids:/docker/x\n0::/docker/x\n", "proc/1/net/tcp": "sockets", "proc/1/net/tcp6": "sockets6",
		"proc/7/status": "Name:\tnode\n", "proc/7/limits": "limits", "proc/7/mountinfo": "not read",
		"proc/9/limits": "ended meanwhile", "proc/self/status": "not a process", "proc/kcore": "", "proc/keys": "",
		"sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": "1024\n", "sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us": "5\n",
		"sys/fs/cgroup/pids/docker/x/pids.max": "7\n", "sys/fs/cgroup/docker/x/memory.max": "2048\n", "sys/fs/cgroup/docker/x/secret": "not asked for",
		"proc/1/root/data/kept": "before", "proc/1/root/etc/passwd": "before", "proc/1/root/run/secrets/token": "hunter2",
	} {
		write(t, filepath.Join(root, path), text)
	}
	if err := os.Chmod(filepath.Join(root, "proc/1/root/run/secrets/token"), 0o400); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestProbe(t *testing.T) {
	root := fake(t)
	before := tree(t, filepath.Join(root, "proc/1/root"))
	dump := probe.Run(root, verify.Request{Write: []string{"/data", "/etc/passwd", "/none"}, Secrets: "/run/secrets"})
	if len(dump.Processes) != 2 || dump.Processes[0].PID != 1 || dump.Processes[1].PID != 7 {
		t.Fatalf("processes: %+v", dump.Processes)
	}
	first := dump.Processes[0].Files
	for name, want := range map[string]string{"status": "Name:\tinit\n", "mountinfo": "mounts", "net/tcp": "sockets", "net/tcp6": "sockets6", "attr/current": "docker-default (enforce)\n"} {
		if first[name] != want {
			t.Errorf("%s of PID 1 is %q", name, first[name])
		}
	}
	if _, ok := dump.Processes[1].Files["mountinfo"]; ok {
		t.Error("the mounts of every process are read")
	}
	if want := map[string]string{"memory.limit_in_bytes": "1024\n", "cpu.cfs_quota_us": "5\n", "pids.max": "7\n", "memory.max": "2048\n"}; !reflect.DeepEqual(dump.Cgroup, want) {
		t.Errorf("control group: %v", dump.Cgroup)
	}
	if want := []verify.Trial{{Path: "/data"}, {Path: "/etc/passwd"}, {Path: "/none", Error: "ENOENT"}}; !reflect.DeepEqual(dump.Trials, want) {
		t.Errorf("trials: %+v", dump.Trials)
	}
	if want := []string{"/proc/kcore", "/proc/keys"}; !reflect.DeepEqual(dump.Kernel, want) {
		t.Errorf("kernel paths: %v", dump.Kernel)
	}
	if want := []verify.SecretFile{{Name: "token", Mode: 0o400, Readable: true}}; !reflect.DeepEqual(dump.Secrets, want) {
		t.Errorf("secrets: %+v", dump.Secrets)
	}
	if len(dump.Errors) != 0 {
		t.Errorf("errors: %v", dump.Errors)
	}
	if after := tree(t, filepath.Join(root, "proc/1/root")); !reflect.DeepEqual(before, after) {
		t.Errorf("trying to write left a trace: %v", after)
	}
}

// What cannot be seen is said, never left out without a word.
func TestProbeSaysWhatItCannotSee(t *testing.T) {
	dump := probe.Run(t.TempDir(), verify.Request{Write: []string{"/"}, Secrets: "/run/secrets"})
	if len(dump.Processes) != 0 || len(dump.Errors) != 2 || !strings.Contains(dump.Hidden, "listing processes") || !strings.Contains(dump.Barred, "entering") {
		t.Errorf("got %+v", dump)
	}
	if len(dump.Trials) != 0 {
		t.Errorf("a probe that could not go in says that writes fail: %+v", dump.Trials)
	}
	root := fake(t)
	if err := os.RemoveAll(filepath.Join(root, "proc/1/root/run")); err != nil {
		t.Fatal(err)
	}
	if dump := probe.Run(root, verify.Request{Secrets: "/run/secrets"}); len(dump.Errors) != 1 || !strings.Contains(dump.Errors[0], "listing secrets") {
		t.Errorf("errors: %v", dump.Errors)
	}
	write(t, filepath.Join(root, "proc/7/attr/current/x"), "") // a directory cannot be read as a file
	if dump := probe.Run(root, verify.Request{}); !strings.Contains(dump.Hidden, "attr/current of process 7") {
		t.Errorf("a label that cannot be read is taken for none: %+v", dump)
	}
}

// A secret's content is never kept, and only files count.
func TestProbeKeepsNoSecret(t *testing.T) {
	root := fake(t)
	if err := os.MkdirAll(filepath.Join(root, "proc/1/root/run/secrets/directory"), 0o755); err != nil {
		t.Fatal(err)
	}
	dump := probe.Run(root, verify.Request{Secrets: "/run/secrets"})
	if len(dump.Secrets) != 1 {
		t.Errorf("secrets: %+v", dump.Secrets)
	}
	if text := strings.Join(append(dump.Errors, dump.Secrets[0].Name), " "); strings.Contains(text, "hunter2") {
		t.Errorf("the value is kept: %s", text)
	}
	if dump := probe.Run(root, verify.Request{}); dump.Secrets != nil {
		t.Errorf("secrets that were not asked for: %+v", dump.Secrets)
	}
}

// A probe's program stands alone in its image: what needs other files is refused here, not there.
func TestStaticProgram(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "script"), "#!/bin/sh\n")
	for _, path := range []string{filepath.Join(dir, "none"), filepath.Join(dir, "script"), dir} {
		if data, err := probe.StaticProgram(path); err == nil || data != nil {
			t.Errorf("%s: %d bytes, %v", path, len(data), err)
		}
	}
	if _, err := probe.StaticProgram("/bin/sh"); !errors.Is(err, probe.ErrDynamic) {
		t.Logf("the shell of this machine stands alone: %v", err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tree returns the content of every file below dir, by its path.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		out[rel] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

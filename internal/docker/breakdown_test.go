//go:build engine

package docker

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/engine/enginetest"
	"github.com/hsectl/hsectl/internal/engine/records"
	"github.com/hsectl/hsectl/internal/engine/volumes"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
)

// These tests break what a deploy stands on: the engine, its disk, its clock, and the records that it keeps.

// The engine goes away in the middle of a deploy, by a crash or by an orderly restart. The deploy says so; once the engine
// is back the stack is made wholly old, or wholly new.
func TestEngineRestarted(t *testing.T) {
	t.Parallel()
	p := newPrivate(t)
	f := newFaultOn(t, p.host)
	old, next := f.profile("old", "serve", "serve"), f.profile("next", "serve", "serve")
	f.must("old", "deploy", "--verify=false", "-f", old)
	for _, c := range []struct {
		at     string
		signal syscall.Signal
		abort  bool
	}{
		{"converge " + f.name, syscall.SIGKILL, true},
		{"verify", syscall.SIGTERM, true},
		{"deliver secrets web", syscall.SIGKILL, false},
	} {
		t.Run(fmt.Sprintf("%s at %s", c.signal, c.at), func(t *testing.T) {
			f, p := *f, *p
			f.t, p.t = t, t
			cmd := f.command("next", "deploy", "--format", "json", "-f", next)
			var messages strings.Builder
			cmd.Stderr = &messages
			code := f.watch(cmd, func(e event) {
				if e.Kind == "step" && e.Text == c.at {
					p.stop(c.signal)
				}
			})
			if code != 1 || !strings.Contains(messages.String(), "hsectl deploy --abort") {
				t.Errorf("exit %d, want 1 and a way out:\n%s", code, messages.String())
			}
			p.start()
			if c.abort {
				f.must("next", "deploy", "--abort", "--verify=false", "-f", next)
				f.is("old", old)
				return
			}
			f.must("next", "deploy", "--verify=false", "-f", next)
			f.is("next", next)
		})
	}
}

// A full disk before a deploy changes nothing; one that fills in its middle is undone when there is room again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	p := newPrivate(t)
	f := newFaultOn(t, p.host)
	old, next := f.profile("old", "serve", "serve"), f.profile("next", "serve", "serve")
	f.must("old", "deploy", "-f", old)
	before := only(t, f.e, deployedStack(f), "web").ID

	free := p.fill()
	if code, out := f.run("next", "deploy", "-f", next); code != 1 || !strings.Contains(out, "no space left on device") {
		t.Errorf("exit %d, want 1 and the cause:\n%s", code, out)
	}
	free()
	if only(t, f.e, deployedStack(f), "web").ID != before {
		t.Error("a container was replaced although there was no room for the record of it")
	}
	f.is("old", old)

	cmd := f.command("next", "deploy", "--format", "json", "-f", next)
	var messages strings.Builder
	cmd.Stderr = &messages
	code := f.watch(cmd, func(e event) {
		if e.Kind == "step" && e.Text == "converge "+f.name {
			free = p.fill()
		}
	})
	free()
	if code != 1 || !strings.Contains(messages.String(), "no space left on device") {
		t.Errorf("exit %d, want 1 and the cause:\n%s", code, messages.String())
	}
	f.must("next", "deploy", "--abort", "--verify=false", "-f", next)
	f.is("old", old)
}

// skewed is a socket through which the engine's clock seems to be moved. Containers keep the times that they have.
func skewed(t *testing.T, by time.Duration) string {
	t.Helper()
	p := &enginetest.Proxy{Change: func(r *http.Response) error {
		if !strings.HasSuffix(r.Request.URL.Path, "/info") {
			return nil
		}
		var info map[string]any
		if err := json.NewDecoder(r.Body).Decode(&info); err != nil {
			return err
		}
		now, err := time.Parse(time.RFC3339Nano, fmt.Sprint(info["SystemTime"]))
		if err != nil {
			return err
		}
		info["SystemTime"] = now.Add(by).Format(time.RFC3339Nano)
		data, err := json.Marshal(info)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
		r.Header.Set("Content-Length", fmt.Sprint(len(data)))
		return err
	}}
	p.Start(t, engineSocket())
	return p.Host()
}

// A clock that was moved, ahead or back, neither fails a deploy nor makes it wait, and the order of releases stays.
func TestClockMoved(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	old, next := f.profile("old", "serve", "serve"), f.profile("next", "serve", "serve")
	f.must("old", "deploy", "--verify=false", "-f", old)
	f.must("next", "deploy", "--verify=false", "-f", next, "--host", skewed(t, 24*time.Hour))
	f.is("next", next)
	f.must("old", "deploy", "--verify=false", "--settle", "2s", "--timeout", "1m", "-f", old, "--host", skewed(t, -24*time.Hour))
	f.is("old", old)
	f.must("", "rollback", "--verify=false", "--stack", f.name)
	f.is("next", next)
}

// A journal that is cut in the middle leaves the one before, which knows that a deploy is open. When nothing is left of it
// nothing is changed, and the message names what is damaged.
func TestJournalCut(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	old, next := f.profile("old", "serve", "serve"), f.profile("next", "serve", "serve")
	f.must("old", "deploy", "--verify=false", "-f", old)
	cmd := f.command("next", "deploy", "--format", "json", "-f", next)
	f.watch(cmd, func(e event) {
		if e.Kind == "step" && e.Text == "verify" {
			_ = cmd.Process.Kill()
		}
	})
	j, err := f.e.Journal(t.Context(), f.name)
	if err != nil || !j.Open() {
		t.Fatalf("%+v, %v", j, err)
	}
	f.cut(j.Slot())
	if before, err := f.e.Journal(t.Context(), f.name); err != nil || !before.Open() || before.Sequence != j.Sequence-1 {
		t.Errorf("the journal before the one that was cut: %+v, %v", before, err)
	}
	f.must("next", "deploy", "--abort", "--verify=false", "-f", next)
	f.is("old", old)

	for slot := range record.Slots {
		f.cut(slot)
	}
	id := only(t, f.e, deployedStack(f), "web").ID
	for _, args := range [][]string{{"deploy", "-f", next}, {"rollback", "--stack", f.name}, {"deploy", "--abort", "-f", next}} {
		code, out := f.run("next", args...)
		if code != 1 || !strings.Contains(out, "is damaged") || !strings.Contains(out, records.JournalVolume(f.name)) {
			t.Errorf("%v: exit %d, want 1 and the name of the journal's volume:\n%s", args, code, out)
		}
	}
	if only(t, f.e, deployedStack(f), "web").ID != id {
		t.Error("a container was replaced")
	}
	f.leftovers()
}

// A look without the lock tells that it is not consistent: while another deploy holds the lock, after an interrupted run, and when
// the journal was written while it looked.
func TestLookIsOfOneMoment(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	f.must("old", "deploy", "--verify=false", "-f", f.profile("old", "serve", "serve"))
	look := func() deploy.Records {
		t.Helper()
		r, _, err := f.e.Look(t.Context(), deploy.Desired{Stack: deployedStack(f)})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := look(); !r.Quiet || r.Journal.Open() || len(r.History) != 1 {
		t.Errorf("no deploy runs: %+v", r.Journal)
	}
	lock, err := f.e.Lock(t.Context(), f.name, records.LockOptions{Gone: func(string) bool { return false }, Report: func(deploy.Event) {}})
	if err != nil {
		t.Fatal(err)
	}
	if look().Quiet {
		t.Error("another deploy holds the lock")
	}
	j, err := lock.Journal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.e.List(t.Context(), f.name, records.RoleJournal)
	if err != nil {
		t.Fatal(err)
	}
	j.Sequence++
	if err := f.e.Read(t.Context(), &s, func() error { return lock.Write(t.Context(), j) }); err != nil || s.Unchanged {
		t.Errorf("the journal was written meanwhile, and that was not detected: %v", err)
	}
	if err := lock.Unlock(t.Context()); err != nil {
		t.Error(err)
	}
	if r := look(); !r.Quiet || r.Journal.Sequence != j.Sequence {
		t.Errorf("no deploy runs any more: %+v", r.Journal)
	}
}

// What is read on this machine is what the engine says of the same volumes, and nothing is believed of a directory that is
// another one.
func TestLocalSeesWhatTheEngineSees(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	f.must("old", "deploy", "--verify=false", "-f", f.profile("old", "serve", "serve"))
	desired := deploy.Desired{Stack: deployedStack(f)}
	desired.Stack.Services = []stack.Service{{Name: "web", Writable: []stack.Writable{{Path: "/data", Volume: "data", Owner: stack.User{UID: 10001, GID: 10001}}}}}
	look := func(walk records.Walk) string {
		t.Helper()
		f.e.ReadLocally(walk)
		r, o, err := f.e.Look(t.Context(), desired)
		if err != nil || len(r.History) != 1 || r.History[0].Err != nil || len(o.Delivered) != 1 || len(o.Volumes) != 1 {
			t.Fatalf("%+v, %+v, %v", r, o.Volumes, err)
		}
		data, err := json.Marshal([]any{r, o})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	want := look(nil)
	asked := 0
	got := look(func(dir string, see func(*tar.Header, io.Reader) error) error { asked++; return host.Walk(dir, see) })
	if got != want || asked == 0 {
		t.Errorf("asked %d times\ngot  %s\nwant %s", asked, got, want)
	}
	other := t.TempDir()
	if got := look(func(_ string, see func(*tar.Header, io.Reader) error) error { return host.Walk(other, see) }); got != want {
		t.Errorf("another directory was believed: %s", got)
	}
}

// cut cuts the record in a place of the journal in its middle.
func (f *fault) cut(slot int) {
	f.t.Helper()
	ctx := f.t.Context()
	err := f.e.Mounted(ctx, map[string]string{volumes.MountPoint: records.JournalVolume(f.name)}, func(id string) error {
		data, err := f.e.Get(ctx, id, path.Join(volumes.MountPoint, fmt.Sprintf("journal-%d.json", slot)))
		if err != nil {
			return err
		}
		return f.e.Put(ctx, id, path.Join(volumes.MountPoint, fmt.Sprintf("journal-%d.json", slot)), data[:len(data)/2])
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// A record of the current release that was changed stops every verb that would need it, before anything changes.
func TestTamperedRelease(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	old, next := f.profile("old", "serve", "serve"), f.profile("next", "serve", "serve")
	f.must("old", "deploy", "--verify=false", "-f", old)
	h, err := f.e.History(t.Context(), f.name)
	if err != nil {
		t.Fatal(err)
	}
	record, err := record.EncodeRelease(h[0].Release)
	if err != nil {
		t.Fatal(err)
	}
	tampered := bytes.Replace(record, []byte("sha256:"), []byte("sha256:0"), 1)
	if err := tamper(t, f.e, f.name, tampered); err != nil {
		t.Fatal(err)
	}
	id := only(t, f.e, deployedStack(f), "web").ID
	code, out := f.run("next", "deploy", "-f", next)
	if code != 1 || !strings.Contains(out, "is damaged") || !strings.Contains(out, records.ReleaseVolume(f.name, 1)) {
		t.Errorf("exit %d, want 1 and the name of the record's volume:\n%s", code, out)
	}
	if only(t, f.e, deployedStack(f), "web").ID != id {
		t.Error("a container was replaced")
	}
	f.leftovers()
}

// A secret that cannot be had is named with its reason before the engine is asked for anything.
func TestWrongSecretSource(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	old := f.profile("old", "serve", "serve")
	f.must("old", "deploy", "--verify=false", "-f", old)
	id := only(t, f.e, deployedStack(f), "web").ID
	data, err := os.ReadFile(old)
	if err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]string{
		"{env: NOT_SET_ANYWHERE}":           "NOT_SET_ANYWHERE",
		"{file: missing.txt}":               "missing.txt",
		"{file: empty.txt}":                 "is empty",
		"{age: broken.age}":                 "age identity",
		"{command: [/nonexistent/program]}": "/nonexistent/program",
		"{command: [\"false\"]}":            "false",
	} {
		path := filepath.Join(f.dir, "wrong.yaml")
		for name, text := range map[string]string{"wrong.yaml": strings.Replace(string(data), "{env: TOKEN}", source, 1), "empty.txt": "\n", "broken.age": "age-encryption.org/v1\n"} {
			if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		code, out := f.run("old", "deploy", "-f", path)
		if code != 2 || !strings.Contains(out, want) || !strings.Contains(out, "secret token") || !strings.Contains(out, "nothing was changed") {
			t.Errorf("%s: exit %d, want 2 and a word on %s:\n%s", source, code, want, out)
		}
	}
	if only(t, f.e, deployedStack(f), "web").ID != id {
		t.Error("a container was replaced")
	}
	f.is("old", old)
}

// An engine that cannot be reached is named with its address and the way to name another one; no deploy is begun.
func TestUnreachableHost(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	old := f.profile("old", "serve", "serve")
	for _, host := range []string{"unix:///nonexistent/engine.sock", "tcp://127.0.0.1:1", "ssh://user@127.0.0.1:1"} {
		code, out := f.run("old", "deploy", "-f", old, "--host", host)
		if code != 1 || !strings.Contains(out, "reaching the engine") || !strings.Contains(out, "hint: ") {
			t.Errorf("%s: exit %d\n%s", host, code, out)
		}
	}
}

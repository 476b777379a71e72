//go:build engine

package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/volumes"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/probe"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify/doctor"
	"github.com/hsectl/hsectl/internal/yamldoc"
	"github.com/hsectl/hsectl/profiles"
)

// brokenParallel bounds the broken stacks that are tried at once; most of their time is waiting.
const brokenParallel = 6

// Each stack of testdata/doctor is broken in one way. Its first lines say which cause is found, at which key, and whether
// the profile that the doctor fixes then works and is proven; # HERE is on the line that is named.
func TestDoctorOnBrokenStacks(t *testing.T) {
	files, err := filepath.Glob("testdata/doctor/*.yaml")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d broken stacks, %v", len(files), err)
	}
	e := testEngine(t)
	e.LookLocally(probe.Local)
	slots := make(chan struct{}, brokenParallel)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			defer func() { <-slots }()
			b := newBroken(t, e, file)
			b.deploy(b.text)
			d := b.diagnosis()
			b.atTheRightLine(d)
			if b.expect["fixed"] != "yes" {
				if d.Patch.Certain() || d.Advice == "" {
					t.Errorf("a person decides, but the doctor says %+v", d)
				}
				return
			}
			b.fixes(d)
		})
	}
}

// broken is one stack that does not work.
type broken struct {
	t      *testing.T
	e      *Engine
	name   string
	text   string
	expect map[string]string
	stack  stack.Stack
}

func newBroken(t *testing.T, e *Engine, file string) *broken {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b := &broken{t: t, e: e, name: "evi-doctor-" + strings.ToLower(rand.Text()[:8]), expect: map[string]string{}}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(strings.TrimPrefix(line, "# "), ": "); ok && strings.HasPrefix(line, "# ") {
			b.expect[key] = strings.TrimSpace(value)
		}
	}
	foreign := image.NewStatic("hsectl/test-foreign", e.OS, e.Arch, []byte("a program for no processor\n"))
	if err := e.LoadStatic(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0") // a port that is in use
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() }) // nothing was sent
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	b.text = strings.NewReplacer("NAME", b.name, "IMAGE", workload(t, e), "FOREIGN", foreign.Reference, "PORT", port).Replace(string(data))
	t.Cleanup(func() {
		if err := e.Down(context.Background(), b.name, true); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *broken) parse(text string) *profile.Profile {
	b.t.Helper()
	p, err := parser.Parse([]byte(text), parser.Options{File: "broken.yaml", Library: profiles.Library{}, CheckImage: image.Check})
	if err != nil {
		b.t.Fatalf("%v\n%s", err, text)
	}
	return p
}

// deploy brings the stack up, which is to fail, and what is odd about it besides its profile.
func (b *broken) deploy(text string) {
	b.t.Helper()
	b.stack = stack.New(b.parse(text))
	if slices.ContainsFunc(b.stack.Services, func(s stack.Service) bool { return slices.Contains(s.Command, "owner") }) {
		b.fillVolume()
	}
	_, err := deployStack(b.t, b.e, b.stack, tokenValue)
	stubborn := slices.Contains(b.stack.Services[0].Command, "plain")
	if stubborn == (err != nil) {
		b.t.Fatalf("deploying what is broken: %v", err)
	}
	if stubborn {
		if _, err := b.e.Stop(b.t.Context(), b.stack.Name, "web"); err != nil {
			b.t.Fatal(err)
		}
	}
}

// fillVolume puts a directory of root into the volume of the stack, as an earlier version of a service leaves it.
func (b *broken) fillVolume() {
	b.t.Helper()
	name := deploy.VolumeName(b.stack, "data")
	if _, err := b.e.API.VolumeCreate(b.t.Context(), client.VolumeCreateOptions{Name: name, Labels: map[string]string{engine.ComposeProject: b.stack.Name, engine.ComposeVolume: "data"}}); err != nil {
		b.t.Fatal(err)
	}
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	for _, h := range []tar.Header{{Name: "kept/", Typeflag: tar.TypeDir, Mode: 0o700}, {Name: "kept/file", Typeflag: tar.TypeReg, Mode: 0o600}} {
		if err := w.WriteHeader(&h); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.t.Fatal(err)
	}
	err := b.e.Mounted(b.t.Context(), map[string]string{volumes.MountPoint: name}, func(id string) error {
		_, err := b.e.API.CopyToContainer(b.t.Context(), id, client.CopyToContainerOptions{DestinationPath: volumes.MountPoint, Content: &files})
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *broken) diagnosis() doctor.Diagnosis {
	b.t.Helper()
	symptoms, err := b.e.Symptoms(b.t.Context(), b.stack)
	if err != nil {
		b.t.Fatal(err)
	}
	found := doctor.Diagnose(b.stack, symptoms)
	i := slices.IndexFunc(found, func(d doctor.Diagnosis) bool { return d.Service == "web" })
	if i < 0 {
		b.t.Fatalf("nothing is found in %+v", symptoms)
	}
	if d := found[i]; !strings.HasPrefix(d.Cause, b.expect["cause"]) || d.Patch.Path != b.expect["place"] || d.Evidence == "" {
		b.t.Fatalf("found %+v\nin %+v", found, symptoms)
	}
	return found[i]
}

func (b *broken) atTheRightLine(d doctor.Diagnosis) {
	b.t.Helper()
	before, _, ok := strings.Cut(b.text, "# HERE")
	want := fmt.Sprintf("broken.yaml:%d:", strings.Count(before, "\n")+1)
	if got := b.parse(b.text).Written(d.Patch.Path).String(); !ok || !strings.HasPrefix(got, want) {
		b.t.Errorf("the doctor points at %s, want %s", got, want)
	}
}

// fixes writes what the doctor says, and proves that it works then.
func (b *broken) fixes(d doctor.Diagnosis) {
	b.t.Helper()
	text := []byte(b.text)
	var err error
	for range 4 { // a limit is doubled until it is enough
		if text, err = yamldoc.Patch(text, yamldoc.Edit(d.Patch)); err != nil {
			b.t.Fatal(err)
		}
		for line := range strings.Lines(b.text) {
			if _, comment, ok := strings.Cut(line, "#"); ok && !strings.Contains(string(text), "#"+comment) {
				b.t.Errorf("the comment %q is lost", comment)
			}
		}
		// What restarts over and over is taken away first, so that the deploy does not take its end for a new one.
		if err := b.e.Down(b.t.Context(), b.name, false); err != nil {
			b.t.Fatal(err)
		}
		b.stack = stack.New(b.parse(string(text)))
		if _, err = deployStack(b.t, b.e, b.stack, tokenValue); err == nil {
			break
		}
		d = b.diagnosis()
	}
	if err != nil {
		b.t.Fatalf("fixed, and does not work: %v\n%s", err, text)
	}
	for _, f := range judge(b.t, b.e, b.stack) {
		if !f.Proven() {
			b.t.Errorf("fixed, but %s is %s: %s", f.Control, f.Status, f.Detail)
		}
	}
}

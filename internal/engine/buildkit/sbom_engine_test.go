//go:build engine

package buildkit

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	buildkit "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/tonistiigi/fsutil"

	"github.com/hsectl/hsectl/internal/engine"
)

// built returns the program under test. Where there is no Go, HSECTL_TEST_PROGRAMS names a directory that has it.
func built(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(os.Getenv("HSECTL_TEST_PROGRAMS"), "probe")
	if os.Getenv("HSECTL_TEST_PROGRAMS") == "" {
		path = filepath.Join(t.TempDir(), "probe")
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "../../../cmd/hsectl")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The generator runs within a build on every engine, also on one that could not keep what it writes: it needs nothing but
// the files that it looks at and those that only root may read, and nothing is pulled.
func TestGeneratorOnAnEngine(t *testing.T) {
	t.Parallel()
	e, err := engine.Connect(t.Context(), engine.Endpoint{})
	if err != nil {
		t.Fatalf("%v\nthis test needs an engine: scripts/engine up, or DOCKER_HOST", err)
	}
	defer e.Close()
	program := built(t)
	c, err := New(e, nil, nil).reach(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var document string
	options := buildkit.SolveOpt{LocalMounts: map[string]fsutil.FS{sbomMount: programFiles(program)}}
	if _, err := c.Build(t.Context(), options, "", func(ctx context.Context, g gateway.Client) (*gateway.Result, error) {
		runs, err := runsOn(program, g.BuildOpts().Workers)
		if err != nil {
			return nil, err
		}
		root := llb.Scratch()
		for dir, file := range map[string][2]string{
			"/etc":          {"os-release", "ID=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm\n"},
			"/var/lib/dpkg": {"status", "Package: openssl\nStatus: install ok installed\nVersion: 3.0.16-1\nArchitecture: amd64\n\n"},
		} {
			root = root.File(llb.Mkdir(dir, 0o755, llb.WithParents(true)).Mkfile(dir+"/"+file[0], 0o600, []byte(file[1])))
		}
		documents, err := runGenerator(ctx, g, described{root: root, title: "a test of the generator"}, runs, 1700000000)
		if err != nil {
			return nil, err
		}
		data, err := documents.ReadFile(ctx, gateway.ReadRequest{Filename: "sbom.spdx.json"})
		document = string(data)
		return gateway.NewResult(), err
	}, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"predicateType":"https://spdx.dev/Document"`, "pkg:deb/debian/openssl@3.0.16-1", "2023-11-14T22:13:20Z"} {
		if !strings.Contains(document, want) {
			t.Errorf("%s is not in\n%s", want, document)
		}
	}

	// A builder that cannot run this program is refused, and so is a program that is none.
	arm := []gateway.WorkerInfo{{Platforms: []ocispecs.Platform{{OS: "linux", Architecture: "s390x"}}}}
	for _, p := range [][]byte{program, []byte("no program")} {
		_, err := runsOn(p, arm)
		if foreign, ok := errors.AsType[*ForeignBuilderError](err); !ok || !strings.Contains(foreign.Error(), "the builder runs linux/s390x") {
			t.Errorf("got %v", err)
		}
	}
}

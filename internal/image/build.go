package image

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// BuildRequest says how to build one image.
type BuildRequest struct {
	Service    string
	Reference  string
	Context    string // directory on this machine
	Dockerfile string // path within the context
	Target     string
	Args       map[string]string
	Labels     map[string]string
	NoCache    bool
	Pull       bool   // look for newer base images
	Network    string // host lets build steps use the network of the engine's machine; empty is the engine's default
	Caches     BuildCaches
	Secrets    []string // as docker build takes them: id=NAME,env=VARIABLE or id=NAME,src=FILE
	SSH        []string // as docker build takes them: default, or id=SOCKET or id=KEY
	Epoch      int64    // SOURCE_DATE_EPOCH in seconds; zero is none
	Platforms  []string // such as linux/arm64; none is the builder's own
	Provenance bool     // attest how it was built
	SBOM       bool     // attest what is in it
	Remote     *RemoteBuild
}

// BuildCaches are where layers of earlier builds come from and go to, as docker build takes them:
// type=registry,ref=…, type=local,dest=…, type=gha or type=inline.
type BuildCaches struct{ From, To []string }

// RemoteBuild is a BuildKit of its own, next to the one within the engine.
type RemoteBuild struct {
	Address string // unix:///run/buildkit/buildkitd.sock, tcp://…, docker-container://…
	Push    bool   // to the registry of the reference; otherwise the image goes to the engine
}

// Builder builds an image and leaves it on the engine. Progress is written as it goes.
type Builder interface {
	Build(ctx context.Context, r BuildRequest, progress io.Writer) (id string, err error)
}

// LintWarning is what a check of a Dockerfile says.
type LintWarning struct {
	Rule string
	Line int
	Text string
	See  string // address of the rule's page
}

// Instruction is one step of a Dockerfile.
type Instruction struct {
	Line    int
	Keyword string   // in capitals
	Args    []string // as the parser splits them, and the text of heredocs
	Flags   []string // such as --from=deps
	Stage   int      // counted from zero; -1 is before the first FROM
}

// Text returns the arguments as one string.
func (i Instruction) Text() string { return strings.Join(i.Args, " ") }

// Flag returns the value of a flag.
func (i Instruction) Flag(name string) (string, bool) {
	for _, f := range i.Flags {
		if key, value, _ := strings.Cut(strings.TrimPrefix(f, "--"), "="); key == name {
			return value, true
		}
	}
	return "", false
}

// BuildError is a build that failed.
type BuildError struct {
	Reference string
	Err       error
}

// Error implements error.
func (e *BuildError) Error() string { return fmt.Sprintf("building image %s: %v", e.Reference, e.Err) }

// Unwrap returns the cause.
func (e *BuildError) Unwrap() error { return e.Err }

// Origin is where an image comes from.
type Origin struct {
	Title    string
	Revision string    // git revision, with -dirty when the work tree differs
	Source   string    // address of the repository
	Created  time.Time // of the revision, so that the same sources give the same labels
}

// Labels returns the annotations of an image as the OCI image specification names them
// (github.com/opencontainers/image-spec, annotations.md). What is not known is left out.
func Labels(o Origin) map[string]string {
	out := map[string]string{}
	for key, value := range map[string]string{"title": o.Title, "revision": o.Revision, "source": o.Source} {
		if value != "" {
			out["org.opencontainers.image."+key] = value
		}
	}
	if !o.Created.IsZero() {
		out["org.opencontainers.image.created"] = o.Created.UTC().Format(time.RFC3339)
	}
	return out
}

// Package supply is the way of images: built, locked, scanned and signed, and judged before a deploy uses them.
package supply

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/redact"
)

// BuildOptions say what is built, how, and where it goes.
type BuildOptions struct {
	NoCache, Pull bool
	Args          []string
	Target        string
	Network       string
	Services      []string

	CacheFrom, CacheTo, Secrets, SSH []string
	Epoch                            string
	Push, NoLint, Check              bool
	Parallel                         int
	Builder                          string
	Platforms                        []string
	Provenance, SBOM                 bool
	Key                              SigningKey
	signer                           func(ctx context.Context, reference, digest string) error
}

// Build builds the images that the profile builds.
func Build(ctx context.Context, g *app.Settings, s app.Streams, o BuildOptions) error {
	l, err := app.Load(g.File)
	if err != nil {
		return err
	}
	if err := o.openKey(); err != nil {
		return err
	}
	requests, err := buildRequests(ctx, l, o)
	if err != nil {
		return err
	}
	if len(requests) == 0 {
		s.Say("nothing to build: no service of %s has a build", l.Stack.Name)
		return nil
	}
	if o.Check {
		err := lintDockerfiles(ctx, s, l, requests)
		if err == nil {
			s.Say("checked %s; none is refused", display.Count(len(requests), "Dockerfile"))
		}
		return err
	}
	engine, err := o.connect(ctx, g)
	if err != nil {
		return err
	}
	defer engine.Close()
	if !o.NoLint {
		if err := lintDockerfiles(ctx, s, l, requests); err != nil {
			return err
		}
	}
	return buildAll(ctx, s, engine, requests, o)
}

func buildRequests(ctx context.Context, l app.Loaded, o BuildOptions) ([]image.BuildRequest, error) {
	for _, name := range o.Services {
		service, ok := l.Stack.Service(name)
		if !ok || service.Build == nil {
			return nil, &app.UsageError{Err: fmt.Errorf("service %q is not built by %s", name, l.Path), Hint: "name a service that has a build"}
		}
	}
	if o.Network != "" && o.Network != "host" && o.Network != "none" {
		return nil, &app.UsageError{Err: fmt.Errorf("unknown build network %q", o.Network), Hint: "write host or none"}
	}
	if err := o.checkSecrets(); err != nil {
		return nil, err
	}
	if err := o.checkHome(); err != nil {
		return nil, err
	}
	remote := o.remoteBuild()
	extra := map[string]string{}
	for _, arg := range o.Args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, &app.UsageError{Err: fmt.Errorf("--build-arg %q has no value", arg), Hint: "write NAME=VALUE"}
		}
		extra[name] = value
	}
	wanted := map[string]bool{}
	for _, name := range o.Services {
		wanted[name] = true
	}
	var out []image.BuildRequest
	for _, service := range l.Stack.Services {
		b := service.Build
		if b == nil || len(wanted) > 0 && !wanted[service.Name] {
			continue
		}
		dir := b.Context
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(l.Dir(), dir)
		}
		args := map[string]string{}
		maps.Copy(args, b.Args)
		maps.Copy(args, extra)
		target := b.Target
		if o.Target != "" {
			target = o.Target
		}
		revision := host.GitRevision(ctx, dir)
		epoch, err := o.seconds(revision.Created)
		if err != nil {
			return nil, err
		}
		out = append(out, image.BuildRequest{
			Service: service.Name, Reference: service.Image, Context: dir, Dockerfile: b.Dockerfile, Target: target, Args: args, NoCache: o.NoCache, Pull: o.Pull, Network: o.Network,
			Caches: image.BuildCaches{From: o.CacheFrom, To: o.CacheTo}, Secrets: o.Secrets, SSH: o.SSH, Epoch: epoch, Platforms: o.Platforms, Provenance: o.Provenance, SBOM: o.SBOM, Remote: remote,
			Labels: image.Labels(image.Origin{Title: l.Stack.Name + "/" + service.Name, Revision: revision.Commit, Source: revision.Source, Created: revision.Created}),
		})
	}
	return out, nil
}

// remoteBuild returns what only a BuildKit of its own can do, or nothing.
func (o BuildOptions) remoteBuild() *image.RemoteBuild {
	if o.Builder == "" {
		return nil
	}
	return &image.RemoteBuild{Address: o.Builder, Push: o.Push}
}

// checkHome refuses what has no place to go, before anything is built.
func (o BuildOptions) checkHome() error {
	if o.Builder == "" || o.Push || len(o.Platforms) < 2 && !o.Provenance && !o.SBOM {
		return nil
	}
	return &app.UsageError{Err: errors.New("several platforms and attestations need an image index, and a separate BuildKit cannot load an index into an engine"),
		Hint: "add --push; or build without them, and write the bill of materials of what was built: hsectl scan IMAGE --format spdx"}
}

// connect reaches the engine. A BuildKit of its own that pushes needs none, and a pipeline may have none.
func (o BuildOptions) connect(ctx context.Context, g *app.Settings) (*docker.Engine, error) {
	if o.Builder != "" && o.Push {
		return docker.NoEngine(app.ProbeProgram)
	}
	return g.Connect(ctx)
}

// openKey reads the key before anything is built, so that a wrong password costs no build.
func (o *BuildOptions) openKey() error {
	if o.Key.Path == "" {
		return nil
	}
	if !o.Push {
		return &app.UsageError{Err: errors.New("a signature is stored next to the image in its registry"), Hint: "add --push"}
	}
	key, err := o.Key.read()
	if err != nil {
		return err
	}
	o.signer = func(ctx context.Context, reference, digest string) error {
		return o.Key.sign(ctx, reference, digest, key, nil)
	}
	return nil
}

// checkSecrets refuses secrets whose variable is not set: BuildKit would build without them and say nothing.
func (o BuildOptions) checkSecrets() error {
	for _, secret := range o.Secrets {
		for field := range strings.SplitSeq(secret, ",") {
			name, ok := strings.CutPrefix(field, "env=")
			if _, set := os.LookupEnv(name); ok && !set {
				return &app.MissingError{Lines: []string{"variable " + name + " of --secret is not set"}}
			}
		}
	}
	return nil
}

// maxBuildSecret is the size of a secret that BuildKit takes.
const maxBuildSecret = 500 << 10

// redactor hides what --secret gives to build steps, which may print it. A value is where BuildKit finds it: in the variable or the
// file that is named, or in those of the secret's own name.
func (o BuildOptions) redactor(lookup func(string) (string, bool), read func(string, int64) ([]byte, error)) redact.Redactor {
	var values, missing []string
	for _, secret := range o.Secrets {
		fields := map[string]string{}
		for field := range strings.SplitSeq(secret, ",") {
			key, value, _ := strings.Cut(field, "=")
			fields[strings.ToLower(strings.TrimSpace(key))] = value
		}
		id, file := fields["id"], cmp.Or(fields["src"], fields["source"])
		if fields["type"] == "env" && fields["env"] == "" {
			fields["env"], file = file, ""
		}
		value, known := lookup(cmp.Or(fields["env"], id))
		if file != "" || !known && fields["env"] == "" {
			data, err := read(cmp.Or(file, id), maxBuildSecret)
			value, known = string(data), err == nil
		}
		if values = append(values, value); !known {
			missing = append(missing, id)
		}
	}
	return redact.New(values, missing)
}

// seconds returns the time that the image is given, or zero for the time of the build.
func (o BuildOptions) seconds(revision time.Time) (int64, error) {
	text := o.Epoch
	if text == "" {
		text = os.Getenv("SOURCE_DATE_EPOCH")
	}
	switch text {
	case "":
		return 0, nil
	case "git":
		if revision.IsZero() {
			return 0, &app.UsageError{Err: errors.New("the build context has no git revision"), Hint: "write --source-date-epoch as seconds"}
		}
		return revision.Unix(), nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return 0, &app.UsageError{Err: fmt.Errorf("--source-date-epoch %q is not a number of seconds", text), Hint: "write seconds since 1970, or git"}
	}
	return n, nil
}

// buildAll builds several images at once. With more than one, each line of progress names its image.
func buildAll(ctx context.Context, s app.Streams, engine *docker.Engine, requests []image.BuildRequest, o BuildOptions) error {
	hide := o.redactor(os.LookupEnv, host.ReadFile)
	if warning := hide.Warning(); warning != "" {
		s.Say("warning: %s", warning)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, o.Parallel))
	var lines sync.Mutex
	for _, r := range requests {
		group.Go(func() error {
			out, progress := s, s.Err
			if len(requests) > 1 && o.Parallel > 1 {
				p := &prefixed{to: s.Err, prefix: r.Reference + "  ", lock: &lines}
				defer p.flush()
				out.Err, progress = p, p
			}
			if len(o.Secrets) > 0 { // otherwise a terminal is left to BuildKit's own display
				redacted := hide.Writer(progress)
				defer redacted.Close() // before the flush; progress that cannot be shown changes nothing
				progress = redacted
			}
			return hide.Error(buildOne(ctx, out, engine, buildWork{r, o.Push, o.signer, progress, &lines}))
		})
	}
	return group.Wait()
}

// buildWork is one image to build.
type buildWork struct {
	request  image.BuildRequest
	push     bool
	sign     func(ctx context.Context, reference, digest string) error // nothing when it is not asked for
	progress io.Writer
	out      *sync.Mutex // results are printed one at a time
}

func buildOne(ctx context.Context, s app.Streams, engine *docker.Engine, w buildWork) error {
	started := time.Now()
	s.Say("building %s from %s", w.request.Reference, w.request.Context)
	var builder image.Builder = engine
	id, err := builder.Build(ctx, w.request, w.progress)
	if err != nil {
		return err
	}
	s.Say("built %s in %s", w.request.Reference, time.Since(started).Round(100*time.Millisecond))
	pushed := id
	if w.push && w.request.Remote == nil {
		if pushed, err = engine.Push(ctx, w.request.Reference); err != nil {
			return err
		}
		s.Say("pushed %s as %s", w.request.Reference, pushed)
	}
	if err := w.attested(ctx, s, pushed); err != nil {
		return err
	}
	if w.sign != nil {
		if err := w.sign(ctx, w.request.Reference, pushed); err != nil {
			return err
		}
		s.Say("signed %s", w.request.Reference)
	}
	w.out.Lock()
	defer w.out.Unlock()
	_, err = fmt.Fprintf(s.Out, "%s %s\n", w.request.Reference, id)
	return err
}

// attested reads back what the registry now says about the image: what was asked for must be there, for each platform.
func (w buildWork) attested(ctx context.Context, s app.Streams, digest string) error {
	r := w.request
	if !w.push || !r.SBOM && !r.Provenance {
		return nil
	}
	repository, err := image.Repository(r.Reference)
	if err != nil {
		return err
	}
	at := repository + "@" + digest
	resolved, err := image.Resolve(ctx, at)
	if err != nil {
		return err
	}
	found, err := image.Attestations(ctx, at)
	if err != nil {
		return err
	}
	for _, p := range resolved.Platforms {
		var said []string
		sbom, provenance := !r.SBOM, !r.Provenance
		for _, a := range found {
			switch {
			case a.Manifest != p.Manifest:
			case a.SBOM():
				sbom, said = true, append(said, "a bill of materials of "+display.Count(a.Packages, "package"))
			case a.Provenance():
				provenance, said = true, append(said, "its provenance")
			}
		}
		if !sbom || !provenance {
			return fmt.Errorf("%s was pushed, but its index lacks the attestations for %s: it has %s", at, p.Platform, cmp.Or(strings.Join(said, " and "), "nothing"))
		}
		s.Say("attested for %s: %s", p.Platform, strings.Join(said, " and "))
	}
	return nil
}

// prefixed writes whole lines, each with a name before it.
type prefixed struct {
	to     io.Writer
	prefix string
	lock   *sync.Mutex // shared by all that write to the same place
	mine   sync.Mutex
	rest   []byte
}

// Write implements io.Writer.
func (p *prefixed) Write(data []byte) (int, error) {
	p.mine.Lock()
	defer p.mine.Unlock()
	p.rest = append(p.rest, data...)
	for {
		i := bytes.IndexByte(p.rest, '\n')
		if i < 0 {
			return len(data), nil
		}
		line := p.rest[:i+1]
		p.lock.Lock()
		_, err := fmt.Fprintf(p.to, "%s%s", p.prefix, line)
		p.lock.Unlock()
		if err != nil {
			return 0, err
		}
		p.rest = p.rest[i+1:]
	}
}

// flush writes a last line that has no end.
func (p *prefixed) flush() {
	if len(p.rest) > 0 {
		_, _ = p.Write([]byte{'\n'}) // progress that cannot be shown changes nothing
	}
}

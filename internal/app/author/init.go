// Package author helps to write profiles: from presets, from Compose files, with explanations and the reference.
package author

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/evidence"
	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/importer"
	"github.com/hsectl/hsectl/internal/importer/difference"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/verify"
	"github.com/hsectl/hsectl/internal/witness"
	"github.com/hsectl/hsectl/internal/yamldoc"
	"github.com/hsectl/hsectl/profiles"
)

// InitOptions are the flags of init.
type InitOptions struct {
	From    []string
	Inputs  app.Inputs
	Presets []string
	Name    string
	Force   bool
	Except  bool
	Running bool
	Strict  bool // guess what is not known
}

// writeProfile writes the new profile, unless one already exists.
func writeProfile(g *app.Settings, o InitOptions, text []byte) error {
	path := g.File.Files[0]
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) && !o.Force {
		return &app.UsageError{Err: fmt.Errorf("%s already exists", path), Hint: "replace it with --force, or name another file with -f"}
	}
	return host.Rewrite(path, text)
}

func initFrom(ctx context.Context, g *app.Settings, s app.Streams, o InitOptions) error {
	path := g.File.Files[0]
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("finding the directory of the profile: %w", err)
	}
	if beside := override(o.From); beside != "" {
		o.From = append(o.From, beside)
		s.Say("also read: %s, as docker compose does", beside)
	}
	in := o.Inputs
	if in, err = in.Project(o.From[0]); err != nil { // that becomes a profile, on the machine of its owner
		return err
	}
	source, _, err := in.Compose(ctx, o.From)
	if err != nil {
		return err
	}
	source.AsWritten, source.Keep = true, true
	p, err := app.LoadCompose(ctx, source)
	if err != nil {
		return &app.UsageError{Err: err, Hint: app.ComposeHint(err, o.From[0])}
	}
	judged := p
	if !p.Whole() || p.Varies() {
		source.AsWritten, source.Keep = false, false
		if judged, err = app.LoadCompose(ctx, source); err != nil {
			return &app.UsageError{Err: err}
		}
	}
	target := importer.Target{Dir: dir, Source: filepath.Base(o.From[0]), Today: time.Now(), Library: profiles.Library{}, Strict: o.Strict, Owner: ownerOf}
	if !o.Strict {
		target.Images = look(ctx, g, s, judged, o.Running)
	}
	for _, file := range in.EnvFiles {
		if file, err = filepath.Abs(file); err != nil {
			return fmt.Errorf("finding the variables: %w", err)
		}
		target.EnvFiles = append(target.EnvFiles, file)
	}
	if o.Running {
		if target.Observed, err = inspectRunning(ctx, g, s, cmp.Or(o.Name, p.Name)); err != nil {
			return err
		}
	}
	before := make(chan []finding.Finding, 1)
	go func() { before <- judged.Check() }() // the two read the same project, and write nothing
	draft, err := importer.Profile(p, target)
	if err != nil {
		return err
	}
	if o.Except {
		if target.Excepts, err = failing(ctx, draft.Text); err != nil {
			return err
		}
		if draft, err = importer.Profile(p, target); err != nil {
			return err
		}
	}
	if err := writeProfile(g, o, draft.Text); err != nil {
		return err
	}
	evidence.SayUnseen(s, judged, "")
	return sayDraft(ctx, s, in, path, draft, taken{judged, <-before})
}

// taken is a project that was taken in, and what the controls say of it.
type taken struct {
	project  *composefile.Project
	findings []finding.Finding
}

// override returns the file that docker compose lays over the one Compose file of a directory by itself, or nothing.
func override(from []string) string {
	name, isYAML := strings.CutSuffix(filepath.Base(from[0]), ".yml")
	if !isYAML {
		name, isYAML = strings.CutSuffix(filepath.Base(from[0]), ".yaml")
	}
	if len(from) != 1 || !isYAML || name != "compose" && name != "docker-compose" {
		return ""
	}
	for _, ending := range []string{".yml", ".yaml"} {
		path := filepath.Join(filepath.Dir(from[0]), name+".override"+ending)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// ownerOf returns whose a path of this machine is.
func ownerOf(path string) (uid int, known bool) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	uid, _, known = host.Owner(info)
	return uid, known
}

// failing returns what fails in a profile, to be excepted. A profile that is not valid yet has nothing to judge.
func failing(ctx context.Context, text []byte) ([]importer.Except, error) {
	p, err := parser.Parse(text, parser.Options{File: "hsectl.yaml", Library: profiles.Library{}, Unset: func(string) {}})
	if err != nil {
		return nil, nil // a profile that is not valid yet has nothing to judge
	}
	made, err := app.Dated(p)
	if err != nil {
		return nil, err
	}
	findings, err := witness.Check(ctx, made)
	if err != nil {
		return nil, err
	}
	var out []importer.Except
	for _, f := range findings {
		if f.Status == finding.Fail {
			out = append(out, importer.Except{Control: f.Control, Service: f.Subject, Reason: f.Detail})
		}
	}
	return out, nil
}

// sayDraft reports how the Compose files were converted, and what is left to do.
func sayDraft(ctx context.Context, s app.Streams, in app.Inputs, path string, d importer.Draft, before taken) error {
	fmt.Fprintf(s.Out, "%s\n", path)
	for _, name := range slices.Sorted(maps.Keys(d.Presets)) {
		s.Say("%s: preset %s", name, d.Presets[name])
	}
	for _, name := range slices.Sorted(maps.Keys(d.Passed)) {
		s.Say("%s: passed through unchanged: %s", titleOf(name), strings.Join(d.Passed[name], ", "))
	}
	for _, line := range d.Filed {
		s.Say("%s", line)
	}
	for _, q := range gathered(d.Open) {
		s.Say("? %s", q)
	}
	for _, q := range gathered(d.Questions) {
		s.Say("TODO %s", q)
	}
	if len(d.Problems) > 0 {
		for _, p := range d.Problems {
			s.Say("%s: %s", strings.Replace(p.At.String(), "hsectl.yaml", path, 1), p.Message)
		}
		return &app.UsageError{Err: fmt.Errorf("%s must be fixed before the profile is valid", display.Count(len(d.Problems), "problem")), Hint: "fix them in " + path + ", then run: hsectl lint"}
	}
	from, err := in.With(app.Selection{Files: []string{path}})
	if err != nil {
		return err
	}
	after, err := app.Load(from)
	if err != nil {
		return err
	}
	values, err := in.Variables()
	if err != nil {
		return err
	}
	if err := sayDifferences(ctx, s, after, d, before.project, values); err != nil {
		return err
	}
	s.Say("before  %s", posture(before.findings))
	now, err := evidence.LintProfile(after)
	if err != nil {
		return err
	}
	s.Say("after   %s", posture(now))
	if len(d.Open) > 0 {
		s.Say("next: answer the %s under exceptions: in %s, then run: hsectl lint && hsectl generate; --accept-questions goes on without answers", display.Count(len(d.Open), "question"), path)
		return nil
	}
	s.Say("next: see the comments with TODO(hsectl) in %s, then run: hsectl lint && hsectl generate", path)
	return nil
}

// sayDifferences lists everything in which what is rendered differs from the Compose files.
func sayDifferences(ctx context.Context, s app.Streams, l app.Loaded, d importer.Draft, before *composefile.Project, values map[string]string) error {
	dir, err := filepath.Abs(l.Dir())
	if err != nil {
		return fmt.Errorf("finding the directory of the profile: %w", err)
	}
	rendered, err := generate.Compose(l.Stack, generate.Source{BuildRoot: ".", Profile: filepath.Base(l.Path)})
	if err != nil {
		return err
	}
	variables := maps.Clone(values)
	all, err := generate.Variables(l.Stack)
	if err != nil {
		return err
	}
	for _, v := range all {
		if v.Required && variables[v.Name] == "" {
			variables[v.Name] = "required"
		}
	}
	after, err := composefile.Read(ctx, generate.ComposeFile, rendered, composefile.Environment{Dir: dir, Variables: variables})
	if err != nil {
		return nil // what is wrong with it is said by the questions, and by lint
	}
	differences, err := difference.Between(before, after, d.Text)
	if err != nil {
		return err
	}
	last := difference.Group(-1)
	for _, one := range differences {
		if one.Group != last {
			s.Say("differences: %s", one.Group)
			last = one.Group
		}
		s.Say("  %s: %s", titleOf(display.Some(one.Services)), one.Text)
	}
	return nil
}

// gathered merges questions that are the same for several services. The details differ, and stand in the comments.
func gathered(questions []string) []string {
	type asked struct {
		services []string
		text     string
	}
	var order []string
	all := map[string]*asked{}
	for _, q := range questions {
		service, text, _ := strings.Cut(q, ": ")
		question, _, _ := strings.Cut(text, "? ")
		one, ok := all[question]
		if !ok {
			one = &asked{text: text}
			all[question], order = one, append(order, question)
		}
		one.services = append(one.services, service)
		if one.text != text {
			one.text = question + "?"
		}
	}
	for i, question := range order {
		order[i] = display.Some(all[question].services) + ": " + all[question].text
	}
	return order
}

func titleOf(service string) string {
	if service == "" {
		return "the stack"
	}
	return service
}

// posture counts findings by status.
func posture(findings []finding.Finding) string {
	n := finding.Tally(findings)
	open := ""
	if q := finding.Questions(findings); q > 0 {
		open = display.Count(q, "question") + " open · "
	}
	return open + fmt.Sprintf("%d of %d controls hold, %d fail, %d unknown, %d waived", n[finding.Pass]+n[finding.NotApplicable], len(findings), n[finding.Fail], n[finding.Unknown], n[finding.Waived])
}

// initPresets writes a stack of known images. Values that a preset leaves open become questions in comments.
func initPresets(ctx context.Context, g *app.Settings, s app.Streams, o InitOptions) error {
	path := g.File.Files[0]
	name := o.Name
	if name == "" {
		dir, err := filepath.Abs(filepath.Dir(path))
		if err != nil {
			return fmt.Errorf("finding the directory of the profile: %w", err)
		}
		name = strings.Trim(strings.Map(lowerName, filepath.Base(dir)), "-_")
	}
	if strings.Trim(name, "0123456789_-") == "" || slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}, name) {
		name = strconv.Quote(name) // a directory such as 2027: YAML would take it for a number
	}
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: %s\nkind: Profile\nname: %s\n\nservices:\n", profile.APIVersion, name)
	for _, p := range o.Presets {
		service, preset, ok := strings.Cut(p, "=")
		if !ok {
			preset = service
		}
		if _, known := (profiles.Library{}).Preset(preset); !known {
			return &app.UsageError{Err: fmt.Errorf("unknown preset %q", preset), Hint: "list them with: hsectl presets"}
		}
		fmt.Fprintf(&b, "  %s:\n    preset: %s\n", service, preset)
		if lacksTest(service, preset) {
			b.WriteString("    # TODO(hsectl): which health test shows that the service works? This one only checks a port.\n    health: {tcp: 3000}\n")
		}
	}
	options := parser.Options{File: path, Library: profiles.Library{}, CheckImage: image.Check}
	p, err := parser.Parse([]byte(b.String()), options)
	if err != nil {
		return err
	}
	if err := writeProfile(g, o, []byte(b.String())); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "%s\n", path)
	made, err := app.Dated(p)
	if err != nil {
		return err
	}
	findings, err := witness.Check(ctx, made)
	if err != nil {
		return err
	}
	s.Say("%s", posture(findings))
	return nil
}

// lacksTest reports whether a service of a preset needs its own health test.
func lacksTest(service, preset string) bool {
	text := fmt.Sprintf("apiVersion: %s\nkind: Profile\nname: x\nservices: {%s: {preset: %s}}\n", profile.APIVersion, service, preset)
	_, err := parser.Parse([]byte(text), parser.Options{File: "x", Library: profiles.Library{}})
	return slices.ContainsFunc(yamldoc.Problems(err), func(p *yamldoc.Problem) bool { return strings.Contains(p.Message, "no health test") })
}

// lowerName maps a character of a directory name to one that is valid in a stack name.
func lowerName(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
		return r
	case r >= 'A' && r <= 'Z':
		return r + 'a' - 'A'
	}
	return '-'
}

// Init writes a profile, from presets or from Compose files. On a terminal it prompts for missing options.
func Init(ctx context.Context, g *app.Settings, s app.Streams, o InitOptions) error {
	if o.Running && len(o.From) == 0 {
		return &app.UsageError{Err: errors.New("--running needs the Compose files of the project"), Hint: "name them with --from"}
	}
	if len(o.From) > 0 && len(o.Presets) > 0 {
		return &app.UsageError{Err: errors.New("--from and --preset exclude each other"), Hint: "add services to the profile afterwards"}
	}
	o, err := askInit(ctx, g, s, o)
	switch {
	case err != nil:
		return err
	case len(o.From) > 0:
		return initFrom(ctx, g, s, o)
	case len(o.Presets) > 0:
		return initPresets(ctx, g, s, o)
	}
	return &app.UsageError{Err: errors.New("nothing to start from"), Hint: "name Compose files with --from, or images with --preset app=node; list presets with: hsectl presets"}
}

// inspectRunning reads from the running containers of a Compose project what its files do not define. It changes none of
// them.
func inspectRunning(ctx context.Context, g *app.Settings, s app.Streams, project string) (map[string]importer.Observation, error) {
	engine, err := g.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer engine.Close()
	containers, err := engine.Containers(ctx, project, func(string) verify.Request { return verify.Request{} }, nil)
	if err != nil {
		return nil, fmt.Errorf("inspecting the containers of %s: %w", project, err)
	}
	out := map[string]importer.Observation{}
	for _, c := range containers {
		if c.Error != "" {
			s.Say("cannot inspect %s: %s", c.Name, c.Error)
			continue
		}
		out[c.Service] = importer.Observation(verify.NeedsOf(c))
	}
	if len(out) == 0 {
		return nil, &app.UsageError{Err: fmt.Errorf("the Compose project %s has no running container", project),
			Hint: "start it with docker compose up -d and use it for a while; set its project name with --name"}
	}
	s.Say("inspected %s; behaviour since their start only", display.Count(len(out), "running service"))
	return out, nil
}

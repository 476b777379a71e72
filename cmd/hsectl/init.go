package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/importer"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/yamldoc"
	"github.com/hsectl/hsectl/profiles"
)

// initOptions are the flags of init.
type initOptions struct {
	from     []string
	envFiles []string
	presets  []string
	name     string
	force    bool
	except   bool
	running  bool
}

func newInit(g *app.Settings, s app.Streams) *cobra.Command {
	o := initOptions{}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a profile, from presets or from the Compose files that you have",
		Long: `Init writes a profile to the file of -f.

With --preset SERVICE=PRESET it writes a new stack of known images. With --from it turns Compose files into a profile:
include, extends, anchors and variables are resolved, images with a preset are recognised, and hardening is
added where it can be justified. Nothing is lost: keys that have no place in a profile go to passthrough:, settings that
are weaker than they should be get an exception that ends in 30 days, and what the files do not tell is asked in comments
that begin with TODO(hsectl). Values that look like secrets are not copied.

With --running the containers of that project answer what the files do not tell: the user of their processes, where they
wrote, the memory that they held, the image's own test of health. Nothing in them is changed or restarted.

On a terminal init asks what the flags do not say, and tells the flags for the next time. In a script nothing is asked.`,
		Example: `  hsectl init --preset app=node --preset db=postgres
  hsectl init --from docker-compose.yml
  hsectl init --from docker-compose.yml --running
  hsectl init --from docker-compose.yml --from docker-compose.prod.yml --env-file prod.env -f hsectl.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.running && len(o.from) == 0 {
				return &app.UsageError{Err: errors.New("--running needs the Compose files of the project"), Hint: "name them with --from"}
			}
			if len(o.from) > 0 && len(o.presets) > 0 {
				return &app.UsageError{Err: errors.New("--from and --preset exclude each other"), Hint: "add services to the profile afterwards"}
			}
			o, err := askInit(cmd.Context(), g, s, o)
			switch {
			case err != nil:
				return err
			case len(o.from) > 0:
				return initFrom(cmd.Context(), g, s, o)
			case len(o.presets) > 0:
				return initPresets(g, s, o)
			}
			return &app.UsageError{Err: errors.New("nothing to start from"), Hint: "name Compose files with --from, or images with --preset app=node; list presets with: hsectl presets"}
		},
	}
	cmd.Flags().StringArrayVar(&o.from, "from", nil, "a Compose file; repeated, each further file is laid over it")
	cmd.Flags().StringArrayVar(&o.envFiles, "env-file", nil, "variables of the Compose files; .env beside the first when not given")
	cmd.Flags().StringArrayVar(&o.presets, "preset", nil, "a service of a new stack: NAME=PRESET, or PRESET alone")
	cmd.Flags().BoolVar(&o.running, "running", false, "with --from: let the project's running containers answer what the files do not tell")
	cmd.Flags().StringVar(&o.name, "name", "", "name of the new stack; that of the directory when not given")
	cmd.Flags().BoolVar(&o.except, "except", false, "give each control that still fails an exception of 30 days, so that deploy takes the profile today")
	cmd.Flags().BoolVar(&o.force, "force", false, "replace the profile when there is one")
	return cmd
}

// writeProfile writes the new profile, unless one is there.
func writeProfile(g *app.Settings, o initOptions, text []byte) error {
	path := g.File.Files[0]
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) && !o.force {
		return &app.UsageError{Err: fmt.Errorf("%s is there already", path), Hint: "write --force to replace it, or another file with -f"}
	}
	return host.WriteTree(filepath.Dir(path), []generate.File{{Path: filepath.Base(path), Data: text}})
}

func initFrom(ctx context.Context, g *app.Settings, s app.Streams, o initOptions) error {
	path := g.File.Files[0]
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("finding the directory of the profile: %w", err)
	}
	source := composefile.Source{Files: o.from, EnvFiles: o.envFiles, Environment: os.Environ(), Read: host.ReadFile, AsWritten: true}
	p, err := composefile.Load(ctx, source)
	if err != nil {
		return &app.UsageError{Err: err, Hint: "see what Compose says: docker compose -f " + o.from[0] + " config"}
	}
	judged := p
	if !p.Whole() {
		source.AsWritten = false
		if judged, err = composefile.Load(ctx, source); err != nil {
			return &app.UsageError{Err: err}
		}
	}
	target := importer.Target{Dir: dir, Source: filepath.Base(o.from[0]), Today: time.Now(), Library: profiles.Library{}}
	if o.running {
		if target.Observed, err = lookAtRunning(ctx, g, s, cmp.Or(o.name, p.Name)); err != nil {
			return err
		}
	}
	before := make(chan []finding.Finding, 1)
	go func() { before <- judged.Check() }() // the two read the same project, and write nothing
	draft, err := importer.Profile(p, target)
	if err != nil {
		return err
	}
	if o.except {
		target.Excepts = failing(draft.Text)
		if draft, err = importer.Profile(p, target); err != nil {
			return err
		}
	}
	if err := writeProfile(g, o, draft.Text); err != nil {
		return err
	}
	sayUnseen(s, judged)
	return sayDraft(s, path, draft, <-before)
}

// failing returns what fails in a profile, to be excepted. A profile that is not valid yet has nothing to judge.
func failing(text []byte) []importer.Except {
	p, err := parser.Parse(text, parser.Options{File: "hsectl.yaml", Library: profiles.Library{}})
	if err != nil {
		return nil
	}
	var out []importer.Except
	for _, f := range stack.New(p).Check() {
		if f.Status == finding.Fail {
			out = append(out, importer.Except{Control: f.Control, Service: f.Subject, Reason: f.Detail})
		}
	}
	return out
}

// sayDraft tells what was made of the Compose files, and what is left to do.
func sayDraft(s app.Streams, path string, d importer.Draft, before []finding.Finding) error {
	fmt.Fprintf(s.Out, "%s\n", path)
	for _, name := range sortedKeys(d.Presets) {
		s.Say("%s: preset %s", name, d.Presets[name])
	}
	for _, name := range sortedKeys(d.Passed) {
		s.Say("%s: passed through as it is: %s", titleOf(name), strings.Join(d.Passed[name], ", "))
	}
	for _, line := range d.Filed {
		s.Say("%s", line)
	}
	for _, q := range gathered(d.Questions) {
		s.Say("? %s", q)
	}
	if len(d.Problems) > 0 {
		for _, p := range d.Problems {
			s.Say("%s: %s", strings.Replace(p.At.String(), "hsectl.yaml", path, 1), p.Message)
		}
		return &app.UsageError{Err: fmt.Errorf("%s need your answer before the profile is one", app.Count(len(d.Problems), "problem")), Hint: "mend them in " + path + ", then run: hsectl lint"}
	}
	after, err := app.Load(app.Selection{Files: []string{path}})
	if err != nil {
		return err
	}
	s.Say("before  %s", posture(before))
	s.Say("after   %s", posture(lintProfile(after)))
	s.Say("next: answer the %s in %s, then run: hsectl lint && hsectl generate", app.Count(len(d.Questions), "question"), path)
	return nil
}

// gathered asks once what is asked of several services. What is to be looked at differs between them, and is in the comments.
func gathered(questions []string) []string {
	type asked struct {
		who  []string
		text string
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
		one.who = append(one.who, service)
		if one.text != text {
			one.text = question + "?"
		}
	}
	for i, question := range order {
		order[i] = importer.Some(all[question].who) + ": " + all[question].text
	}
	return order
}

func titleOf(service string) string {
	if service == "" {
		return "the stack"
	}
	return service
}

// posture counts findings by what they say.
func posture(findings []finding.Finding) string {
	n := finding.Tally(findings)
	return fmt.Sprintf("%d of %d controls hold, %d fail, %d unknown, %d waived", n[finding.Pass]+n[finding.NotApplicable], len(findings), n[finding.Fail], n[finding.Unknown], n[finding.Waived])
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// initPresets writes a stack of known images. What a preset leaves open is asked.
func initPresets(g *app.Settings, s app.Streams, o initOptions) error {
	path := g.File.Files[0]
	name := o.name
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
	for _, p := range o.presets {
		service, preset, ok := strings.Cut(p, "=")
		if !ok {
			preset = service
		}
		if _, known := (profiles.Library{}).Preset(preset); !known {
			return &app.UsageError{Err: fmt.Errorf("there is no preset %q", preset), Hint: "list them with: hsectl presets"}
		}
		fmt.Fprintf(&b, "  %s:\n    preset: %s\n", service, preset)
		if lacksTest(service, preset) {
			b.WriteString("    # TODO(hsectl): how can one tell that the service works? This asks a port.\n    health: {tcp: 3000}\n")
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
	s.Say("%s", posture(stack.New(p).Check()))
	return nil
}

// lacksTest reports whether a service of a preset needs a health test of its own.
func lacksTest(service, preset string) bool {
	text := fmt.Sprintf("apiVersion: %s\nkind: Profile\nname: x\nservices: {%s: {preset: %s}}\n", profile.APIVersion, service, preset)
	_, err := parser.Parse([]byte(text), parser.Options{File: "x", Library: profiles.Library{}})
	return slices.ContainsFunc(yamldoc.Problems(err), func(p *yamldoc.Problem) bool { return strings.Contains(p.Message, "no health test") })
}

// lowerName maps a letter of a directory's name to one that a stack's name may have.
func lowerName(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
		return r
	case r >= 'A' && r <= 'Z':
		return r + 'a' - 'A'
	}
	return '-'
}

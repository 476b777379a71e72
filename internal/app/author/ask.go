package author

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"charm.land/huh/v2"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/evidence"
	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/sanitize"
	"github.com/hsectl/hsectl/profiles"
)

// isTerminal reports whether a stream is a terminal; in a script it is not.
func isTerminal(stream any) bool {
	_, ok := app.Terminal(stream)
	return ok
}

// askInit prompts for missing flags of init when input and error stream are both a terminal. In a script it asks nothing and
// uses the flags as they are.
func askInit(ctx context.Context, g *app.Settings, s app.Streams, o InitOptions) (InitOptions, error) {
	if !isTerminal(s.In) || !isTerminal(s.Err) || len(o.Presets) > 0 {
		return o, nil
	}
	path := g.File.Files[0]
	_, missing := os.Stat(path)
	there := !o.Force && missing == nil
	asked := len(o.From) == 0
	if !asked && !there {
		return o, nil
	}
	dir := filepath.Dir(path)
	found := composeFiles(dir)
	source, chosen := "new", slices.Clone(found)
	if len(found) > 0 {
		source = "compose"
	}
	fromCompose := func() bool { return asked && source == "compose" }
	var questions []*huh.Group
	if asked && len(found) > 0 {
		questions = append(questions, huh.NewGroup(huh.NewSelect[string]().Title("What do you start from?").Options(
			huh.NewOption("the Compose files here: "+strings.Join(found, ", "), "compose"),
			huh.NewOption("a new stack of known images", "new")).Value(&source)))
	}
	if asked && len(found) > 1 {
		questions = append(questions, huh.NewGroup(huh.NewMultiSelect[string]().Title("Which of them? They are merged in this order.").
			Options(huh.NewOptions(found...)...).Value(&chosen)).WithHideFunc(func() bool { return !fromCompose() }))
	}
	if asked && len(found) > 0 {
		questions = append(questions, huh.NewGroup(huh.NewConfirm().Title("Add an exception of 30 days for each control that still fails, so that you can deploy today?").
			Description("Without exceptions, hsectl lint lists what to fix first.").Affirmative("30 days").Negative("No").Value(&o.Except)).
			WithHideFunc(func() bool { return !fromCompose() }))
	}
	if asked {
		questions = append(questions, huh.NewGroup(huh.NewMultiSelect[string]().Title("Which images? (x selects, / searches)").
			Options(huh.NewOptions(profiles.Library{}.Presets()...)...).Height(12).Value(&o.Presets)).WithHideFunc(fromCompose))
	}
	if there {
		questions = append(questions, huh.NewGroup(huh.NewConfirm().Title(path+" already exists. Replace it?").Affirmative("Replace").Negative("Leave it").Value(&o.Force)))
	}
	err := form(ctx, s, questions...)
	switch {
	case err != nil:
		return o, err
	case there && !o.Force:
		return o, errLeft()
	case !asked:
		return o, nil
	case source == "compose":
		o.Presets = nil
		for _, name := range found {
			if slices.Contains(chosen, name) {
				o.From = append(o.From, filepath.Join(dir, name))
			}
		}
	}
	if len(o.From) == 0 && len(o.Presets) == 0 {
		return o, errLeft()
	}
	s.Say("equivalent command: %s", inWords(path, o))
	return o, nil
}

// composeFiles returns the Compose files of a directory that hsectl did not render; the first is the one that Compose uses.
func composeFiles(dir string) []string {
	var out []string
	for _, name := range evidence.ComposeNames() {
		stem := strings.TrimSuffix(name, filepath.Ext(name))
		more, _ := filepath.Glob(filepath.Join(dir, stem+".*"+filepath.Ext(name)))
		for _, file := range append([]string{filepath.Join(dir, name)}, more...) {
			data, err := host.ReadFile(file, app.MaxProfileBytes)
			if err == nil && composefile.IsCompose(data) && !evidence.Rendered(data) {
				out = append(out, sanitize.Line(filepath.Base(file)))
			}
		}
	}
	return out
}

// form prompts on the terminal, line by line on a dumb one.
func form(ctx context.Context, s app.Streams, questions ...*huh.Group) error {
	screen := s.Err
	if terminal, ok := app.Terminal(s.Err); ok {
		screen = terminal // the form draws on it
	}
	f := huh.NewForm(questions...).WithInput(s.In).WithOutput(screen).WithShowHelp(true).WithAccessible(os.Getenv("TERM") == "dumb")
	err := f.RunWithContext(ctx)
	if errors.Is(err, huh.ErrUserAborted) || errors.Is(err, io.EOF) {
		return errLeft()
	}
	if err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	return nil
}

func errLeft() error {
	return &app.UsageError{Err: errors.New("cancelled; nothing was written")}
}

// inWords returns the equivalent command without prompts.
func inWords(path string, o InitOptions) string {
	words := []string{"hsectl init"}
	for _, f := range o.From {
		words = append(words, "--from "+f)
	}
	for _, p := range o.Presets {
		words = append(words, "--preset "+p)
	}
	if o.Except {
		words = append(words, "--except")
	}
	if o.Force {
		words = append(words, "--force")
	}
	if o.Strict {
		words = append(words, "--strict")
	}
	if path != "hsectl.yaml" {
		words = append(words, "-f "+path)
	}
	return strings.Join(words, " ")
}

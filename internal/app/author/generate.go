package author

import (
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/sanitize"
)

// GenerateOptions are the flags of generate.
type GenerateOptions struct {
	Out       string
	Explained string // the path of a value; nothing is written then
	Check     bool   // write nothing; findings when the directory is stale
	Accept    bool   // open questions
}

func checkStale(s app.Streams, out string, files []generate.File) error {
	stale, err := host.Stale(out, files)
	if err != nil {
		return err
	}
	for _, path := range stale {
		fmt.Fprintf(s.Out, "stale  %s\n", filepath.Join(out, path))
	}
	if len(stale) > 0 {
		s.Say("%s in %s stale; write them with: hsectl generate --out %s", display.Count(len(stale), "file"), out, out)
		return app.ErrFindings
	}
	return nil
}

// Generate renders a profile into a directory, or shows where a value comes from.
func Generate(g *app.Settings, s app.Streams, o GenerateOptions) error {
	l, err := app.Load(g.File)
	if err != nil {
		return err
	}
	if o.Explained != "" {
		return explainValue(s, l, o.Explained)
	}
	if l, err = l.Pinned(); err != nil {
		return err
	}
	if err := l.Weakened(); err != nil {
		return err
	}
	if err := l.Unanswered(s, o.Accept); err != nil {
		return err
	}
	l.WarnExpired(s)
	files, err := app.Render(l, o.Out)
	if err != nil {
		return err
	}
	if o.Check {
		return checkStale(s, o.Out, files)
	}
	if err := host.WriteTree(o.Out, files); err != nil {
		return err
	}
	for _, f := range files {
		fmt.Fprintf(s.Out, "%s\n", filepath.Join(o.Out, f.Path))
	}
	return nil
}

// explainValue prints every value at or below a path with the layer it comes from and, indented below it, the values of
// weaker layers.
func explainValue(s app.Streams, l app.Loaded, path string) error {
	values, ok := l.Profile.Explain(path)
	if !ok {
		return &app.UsageError{Err: fmt.Errorf("no layer of %s sets %q", l.Path, path),
			Hint: "write a path such as services.app.limits.memory; derived values are not in a layer: hsectl generate shows them"}
	}
	table := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	for _, chain := range values {
		fmt.Fprintf(table, "%s: %s\n", sanitize.Line(chain[0].Path), sanitize.Line(chain[0].Value))
		for _, said := range chain {
			explainSaying(table, said)
		}
	}
	return table.Flush()
}

func explainSaying(w io.Writer, said profile.Saying) {
	value := said.Value
	if said.Text != "" {
		value = said.Text
	}
	value = sanitize.Line(value)
	if place := said.At.String(); place != said.Layer && said.At.Line > 0 {
		fmt.Fprintf(w, "\t%s\t%s\t%s\n", said.Layer, place, value)
		return
	}
	fmt.Fprintf(w, "\t%s\t\t%s\n", said.Layer, value)
}

package author

import (
	"fmt"
	"path/filepath"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/host"
)

// GenerateOptions say where the files go, or what is asked of them.
type GenerateOptions struct {
	Out       string
	Explained string // the path of a value; nothing is written then
	Check     bool   // write nothing; findings when the directory is stale
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
		s.Say("%s in %s stale; write them with: hsectl generate --out %s", app.Count(len(stale), "file"), out, out)
		return app.ErrFindings
	}
	return nil
}

// Generate renders a profile into a directory, or says where a value of it comes from.
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

package release

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/supply"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/sanitize"
)

// releaseLine is a release as the list shows it.
type releaseLine struct {
	Release  int               `json:"release"`
	Current  bool              `json:"current"`
	Status   string            `json:"status"`
	At       time.Time         `json:"at"`
	By       string            `json:"by"`
	Host     string            `json:"host"`
	Revision string            `json:"revision,omitempty"`
	Again    int               `json:"again,omitempty"`
	Verified string            `json:"verified"`
	Images   map[string]string `json:"images"`
	Secrets  map[string]string `json:"secrets,omitempty"`
	Reason   string            `json:"reason,omitempty"`
	Hooks    []record.HookRun  `json:"hooks,omitempty"`
	Foreign  string            `json:"foreign,omitempty"` // why the record is not that of a deployer
}

func newReleaseLine(r record.Entry, current int) releaseLine {
	l := releaseLine{Release: r.Number, Current: r.Number == current, Status: statusText(r.Outcome.Status), Reason: r.Outcome.Reason,
		At: r.Release.Made.At, By: r.Release.Made.By, Host: r.Release.Made.Host, Revision: r.Release.Made.Revision, Again: r.Release.Again,
		Hooks: r.Outcome.Hooks, Verified: "no", Images: map[string]string{}, Secrets: r.Release.Secrets}
	for reference, image := range r.Release.Images {
		l.Images[reference] = cmp.Or(image.Digest, image.ID)
	}
	if p := r.Outcome.Proof; p != nil && p.Proven {
		l.Verified = "yes"
	}
	if r.Foreign != nil {
		l.Foreign = r.Foreign.Error()
	}
	if r.Err != nil {
		l.Status, l.Reason = "damaged", r.Err.Error()
	}
	return l
}

// List lists the releases that the engine keeps of a stack.
func List(ctx context.Context, g *app.Settings, s app.Streams, format string) error {
	name, err := g.StackName()
	if err != nil {
		return err
	}
	engine, err := g.Connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	if g.Stack == "" {
		l, err := app.Load(g.File)
		if err != nil {
			return err
		}
		signing, err := supply.RecordSigning(l, false)
		if err != nil {
			return err
		}
		engine.SignReleases(signing)
	}
	history, err := engine.History(ctx, name)
	if err != nil {
		return err
	}
	current, _ := history.Current()
	lines := []releaseLine{}
	for _, r := range history.Sorted() {
		lines = append(lines, newReleaseLine(r, current.Number))
	}
	if format == "json" {
		return writeJSON(s.Out, lines)
	}
	if len(lines) == 0 {
		s.Say("%s has no release on this engine", name)
		return nil
	}
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RELEASE\tSTATUS\tVERIFIED\tWHEN (engine)\tBY\tREVISION\tNOTE")
	for _, l := range lines {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s@%s\t%s\t%s\n", l.Release, l.Status, l.Verified, l.At.Format(time.DateTime),
			sanitize.Line(l.By), sanitize.Line(l.Host), sanitize.Line(shortRevision(l.Revision)), sanitize.Line(note(l)))
	}
	return w.Flush()
}

// statusText is how the deploy of a release ended, in the words of the other verbs; one without an end was interrupted.
func statusText(s record.Status) string {
	if s == "" || s == record.Cut {
		return "interrupted"
	}
	return string(s)
}

func note(l releaseLine) string {
	text := l.state()
	if l.Foreign != "" {
		text = strings.TrimPrefix(text+"; not that of a deployer: "+l.Foreign, "; ")
	}
	for _, h := range l.Hooks {
		if h.Failed() {
			text = strings.TrimPrefix(text+"; hook "+h.Name+" failed", "; ")
		}
	}
	return text
}

func (l releaseLine) state() string {
	switch {
	case l.Current && l.Again > 0:
		return fmt.Sprintf("current; release %d again", l.Again)
	case l.Current:
		return "current"
	case l.Again > 0:
		return fmt.Sprintf("release %d again", l.Again)
	}
	return l.Reason
}

func shortRevision(revision string) string {
	if len(revision) > 12 && !slices.Contains([]byte(revision[:12]), '-') {
		return revision[:12] + revision[min(len(revision), 40):]
	}
	return cmp.Or(revision, "-")
}

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

package sizing

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/drill"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/review"
	"github.com/hsectl/hsectl/internal/size"
)

// result is what came of a measurement.
type result struct {
	loaded    app.Loaded
	window    size.Window
	proposals []size.Proposal
	patch     patch
	options   Options
}

func (r result) write(w io.Writer) error {
	switch r.options.Format {
	case formatJSON:
		return r.json(w)
	case formatPatch:
		name := filepath.ToSlash(r.loaded.Path)
		_, err := io.WriteString(w, review.Diff("a/"+name, r.loaded.Data, "b/"+name, r.patch.data))
		return err
	}
	r.text(w)
	return nil
}

// text writes a table for each service, all with the same columns.
func (r result) text(w io.Writer) {
	fmt.Fprintf(w, "%s: %s before %s, measured by %s, a point every %s\n", r.loaded.Stack.Name, size.Time(r.window.Length()),
		r.window.To.UTC().Format("2006-01-02 15:04 MST"), r.window.Source, size.Time(r.window.Step))
	rows := map[string][][4]string{}
	var width [3]int
	for _, p := range r.proposals {
		for _, c := range p.Settings {
			row := [4]string{c.Key, orNone(c.Now), c.Proposed, c.Why}
			if c.Verdict != size.Changes {
				row[2] = string(c.Verdict)
			}
			rows[p.Service] = append(rows[p.Service], row)
			for i := range width {
				width[i] = max(width[i], utf8.RuneCountInString(row[i]))
			}
		}
	}
	for _, p := range r.proposals {
		fmt.Fprintf(w, "\n%s  %s\n", p.Service, basis(p))
		for _, row := range rows[p.Service] {
			arrow := "  "
			if row[2] != string(size.Fits) && row[2] != string(size.Unknown) && row[2] != string(size.Short) {
				arrow = "→ "
			}
			fmt.Fprintf(w, "  %s  %s  %s%s  %s\n", pad(row[0], width[0]), pad(row[1], width[1]), arrow, pad(row[2], width[2]), row[3])
		}
		for _, m := range r.patch.moves[p.Service] {
			fmt.Fprintf(w, "  moves with it: %s → %s\n", m.Now, m.Proposed)
		}
	}
	for _, h := range r.patch.byHand {
		fmt.Fprintf(w, "\nby hand: %s: %s (%s: %s)\n", h.Path, h.Value, h.Where, h.Why)
	}
	fmt.Fprintf(w, "\n%s: %s\n", r.loaded.Stack.Name, r.summary())
}

// basis says how much is known of a service.
func basis(p size.Proposal) string {
	if p.Samples == 0 {
		return "not measured"
	}
	out := fmt.Sprintf("measured for %s, %s, %s confidence", size.Time(p.Observed), display.Count(p.Samples, "sample"), p.Confidence)
	if len(p.Doubts) > 0 {
		out += ": " + strings.Join(p.Doubts, "; ")
	}
	return out
}

func (r result) summary() string {
	counts := map[size.Verdict]int{}
	for _, p := range r.proposals {
		for _, c := range p.Settings {
			counts[c.Verdict]++
		}
	}
	parts := []string{display.Count(counts[size.Changes], "change")}
	for _, v := range []struct {
		verdict size.Verdict
		noun    string
	}{{size.Fits, "fit"}, {size.Unknown, "unknown"}, {size.Short, "measured too short"}} {
		if counts[v.verdict] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[v.verdict], v.noun))
		}
	}
	out := strings.Join(parts, ", ")
	if counts[size.Changes] > 0 && !r.options.Write {
		out += "; write them into the profile with --write, prove them with --prove"
	}
	return out
}

// verdict ends with findings when a service was not measured, or not for long enough.
func (r result) verdict(s app.Streams) error {
	bad := false
	for _, p := range r.proposals {
		for _, c := range p.Settings {
			if c.Verdict == size.Short || c.Key == "limits.memory" && c.Verdict == size.Unknown {
				bad = true
			}
		}
	}
	if !bad {
		return nil
	}
	s.Say("hint: services that were measured for less than %s get no proposal without --force; what was not measured gets none", size.Time(size.LeastObserved))
	return app.ErrFindings
}

// prove tries what is proposed on copies, one service after the other.
func (r result) prove(ctx context.Context, g *app.Settings, s app.Streams) error {
	var names []string
	for _, p := range r.proposals {
		if p.Changes() {
			names = append(names, p.Service)
		}
	}
	if len(names) == 0 {
		s.Say("nothing is proposed, so nothing is proven")
		return nil
	}
	err := drill.Copies(ctx, g, s, r.patch.loaded, names, r.options.Load)
	if err != nil && r.options.Write {
		s.Say("nothing was written to %s", r.loaded.Path)
	}
	return err
}

// Document is the result in JSON.
type document struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Stack      string            `json:"stack"`
	Profile    string            `json:"profile"`
	Tool       string            `json:"tool"`
	Window     documentWindow    `json:"window"`
	Services   []documentService `json:"services"`
	ByHand     []byHand          `json:"byHand,omitempty"`
}

type documentWindow struct {
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Step     string    `json:"step"`
	Source   string    `json:"source"`
	Dropped  int       `json:"dropped"` // values that are no measurements
	Warnings []string  `json:"warnings,omitempty"`
}

type documentService struct {
	Service         string          `json:"service"`
	ObservedSeconds int             `json:"observedSeconds"`
	Samples         int             `json:"samples"`
	Coverage        float64         `json:"coverage"`
	Confidence      size.Confidence `json:"confidence"`
	Doubts          []string        `json:"doubts,omitempty"`
	Settings        []size.Change   `json:"settings"`
	Moves           []move          `json:"moves,omitempty"`
}

func (r result) json(w io.Writer) error {
	d := document{APIVersion: profile.APIVersion, Kind: "Size", Stack: r.loaded.Stack.Name, Profile: r.loaded.Path, Tool: app.Version(), ByHand: r.patch.byHand,
		Window:   documentWindow{From: r.window.From.UTC(), To: r.window.To.UTC(), Step: r.window.Step.String(), Source: r.window.Source, Dropped: r.window.Dropped, Warnings: r.window.Warnings},
		Services: []documentService{}}
	for _, p := range r.proposals {
		d.Services = append(d.Services, documentService{Service: p.Service, ObservedSeconds: int(p.Observed.Seconds()), Samples: p.Samples, Coverage: p.Coverage,
			Confidence: p.Confidence, Doubts: p.Doubts, Settings: p.Settings, Moves: r.patch.moves[p.Service]})
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(d)
}

func orNone(text string) string {
	if text == "" {
		return "–"
	}
	return text
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}

package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
)

//go:embed report.html.tmpl
var page string

// HTML writes one self-contained page: no script, no request, light and dark, for a phone and for paper.
func HTML(w io.Writer, d Document) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"class": class, "mark": mark, "rule": d.rule, "percent": percent, "date": date, "slug": slug, "changed": changed,
	}).Parse(page)
	if err != nil {
		return fmt.Errorf("reading the page of the report: %w", err)
	}
	if err := t.Execute(w, newView(d)); err != nil {
		return fmt.Errorf("writing HTML: %w", err)
	}
	return nil
}

// view is what the page shows.
type view struct {
	Document
	Verdict  string
	Owners   string // who has to look at what is open
	Proven   bool
	Summary  string
	Services []posture
	Open     []finding.Finding
	Waivers  []finding.Finding
	Changes  []Change
	Pictures []picture
}

// posture is how one service stands.
type posture struct {
	Name     string
	Owner    string
	Worst    finding.Status
	Counts   []countOf
	All      int
	Open     []finding.Finding
	Settled  []finding.Finding
	Sentence string
}

type countOf struct {
	Status finding.Status
	N      int
}

func newView(d Document) view {
	v := view{Document: d, Verdict: d.verdict(), Proven: finding.Proven(d.Findings), Open: unproven(d.Findings),
		Summary: summary(d.Findings)}
	v.Owners = strings.Join(owners(d.Findings), ", ")
	for _, subject := range subjects(d.Findings) {
		mine := of(d.Findings, subject)
		tally := finding.Tally(mine)
		p := posture{Name: subject, Owner: owner(mine), Worst: worst(mine), All: len(mine), Sentence: summary(mine), Open: unproven(mine)}
		for _, s := range order() {
			if tally[s] > 0 {
				p.Counts = append(p.Counts, countOf{s, tally[s]})
			}
		}
		for _, f := range mine {
			if f.Proven() {
				p.Settled = append(p.Settled, f)
			}
			if f.Status == finding.Waived {
				v.Waivers = append(v.Waivers, f)
			}
		}
		v.Services = append(v.Services, p)
	}
	if d.Before != nil {
		v.Changes = Compare(d.Before.Findings, d.Findings)
	}
	for i, c := range d.Charts {
		v.Pictures = append(v.Pictures, draw(i, c))
	}
	return v
}

// class names the style of a status: good, bad, ask or quiet.
func class(s finding.Status) string {
	return [...]string{"ask", "good", "bad", "bad", "quiet", "quiet", "quiet"}[s]
}

func mark(s finding.Status) string {
	return [...]string{"?", "✓", "✗", "✗", "–", "–", "i"}[s]
}

func percent(n, all int) string { return fmt.Sprintf("%.2f%%", 100*float64(n)/float64(max(all, 1))) }

func date(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

// slug makes an anchor.
func slug(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(s))
}

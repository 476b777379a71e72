package report

import (
	"fmt"
	"math"
	"strings"
)

// The area of a chart inside its frame, in units of the picture.
const (
	chartWidth, chartHeight = 720.0, 240.0
	chartLeft, chartRight   = 104.0, 28.0
	chartTop, chartBottom   = 20.0, 34.0
)

// picture is a chart with everything computed that a template would have to.
type picture struct {
	ID     string
	Title  string
	Text   string // the same in words, for those who do not see it
	Limit  string // its label, or empty
	LimitY float64
	Lines  []drawn
	Rules  []tick // horizontal
	Times  []tick
	Marks  []spot
}

// spot is what happened at one place of the picture.
type spot struct {
	X, Y float64
	Text string
}

type drawn struct {
	Name  string
	Path  string
	Index int
}

type tick struct {
	At   float64
	Text string
}

func draw(i int, c Chart) picture {
	p := picture{ID: fmt.Sprintf("chart-%d", i+1), Title: c.Title}
	top, span := c.Limit.Value, 0.0
	for _, l := range c.Lines {
		for _, point := range l.Points {
			top, span = math.Max(top, point.Value), math.Max(span, point.At)
		}
	}
	if top = nice(top); span == 0 {
		span = 1
	}
	x := func(at float64) float64 { return chartLeft + at/span*(chartWidth-chartLeft-chartRight) }
	y := func(v float64) float64 { return chartTop + (1-v/top)*(chartHeight-chartTop-chartBottom) }
	var words []string
	for n, l := range c.Lines {
		var b strings.Builder
		var highest, sum float64
		for k, point := range l.Points {
			fmt.Fprintf(&b, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[k == 0], x(point.At), y(point.Value))
			highest, sum = math.Max(highest, point.Value), sum+point.Value
		}
		p.Lines = append(p.Lines, drawn{l.Name, b.String(), n + 1})
		if len(l.Points) > 0 {
			words = append(words, fmt.Sprintf("%s: highest %s, mean %s", l.Name, amount(highest, c.Unit), amount(sum/float64(len(l.Points)), c.Unit)))
		}
	}
	for k := range 5 {
		v := top * float64(k) / 4
		p.Rules = append(p.Rules, tick{y(v), amount(v, c.Unit)})
	}
	for k := 0.0; k*pace(span) <= span; k++ {
		p.Times = append(p.Times, tick{x(k * pace(span)), moment(k * pace(span))})
	}
	if c.Limit.Value > 0 {
		p.Limit, p.LimitY = c.Limit.Name+" "+amount(c.Limit.Value, c.Unit), y(c.Limit.Value)
		words = append(words, p.Limit)
	}
	for _, m := range c.Marks {
		p.Marks = append(p.Marks, spot{x(m.At), y(m.Value), m.Name})
		words = append(words, fmt.Sprintf("%s after %s at %s", m.Name, moment(m.At), amount(m.Value, c.Unit)))
	}
	p.Text = strings.Join(words, "; ")
	return p
}

// pace is the time between two ticks: one that people count in, so that there are at most six.
func pace(span float64) float64 {
	for _, step := range []float64{0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600} {
		if span/step <= 5 {
			return step
		}
	}
	return 3600 * math.Ceil(span/5/3600)
}

func moment(seconds float64) string {
	switch {
	case seconds >= 3600:
		return fmt.Sprintf("%.3g h", seconds/3600)
	case seconds >= 60:
		return fmt.Sprintf("%.3g min", seconds/60)
	}
	return fmt.Sprintf("%.3g s", seconds)
}

// nice rounds up to a number whose quarters are short.
func nice(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10} {
		if v <= m*power {
			return m * power
		}
	}
	return 10 * power
}

func amount(v float64, unit string) string { return fmt.Sprintf("%s %s", number(v), unit) }

// number writes three digits, and all of those before the point.
func number(v float64) string {
	if math.Abs(v) >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

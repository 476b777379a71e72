package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/redact"
)

// progress tells a person, or a program, how a deploy goes: lines on the error stream, or JSON lines on the output.
type progress struct {
	mu      sync.Mutex // events come from several goroutines
	lines   io.Writer
	live    *live // on a terminal
	json    *json.Encoder
	started time.Time
	last    map[string]string
	group   bool // lines are folded by GitHub Actions
	within  bool
	known   redact.Redactor        // of the values at hand
	output  func() redact.Redactor // of these and of those that the engine keeps, for what containers print
	spans   *spans                 // nil where nothing receives them
}

// newProgress chooses how to tell.
func newProgress(s streams, format string) *progress {
	p := &progress{lines: s.Err, live: newLive(s.Err), started: time.Now(), last: map[string]string{}, group: os.Getenv("GITHUB_ACTIONS") == "true",
		output: func() redact.Redactor { return redact.Redactor{} }}
	if format == "json" {
		p.json = json.NewEncoder(s.Out)
		p.json.SetEscapeHTML(false)
	}
	return p
}

// hide takes the values of secrets out of all that is told from now on. What the engine keeps of the stack is read when a
// container has printed something: a generated value is known only there.
func (p *progress) hide(ctx context.Context, keeper secretKeeper, stack string, secrets map[string]deploy.Secret) {
	p.known = redact.New(revealed(secrets), nil)
	p.output = sync.OnceValue(func() redact.Redactor { return keptRedactor(context.WithoutCancel(ctx), keeper, stack, secrets) })
	if warning := p.known.Warning(); warning != "" {
		p.warn(warning)
	}
}

// trace sends spans of what happens from now on where the environment asks for it. That they cannot be made fails nothing.
func (p *progress) trace(ctx context.Context, verb, stack string) {
	var err error
	if p.spans, err = newSpans(ctx, verb, stack); err != nil {
		p.say("warning: %v", err)
	}
}

// endSpans sends them. That nobody took them fails nothing either.
func (p *progress) endSpans(release int, failed string) {
	if err := p.spans.end(release, failed); err != nil {
		p.say("warning: sending spans: %v", err)
	}
}

// line is one event of the stream.
type line struct {
	deploy.Event
	Time    time.Time `json:"time"`
	Release int       `json:"release,omitempty"`
}

// event tells an event, unless it is what was told of its subject last.
func (p *progress) event(e deploy.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Kind == deploy.LogEvent {
		text := p.output().Output(e.Text)
		if len(p.output().Missing()) > 0 && p.last[e.Subject] == text {
			return // withheld, as the line before
		}
		e.Text, p.last[e.Subject] = text, text
	} else {
		e.Text = p.known.Text(e.Text)
	}
	p.spans.event(e)
	if p.json != nil {
		p.write(line{Event: e})
		return
	}
	switch {
	case e.Kind == deploy.LogEvent:
		p.print(fmt.Sprintf("         %-28s | %s", e.Subject, e.Text))
		return
	case e.Kind == deploy.StepEvent && !p.group, e.Kind == "" && p.last[e.Subject] == e.Text:
		return
	case e.Kind == deploy.StepEvent:
		p.fold("::group::" + e.Subject + ": " + e.Text)
		return
	}
	p.last[e.Subject] = e.Text
	if p.live != nil {
		p.live.set(e.Subject, e.Text, time.Since(p.started))
		return
	}
	fmt.Fprintf(p.lines, "%6.1fs  %-28s %s\n", time.Since(p.started).Seconds(), e.Subject, e.Text)
}

func (p *progress) print(text string) {
	if p.live != nil {
		p.live.above(text)
		return
	}
	fmt.Fprintln(p.lines, text)
}

func (p *progress) write(l line) {
	l.Time = time.Now().UTC()
	_ = p.json.Encode(l) // whoever reads the stream has gone; the deploy goes on
}

func (p *progress) fold(text string) {
	if p.within {
		fmt.Fprintln(p.lines, "::endgroup::")
	}
	p.within = strings.HasPrefix(text, "::group::")
	if text != "" {
		fmt.Fprintln(p.lines, text)
	}
}

// say prints a line that is not an event.
func (p *progress) say(format string, args ...any) {
	if p.json == nil {
		fmt.Fprintf(p.lines, format+"\n", args...)
	}
}

// warn tells what went wrong and stops nothing.
func (p *progress) warn(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text = p.known.Text(text)
	switch {
	case p.json != nil:
		p.write(line{Event: deploy.Event{Kind: "warning", Subject: "deploy", Text: text}})
	case p.group:
		p.annotate("warning", text)
	default:
		p.print("warning: " + text)
	}
}

// annotate lets GitHub Actions show a text beside the run, as its commands are escaped.
func (p *progress) annotate(kind, text string) {
	fmt.Fprintf(p.lines, "::%s title=hsectl deploy::%s\n", kind, strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text))
}

// unchanged tells that there was nothing to do.
func (p *progress) unchanged(stack string, release int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endSpans(release, "")
	p.fold("")
	if p.json != nil {
		p.write(line{Event: deploy.Event{Kind: "result", Subject: stack, Text: "unchanged", Done: true}, Release: release})
		return
	}
	p.say("%s is as release %d left it, and as the profile says: nothing to do", stack, release)
}

// done tells the end that everybody wants.
func (p *progress) done(stack string, release, services int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endSpans(release, "")
	p.fold("")
	took := time.Since(p.started).Round(100 * time.Millisecond)
	if p.json != nil {
		p.write(line{Event: deploy.Event{Kind: "result", Subject: stack, Text: "deployed", Done: true}, Release: release})
		return
	}
	p.say("%s is up: %s healthy after %s, release %d", stack, count(services, "service"), took, release)
}

// failed tells the other one, and returns the error without values of secrets.
func (p *progress) failed(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err = p.redacted(err)
	p.endSpans(0, err.Error())
	p.fold("")
	text, _, _ := strings.Cut(err.Error(), "\n")
	switch {
	case p.json != nil:
		p.write(line{Event: deploy.Event{Kind: "result", Subject: "deploy", Text: text}})
	case p.group:
		p.annotate("error", text)
	}
	return err
}

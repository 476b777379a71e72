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
	hide    func(string) string // takes secrets out of what containers print
	spans   *spans              // nil where nobody receives them
}

// newProgress chooses how to tell.
func newProgress(s streams, format string) *progress {
	p := &progress{lines: s.Err, live: newLive(s.Err), started: time.Now(), last: map[string]string{}, group: os.Getenv("GITHUB_ACTIONS") == "true",
		hide: func(text string) string { return text }}
	if format == "json" {
		p.json = json.NewEncoder(s.Out)
		p.json.SetEscapeHTML(false)
	}
	return p
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
	if err := p.spans.end(release, p.hide(failed)); err != nil {
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
	e.Text = p.hide(e.Text)
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
	text = p.hide(text)
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

// failed tells the other one, and returns the error as it is.
func (p *progress) failed(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endSpans(0, err.Error())
	p.fold("")
	text, _, _ := strings.Cut(p.hide(err.Error()), "\n")
	switch {
	case p.json != nil:
		p.write(line{Event: deploy.Event{Kind: "result", Subject: "deploy", Text: text}})
	case p.group:
		p.annotate("error", text)
	}
	return err
}

// hider returns what takes the values of secrets out of a text, line by line of each value.
func hider(secrets map[string]deploy.Secret) func(string) string {
	return func(text string) string {
		for _, secret := range secrets {
			for line := range strings.Lines(string(secret.Reveal())) {
				if line = strings.TrimSpace(line); len(line) > 3 {
					text = strings.ReplaceAll(text, line, "[secret]")
				}
			}
		}
		return text
	}
}

// redact takes the values of secrets out of what a failed container printed.
func redact(err error, secrets map[string]deploy.Secret) error {
	unhealthy, ok := asUnhealthy(err)
	if !ok {
		return err
	}
	hide := hider(secrets)
	for i, line := range unhealthy.Logs {
		unhealthy.Logs[i] = hide(line)
	}
	unhealthy.Health = hide(unhealthy.Health)
	return err
}

// withoutLogs drops what a failed container printed, where the values of secrets are not known and cannot be taken out.
func withoutLogs(err error) error {
	if unhealthy, ok := asUnhealthy(err); ok {
		unhealthy.Logs, unhealthy.Health = nil, ""
	}
	return err
}

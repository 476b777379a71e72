package app

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
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/redact"
	"github.com/hsectl/hsectl/internal/stack"
)

// Progress tells a person, or a program, how a deploy goes: lines on the error stream, or JSON lines on the output.
type Progress struct {
	mu      sync.Mutex // events come from several goroutines
	lines   io.Writer
	live    *live // on a terminal
	json    *json.Encoder
	started time.Time
	last    map[string]string
	healthy map[string]bool // services with a container that has passed its test, which may be the image's own
	group   bool            // lines are folded by GitHub Actions
	within  bool
	Known   redact.Redactor        // of the values at hand
	output  func() redact.Redactor // of these and of those that the engine keeps, for what containers print
	logs    map[string]*logStream  // what containers and hooks print, by subject
	spans   *spans                 // nil where nothing receives them
}

// NewProgress chooses how to tell.
func NewProgress(s Streams, format string) *Progress {
	p := &Progress{lines: s.Err, live: newLive(s.Err), started: time.Now(), last: map[string]string{}, healthy: map[string]bool{}, logs: map[string]*logStream{}, group: os.Getenv("GITHUB_ACTIONS") == "true",
		output: func() redact.Redactor { return redact.Redactor{} }}
	if format == "json" {
		p.json = json.NewEncoder(s.Out)
		p.json.SetEscapeHTML(false)
	}
	return p
}

// Hide takes the values of secrets out of all that is told from now on. What the engine keeps of the stack is read when a
// container has printed something: a generated value is known only there.
func (p *Progress) Hide(ctx context.Context, keeper SecretKeeper, stack string, secrets map[string]deploy.Secret) {
	p.Known = redact.New(Reveal(secrets), nil)
	p.output = sync.OnceValue(func() redact.Redactor { return keptRedactor(context.WithoutCancel(ctx), keeper, stack, secrets) })
	if warning := p.Known.Warning(); warning != "" {
		p.Warn(warning)
	}
}

// Trace sends spans of what happens from now on where the environment asks for it. That they cannot be made fails nothing.
func (p *Progress) Trace(ctx context.Context, verb, stack string) {
	var err error
	if p.spans, err = newSpans(ctx, verb, stack); err != nil {
		p.Say("warning: %v", err)
	}
}

// endSpans sends them. A failure to send them is only a warning.
func (p *Progress) endSpans(release int, failed string) {
	if err := p.spans.end(release, failed); err != nil {
		p.Say("warning: sending spans: %v", err)
	}
}

// line is one event of the stream.
type line struct {
	deploy.Event
	Time    time.Time `json:"time"`
	Release int       `json:"release,omitempty"`
	Verdict string    `json:"verdict,omitempty"` // of a result: deployed, unchanged, reverted or failed
	Error   string    `json:"error,omitempty"`   // why it failed, all of it
}

// Event tells an event, unless it is what was told of its subject last.
func (p *Progress) Event(e deploy.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Kind == deploy.LogEvent {
		p.log(e)
		return
	}
	p.endLog(e.Subject)
	if e.Done && strings.HasPrefix(e.Text, "healthy") {
		p.healthy[e.Subject] = true
	}
	e.Text = p.Known.Text(e.Text)
	p.tell(e)
}

// tell prints an event.
func (p *Progress) tell(e deploy.Event) {
	p.spans.event(e)
	if p.json != nil {
		p.write(line{Event: e})
		return
	}
	switch {
	case e.Kind == deploy.LogEvent:
		p.last[e.Subject] = e.Text
		p.print(fmt.Sprintf("         %-28s | %s", e.Subject, e.Text))
		return
	case e.Kind == deploy.StepEvent && !p.group, e.Kind == "" && p.last[e.Subject] == e.Text:
		return
	case e.Kind == deploy.StepEvent:
		p.fold(e.Subject + ": " + e.Text)
		return
	}
	p.last[e.Subject] = e.Text
	if p.live != nil {
		p.live.set(e.Subject, e.Text, time.Since(p.started))
		return
	}
	fmt.Fprintf(p.lines, "%6.1fs  %-28s %s\n", time.Since(p.started).Seconds(), e.Subject, e.Text)
}

func (p *Progress) print(text string) {
	if p.live != nil {
		p.live.above(text)
		return
	}
	fmt.Fprintln(p.lines, text)
}

func (p *Progress) write(l line) {
	l.Time = time.Now().UTC()
	_ = p.json.Encode(l) // the reader of the stream has gone; the deploy goes on
}

// fold ends the group of lines before, and begins one with a title, unless it is empty.
func (p *Progress) fold(title string) {
	if p.within {
		p.command("::endgroup::", "")
	}
	if p.within = title != ""; p.within {
		p.command("::group::", title)
	}
}

// command tells GitHub Actions to do something. Nothing else that is printed can.
func (p *Progress) command(prefix, text string) {
	if w, ok := p.lines.(interface {
		Command(prefix, text string) error
	}); ok {
		_ = w.Command(prefix, text) // as for every other line: whoever reads the stream has gone
		return
	}
	fmt.Fprintln(p.lines, prefix+text)
}

// Say prints a line that is not an event.
func (p *Progress) Say(format string, args ...any) {
	if p.json == nil {
		fmt.Fprintf(p.lines, format+"\n", args...)
	}
}

// Warn tells what went wrong and stops nothing.
func (p *Progress) Warn(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text = p.Known.Text(text)
	switch {
	case p.json != nil:
		p.write(line{Event: deploy.Event{Kind: "warning", Subject: "deploy", Text: text}})
	case p.group:
		p.annotate("warning", text)
	default:
		p.print("warning: " + text)
	}
}

// annotate lets GitHub Actions show a text next to the run, as its commands are escaped.
func (p *Progress) annotate(kind, text string) {
	p.command("::"+kind+" title=hsectl deploy::", strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text))
}

// Unchanged tells that there was nothing to do.
func (p *Progress) Unchanged(stack string, release int) {
	p.succeeded(stack, "unchanged", release, fmt.Sprintf("%s matches release %d and the profile: nothing to do", stack, release))
}

// Done tells the end that everybody wants.
func (p *Progress) Done(in stack.Stack, release int) {
	running, tested := 0, 0
	p.mu.Lock()
	for _, s := range in.Services {
		switch {
		case stack.Once(in, s):
			continue
		case s.Health != nil, p.healthy[s.Name]: // without a test it can only run
			tested++
		}
		running++
	}
	p.mu.Unlock()
	text := display.Count(running, "service")
	if tested == running {
		text += " healthy"
	} else {
		text += fmt.Sprintf(" running, %d of them healthy,", tested)
	}
	if done := len(in.Services) - running; done > 0 {
		text += fmt.Sprintf(" and %d completed", done)
	}
	p.succeeded(in.Name, "deployed", release, fmt.Sprintf("%s is up: %s after %s, release %d", in.Name, text, time.Since(p.started).Round(100*time.Millisecond), release))
}

// Reverted tells that an interrupted deploy was undone, or that there was none.
func (p *Progress) Reverted(stack string, interrupted bool) {
	if interrupted {
		p.succeeded(stack, "reverted", 0, stack+": undone")
		return
	}
	p.succeeded(stack, "unchanged", 0, stack+": no deploy was interrupted")
}

func (p *Progress) succeeded(stack, verdict string, release int, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endLogs()
	p.endSpans(release, "")
	p.fold("")
	if p.json != nil {
		p.write(line{Event: deploy.Event{Kind: "result", Subject: stack, Text: verdict, Done: true}, Release: release, Verdict: verdict})
		return
	}
	p.Say("%s", text)
}

// Failed tells the other one, and returns the error without values of secrets.
func (p *Progress) Failed(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endLogs()
	err = p.Redact(err)
	p.endSpans(0, err.Error())
	p.fold("")
	text, _, _ := strings.Cut(err.Error(), "\n")
	switch {
	case p.json != nil:
		p.write(line{Event: deploy.Event{Kind: "result", Subject: "deploy", Text: text}, Verdict: "failed", Error: err.Error()})
	case p.group:
		p.annotate("error", text)
	}
	return err
}

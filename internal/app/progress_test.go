package app

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/stack"
)

// elapsed is the time at the beginning of a line.
var elapsed = regexp.MustCompile(`(?m)^ *[0-9]+\.[0-9]s`)

// What GitHub Actions reads is exactly this: a group for each step, which is closed before the next one and before the end,
// and annotations in which what would end or change a command is escaped. A secret is in neither.
func TestGitHubActions(t *testing.T) {
	t.Setenv("GITHUB_ACTIONS", "true")
	tell := func(end func(*Progress)) string {
		var out bytes.Buffer
		p := NewProgress(Streams{Out: &out, Err: &out}, "")
		p.Hide(t.Context(), kept{}, "shop", map[string]deploy.Secret{"token": deploy.NewSecret([]byte("s3cr3t-value"))})
		p.Event(deploy.Event{Kind: deploy.StepEvent, Subject: "applying", Text: "prepare volume data"})
		p.Event(deploy.Event{Kind: deploy.StepEvent, Subject: "applying", Text: "deliver secrets web"})
		p.Event(deploy.Event{Subject: "web", Text: "1 secret delivered", Done: true})
		p.Event(deploy.Event{Subject: "web", Text: "1 secret delivered", Done: true}) // told once
		p.Event(deploy.Event{Kind: deploy.StepEvent, Subject: "applying", Text: "run job migrate"})
		p.Event(deploy.Event{Kind: deploy.LogEvent, Subject: "migrate", Text: "the token is s3cr3t-value"})
		end(p)
		return elapsed.ReplaceAllString(out.String(), "  0.0s")
	}
	const begun = `::group::applying: prepare volume data
::endgroup::
::group::applying: deliver secrets web
  0.0s  web                          1 secret delivered
::endgroup::
::group::applying: run job migrate
         migrate                      | the token is [secret]
`
	for _, c := range []struct {
		name, want string
		end        func(*Progress)
	}{
		{"unchanged", "::endgroup::\nshop matches release 3 and the profile: nothing to do\n", func(p *Progress) { p.Unchanged("shop", 3) }},
		{"failed", "::endgroup::\n::error title=hsectl deploy::100%25 of [secret]%0Dfailed::warning::\n",
			func(p *Progress) { _ = p.Failed(errors.New("100% of s3cr3t-value\rfailed::warning::\nand more lines")) }},
		{"warned", "::warning title=hsectl deploy::hook tell: 5%25%0A::error::no [secret]\n", func(p *Progress) { p.Warn("hook tell: 5%\n::error::no s3cr3t-value") }},
	} {
		if got := tell(c.end); got != begun+c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, begun+c.want)
		}
	}
}

// Healthy is said of what has passed a test, the profile's or the image's own, and of nothing else.
func TestTheEndSaysWhatIsHealthy(t *testing.T) {
	s := stack.Stack{Name: "shop", Services: []stack.Service{{Name: "web", Health: &stack.Health{}}, {Name: "db"}}}
	for told, want := range map[string]string{
		"healthy": "shop is up: 2 services healthy after", "healthy, 1 of 1": "shop is up: 2 services healthy after",
		"running": "shop is up: 2 services running, 1 of them healthy, after", "completed": "shop is up: 2 services running, 1 of them healthy, after",
	} {
		var out bytes.Buffer
		p := NewProgress(Streams{Out: io.Discard, Err: &out}, "text")
		p.Event(deploy.Event{Subject: "db", Text: told, Done: true})
		p.Done(s, 1)
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: got %q, want %q", told, out.String(), want)
		}
	}
}

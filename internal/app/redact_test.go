package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify/doctor"
)

// kept is what an engine keeps of a stack, by the name of a secret.
type kept map[string]string

// KeptSecrets implements SecretKeeper.
func (k kept) KeptSecrets(context.Context, string) (map[string][]deploy.Secret, error) {
	out := map[string][]deploy.Secret{}
	for name, value := range k {
		out[name] = []deploy.Secret{deploy.NewSecret([]byte(value))}
	}
	return out, nil
}

// unreachableKeeper is an engine that does not answer.
type unreachableKeeper struct{}

// KeptSecrets implements SecretKeeper.
func (unreachableKeeper) KeptSecrets(context.Context, string) (map[string][]deploy.Secret, error) {
	return nil, errors.New("the engine does not answer")
}

func unhealthy() error {
	return fmt.Errorf("applying: %w", &deploy.UnhealthyError{Service: "app", State: "unhealthy", Logs: []string{"started", "with kept-by-engine", "and hunter2-and-the-rest"}, Health: "GET /?t=hunter2"})
}

// What a failed container printed is shown without the values at hand and without those that only the engine knows: the
// value of a generated secret is never the one that this run made up.
func TestFailureIsToldWithoutSecrets(t *testing.T) {
	secrets := map[string]deploy.Secret{"a": deploy.NewSecret([]byte("hunter")), "b": deploy.NewSecret([]byte("hunter2-and-the-rest\n")), "made": deploy.NewSecret([]byte("made-up-here"))}
	for _, c := range []struct {
		name   string
		keeper SecretKeeper
		want   []string
		health string
	}{
		{"all known", kept{"made": "kept-by-engine"}, []string{"started", "with [secret]", "and [secret]"}, "GET /?t=[secret]2"},
		{"engine does not answer", unreachableKeeper{}, []string{"[3 lines hidden: the value of any secret of shop is not known here]"},
			"[1 line hidden: the value of any secret of shop is not known here]"},
	} {
		var out bytes.Buffer
		p := NewProgress(Streams{Out: &out, Err: &out}, "")
		p.Hide(t.Context(), c.keeper, "shop", secrets)
		err := p.Failed(unhealthy())
		failed, ok := errors.AsType[*deploy.UnhealthyError](err)
		if !ok || !slices.Equal(failed.Logs, c.want) || failed.Health != c.health {
			t.Errorf("%s: %q, %q", c.name, failed.Logs, failed.Health)
		}
	}
}

func TestErrorIsToldWithoutSecrets(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(Streams{Out: &out, Err: &out}, "json")
	p.Hide(t.Context(), unreachableKeeper{}, "shop", map[string]deploy.Secret{"token": deploy.NewSecret([]byte("hunter2"))})
	cause := &deploy.FailedError{Err: errors.New("creating: bad value hunter2")}
	err := p.Failed(cause)
	if strings.Contains(err.Error()+out.String(), "hunter2") || !IsType[*deploy.FailedError](err) {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// Lines of jobs and hooks are withheld once, not each by itself.
func TestOutputOfJobs(t *testing.T) {
	for _, c := range []struct {
		name   string
		keeper SecretKeeper
		want   string
	}{
		{"kept by the engine", kept{"made": "kept-by-engine"}, "         migrate                      | with [secret]\n         migrate                      | again\n"},
		{"engine does not answer", unreachableKeeper{}, "         migrate                      | [output hidden: the value of any secret of shop is not known here]\n"},
	} {
		var out bytes.Buffer
		p := NewProgress(Streams{Out: &out, Err: &out}, "")
		p.Hide(t.Context(), c.keeper, "shop", nil)
		for _, line := range []string{"with kept-by-engine", "again"} {
			p.Event(deploy.Event{Kind: deploy.LogEvent, Subject: "migrate", Text: line})
		}
		if out.String() != c.want {
			t.Errorf("%s:\n%s", c.name, out.String())
		}
	}
}

// A value is found where it is cut into lines, also between the output of others, and what is held back for it is told in the end.
func TestValuesAcrossLines(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(Streams{Out: &out, Err: &out}, "")
	p.Hide(t.Context(), kept{"made": "correct horse battery staple"}, "shop", nil)
	for _, e := range [][2]string{{"migrate", "begin Y29ycmVjdCBob3Jz"}, {"app", "started"}, {"migrate", "ZSBiYXR0ZXJ5IHN0YXBsZQ== end"}, {"migrate", "correct"}} {
		p.Event(deploy.Event{Kind: deploy.LogEvent, Subject: e[0], Text: e[1]})
	}
	p.Event(deploy.Event{Subject: "app", Text: "healthy", Done: true})
	p.Unchanged("shop", 1)
	const want = `         app                          | started
         migrate                      | begin [secret]
         migrate                      | [secret] end
  0.0s  app                          healthy
         migrate                      | correct
shop matches release 1 and the profile: nothing to do
`
	if got := elapsed.ReplaceAllString(out.String(), "  0.0s"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestShortSecretIsSaidOnce(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(Streams{Out: &out, Err: &out}, "")
	p.Hide(t.Context(), kept{}, "shop", map[string]deploy.Secret{"pin": deploy.NewSecret([]byte("123"))})
	p.Event(deploy.Event{Kind: deploy.LogEvent, Subject: "app", Text: "pin 123"})
	if want := "warning: secret values shorter than 4 characters are not hidden in output\n         app                          | pin 123\n"; out.String() != want {
		t.Errorf("%s", out.String())
	}
}

// Doctor needs no secret of this environment where the engine keeps it. Where a value is known nowhere, log lines are
// withheld, and what the engine itself says of the container is still looked at.
func TestSymptomsAreReadWithoutSecrets(t *testing.T) {
	t.Setenv("AT_HAND", "from-the-environment")
	l := Loaded{Path: "hsectl.yaml", Profile: &profile.Profile{}, Stack: stack.Stack{Name: "shop",
		Secrets: []stack.Secret{{Name: "here", Env: "AT_HAND"}, {Name: "absent", Env: "NOT_SET"}, {Name: "made", Generate: true}, {Name: "url", From: "made", Format: "postgres://{}@db"}}}}
	for _, c := range []struct {
		name   string
		keeper kept
		want   []string
	}{
		{"all known", kept{"absent": "known-to-the-engine", "made": "kept-by-engine"}, []string{"[secret] [secret]", "to postgres://[secret]@db"}},
		{"one unknown", kept{"made": "kept-by-engine"}, nil},
	} {
		symptoms := []doctor.Symptom{{Service: "app", State: "exited", Logs: []string{"from-the-environment known-to-the-engine", "to postgres://kept-by-engine@db"}}}
		got := (&Settings{}).RedactSymptoms(t.Context(), c.keeper, l, symptoms)
		if !slices.Equal(got[0].Logs, c.want) || got[0].State != "exited" || (c.want == nil) != (got[0].Unread == "2 lines hidden: the value of absent is not known here") {
			t.Errorf("%s: %q, %q", c.name, got[0].Logs, got[0].Unread)
		}
	}
}

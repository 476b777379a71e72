package deploy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/profiles"
)

const shop = `apiVersion: hsectl/v1
kind: Profile
name: shop
services:
  app:
    preset: redis
    image: shop-app:latest
    build: {context: .}
    secrets: [token]
    writable: [{path: /data, volume: uploads}]
  cache: {preset: redis, user: "7:8"}
secrets: {token: {env: TOKEN}}
`

const theirs = "volumes: {uploads: {external: true}}\n"

func parse(t *testing.T, text string) stack.Stack {
	t.Helper()
	p, err := parser.Parse([]byte(text), parser.Options{File: "test.yaml", Library: profiles.Library{}})
	if err != nil {
		t.Fatal(err)
	}
	return stack.New(p)
}

func desired(t *testing.T, text string) deploy.Desired {
	t.Helper()
	return deploy.Desired{Stack: parse(t, text), Secrets: map[string]deploy.Secret{"token": deploy.NewSecret([]byte("hunter2"))}, Timeout: time.Minute}
}

// settled is an engine that has all of it already.
func settled() deploy.Observed {
	return deploy.Observed{
		Images: map[string]string{"shop-app:latest": "sha256:a", "redis:8": "sha256:b"},
		Volumes: map[string]deploy.Volume{
			"shop_uploads":    {Owner: stack.User{UID: 999, GID: 999}, Mode: 0o700},
			"shop_cache-data": {Owner: stack.User{UID: 7, GID: 8}, Mode: 0o700},
		},
		Secrets: map[string]deploy.SecretState{"app": {
			Volume: "shop_app_secrets_3", Version: 3, Owner: stack.User{UID: 999, GID: 999},
			Digests: map[string]string{"token": deploy.NewSecret([]byte("hunter2")).Digest()},
		}},
	}
}

// The plan is what people read before anything happens: each step, its subject, and why.
func TestPlan(t *testing.T) {
	const converge = "converge shop: containers follow the rendered stack"
	for _, c := range []struct {
		name    string
		profile string
		change  func(*deploy.Desired, *deploy.Observed)
		want    []string
	}{
		{"nothing is there", shop, func(_ *deploy.Desired, o *deploy.Observed) {
			*o = deploy.Observed{Images: map[string]string{"shop-app:latest": "sha256:a"}}
		}, []string{
			"pull image redis:8: the engine does not have it", "prepare volume uploads: the volume does not exist",
			"prepare volume cache-data: the volume does not exist", "deliver secrets app: no secrets were delivered yet", converge,
		}},
		{"all is there", shop, func(*deploy.Desired, *deploy.Observed) {}, []string{converge}},
		{"another owner", shop, func(_ *deploy.Desired, o *deploy.Observed) {
			o.Volumes["shop_cache-data"] = deploy.Volume{Mode: 0o700}
		}, []string{"prepare volume cache-data: /data belongs to 0:0, and cache writes as 7:8", converge}},
		{"another mode", shop, func(_ *deploy.Desired, o *deploy.Observed) {
			o.Volumes["shop_cache-data"] = deploy.Volume{Owner: stack.User{UID: 7, GID: 8}, Mode: 0o755}
		}, []string{"prepare volume cache-data: /data has mode 0755, not 0700", converge}},
		{"another value", shop, func(d *deploy.Desired, _ *deploy.Observed) {
			d.Secrets["token"] = deploy.NewSecret([]byte("hunter3"))
		}, []string{"deliver secrets app: a secret differs from volume shop_app_secrets_3", converge}},
		{"another reader", shop, func(_ *deploy.Desired, o *deploy.Observed) {
			state := o.Secrets["app"]
			state.Owner = stack.User{}
			o.Secrets["app"] = state
		}, []string{"deliver secrets app: a secret differs from volume shop_app_secrets_3", converge}},
		{"one secret more on the engine", shop, func(_ *deploy.Desired, o *deploy.Observed) {
			o.Secrets["app"].Digests["old"] = "x"
		}, []string{"deliver secrets app: a secret differs from volume shop_app_secrets_3", converge}},
		{"an external volume", shop + theirs, func(_ *deploy.Desired, o *deploy.Observed) {
			delete(o.Volumes, "shop_uploads")
			o.Volumes["uploads"] = deploy.Volume{Owner: stack.User{UID: 999, GID: 999}, Mode: 0o700}
		}, []string{converge}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, o := desired(t, c.profile), settled()
			c.change(&d, &o)
			plan, err := deploy.NewPlan(d, o)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range plan.Steps {
				got = append(got, fmt.Sprintf("%s %s: %s", s.Kind, s.Subject, s.Cause))
			}
			if plan.Stack != "shop" || !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestStepsCarryWhatTheyNeed(t *testing.T) {
	d := desired(t, shop)
	d.Environment = map[string]string{"LEVEL": "info"}
	o := settled()
	o.Volumes = map[string]deploy.Volume{"shop_uploads": {}}
	d.Secrets["token"] = deploy.NewSecret([]byte("new"))
	plan, err := deploy.NewPlan(d, o)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]deploy.Step{}
	for _, s := range plan.Steps {
		found[s.Subject] = s
	}
	if v := found["uploads"].Volume; !reflect.DeepEqual(*v, deploy.VolumeStep{Name: "shop_uploads", Key: "uploads", Stack: "shop", Image: "shop-app:latest", Path: "/data", Owner: stack.User{UID: 999, GID: 999}, Mode: 0o700}) {
		t.Errorf("uploads: %+v", *v)
	}
	if v := found["cache-data"].Volume; !v.Create || v.Owner != (stack.User{UID: 7, GID: 8}) {
		t.Errorf("cache-data: %+v", *v)
	}
	s := found["app"].Secrets
	if s.Volume != "shop_app_secrets_4" || s.Service != "app" || len(s.Files) != 1 || s.Files[0].Name != "token" || string(s.Files[0].Value.Reveal()) != "new" {
		t.Errorf("secrets: %+v", s)
	}
	c := found["shop"].Compose
	if !maps.Equal(c.Environment, d.Environment) || c.Timeout != time.Minute || !slices.Equal(c.Services, []string{"app", "cache"}) {
		t.Errorf("converge: %+v", c)
	}
	if !strings.Contains(string(c.File), "shop_app_secrets_4") || strings.Contains(string(c.File), "build:") {
		t.Errorf("the file does not mount the new secrets, or builds:\n%s", c.File)
	}
}

func TestMissingBuiltImages(t *testing.T) {
	o := settled()
	delete(o.Images, "shop-app:latest")
	plan, err := deploy.NewPlan(desired(t, shop), o)
	missing, ok := errors.AsType[*deploy.MissingError](err)
	if !ok || !slices.Equal(missing.Images, []string{"shop-app:latest"}) || len(plan.Steps) != 0 {
		t.Errorf("got %+v, %v", plan, err)
	}
}

// Wherever a secret ends up by mistake, it is not seen there.
func TestASecretNeverPrints(t *testing.T) {
	const value = "hunter2"
	secret := deploy.NewSecret([]byte(value))
	step := deploy.Step{Kind: deploy.DeliverSecrets, Secrets: &deploy.SecretsStep{Files: []deploy.SecretFile{{Name: "token", Value: secret}}}}
	d := deploy.Desired{Secrets: map[string]deploy.Secret{"token": secret}}
	for _, v := range []any{secret, &secret, []deploy.Secret{secret}, map[string]deploy.Secret{"a": secret}, d, &d, step, *step.Secrets, step.Secrets.Files} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X"} {
			out := fmt.Sprintf(verb, v)
			for _, leak := range []string{value, fmt.Sprintf("%x", value), fmt.Sprintf("%X", value), fmt.Sprintf("%v", []byte(value))[1:20]} {
				if strings.Contains(out, leak) {
					t.Errorf("%s of %T shows the value: %s", verb, v, out)
				}
			}
		}
		if data, err := json.Marshal(v); err != nil || strings.Contains(string(data), value) || strings.Contains(string(data), "aHVudGVyMg") {
			t.Errorf("JSON of %T shows the value: %s, %v", v, data, err)
		}
	}
	if err := fmt.Errorf("delivering %v: %w", secret, errors.New("x")); strings.Contains(err.Error(), value) {
		t.Errorf("an error shows the value: %v", err)
	}
	if string(secret.Reveal()) != value || len(secret.Digest()) != 64 || secret.Digest() == deploy.NewSecret([]byte("hunter3")).Digest() {
		t.Error("the value is lost")
	}
}

func TestASecretIsACopy(t *testing.T) {
	value := []byte("hunter2")
	secret := deploy.NewSecret(value)
	value[0] = 'X'
	if string(secret.Reveal()) != "hunter2" {
		t.Error("the secret changed with the buffer it was read into")
	}
}

// engine writes down what is applied, and fails at one step.
type engine struct {
	applied []string
	failAt  string
	cancel  context.CancelFunc
}

var errApply = errors.New("no space left on device")

func (e *engine) Observe(context.Context, deploy.Desired) (deploy.Observed, error) {
	return deploy.Observed{}, nil
}

func (e *engine) Apply(_ context.Context, steps []deploy.Step, report func(deploy.Event)) error {
	s := steps[0]
	e.applied = append(e.applied, s.Subject)
	report(deploy.Event{Subject: s.Subject, Text: "done", Done: true})
	if e.cancel != nil {
		e.cancel()
	}
	if s.Subject == e.failAt {
		return errApply
	}
	return nil
}

func steps() deploy.Plan {
	return deploy.Plan{Stack: "shop", Steps: []deploy.Step{{Kind: deploy.PullImage, Subject: "a"}, {Kind: deploy.PrepareVolume, Subject: "b"}, {Kind: deploy.Converge, Subject: "c"}}}
}

func TestExecute(t *testing.T) {
	var events []string
	e := &engine{}
	if err := deploy.Execute(context.Background(), steps(), e, func(ev deploy.Event) { events = append(events, ev.Subject) }); err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "c"}; !slices.Equal(e.applied, want) || !slices.Equal(events, want) {
		t.Errorf("applied %v, reported %v", e.applied, events)
	}
}

func TestExecuteStopsAtTheFirstFailure(t *testing.T) {
	e := &engine{failAt: "b"}
	err := deploy.Execute(context.Background(), steps(), e, func(deploy.Event) {})
	if !errors.Is(err, errApply) || !strings.Contains(err.Error(), `applying prepare volume b`) || !slices.Equal(e.applied, []string{"a", "b"}) {
		t.Errorf("applied %v, %v", e.applied, err)
	}
}

func TestExecuteStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	e := &engine{cancel: cancel}
	if err := deploy.Execute(ctx, steps(), e, func(deploy.Event) {}); !errors.Is(err, context.Canceled) || len(e.applied) != 1 {
		t.Errorf("applied %v, %v", e.applied, err)
	}
}

func TestUnhealthyError(t *testing.T) {
	err := &deploy.UnhealthyError{Service: "app", State: "exited with code 1"}
	if err.Error() != `service "app" did not become healthy: exited with code 1` {
		t.Error(err)
	}
}

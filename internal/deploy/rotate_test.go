package deploy_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/deploy/planfile"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
)

const base = `apiVersion: hsectl/v1
kind: Profile
name: shop
services:
  db:
    preset: postgres
    secrets: [{name: owner, env: POSTGRES_PASSWORD_FILE}]
  app:
    preset: redis
    secrets: [owner]
    depends_on: [db]
secrets: {owner: {env: OWNER}}
`

// keeping returns an engine whose database has data, and to which versions of a secret were delivered, the last one newest.
func keeping(secret string, values ...string) deploy.Observed {
	o := deploy.Observed{
		Images:    map[string]string{"postgres:18": "sha256:a", "redis:8": "sha256:b"},
		Volumes:   map[string]deploy.Volume{"shop_db-data": {Owner: stack.User{UID: 999, GID: 999}, Mode: 0o700, Filled: true}},
		Secrets:   map[string]deploy.SecretState{},
		Delivered: map[string]deploy.SecretState{},
		Running:   map[string][]deploy.Running{"db": {{ID: "1", Well: true}}},
	}
	for i, value := range values {
		state := deploy.SecretState{Volume: "shop_db_secrets_" + string(rune('1'+i)), Version: i + 1, Owner: stack.User{UID: 999, GID: 999},
			Digests: map[string]string{secret: deploy.NewSecret([]byte(value)).Digest()}}
		o.Secrets["db"], o.Delivered[state.Volume] = state, state
	}
	return o
}

// wanting is the stack with a value, at a release that delivered version 1 of its secrets.
func wanting(t *testing.T, text, value string) deploy.Desired {
	t.Helper()
	d := deploy.Desired{Stack: parse(t, text), Secrets: map[string]deploy.Secret{"owner": deploy.NewSecret([]byte(value))}}
	first := keeping("owner", value)
	plan, err := deploy.NewPlan(d, first)
	if err != nil {
		t.Fatal(err)
	}
	r := deploy.NewRelease(d, first, plan, 1)
	r.Secrets = map[string]string{"db": "shop_db_secrets_1"}
	d.Last = &record.Entry{Number: 1, Release: r, Outcome: record.Outcome{Status: record.Deployed}}
	return d
}

// A secret that an image reads at its first start only is changed in the program, before anything is replaced, wherever the
// program may have another value; and nowhere else.
func TestRotationsOfAPlan(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		value  string
		change func(*deploy.Desired, *deploy.Observed)
		from   []string // volumes of former values; nil: no rotation is planned
	}{
		"the value is the delivered one": {value: "old"},
		"another value":                  {value: "new", from: []string{"shop_db_secrets_1"}},
		"no data yet": {value: "new", change: func(_ *deploy.Desired, o *deploy.Observed) {
			o.Volumes["shop_db-data"] = deploy.Volume{Owner: stack.User{UID: 999, GID: 999}, Mode: 0o700}
		}},
		"data without any record": {value: "new", from: []string{}, change: func(d *deploy.Desired, o *deploy.Observed) {
			d.Last, o.Secrets, o.Delivered = nil, nil, nil
		}},
		"a first deploy that failed": {value: "new", from: []string{"shop_db_secrets_1"}, change: func(d *deploy.Desired, _ *deploy.Observed) { d.Last = nil }},
		"an interrupted deploy delivered another value": {value: "old", from: []string{"shop_db_secrets_2"}, change: func(d *deploy.Desired, o *deploy.Observed) {
			*o = keeping("owner", "old", "cut")
			o.Use(d.Last.Release)
			d.Interrupted = true
		}},
		"a deploy that was undone delivered another value": {value: "old", change: func(d *deploy.Desired, o *deploy.Observed) {
			*o = keeping("owner", "old", "undone")
			o.Use(d.Last.Release)
		}},
		"only another service may change": {value: "old", change: func(d *deploy.Desired, _ *deploy.Observed) { d.Only = []string{"app"} }},
	} {
		d, o := wanting(t, base, c.value), keeping("owner", "old")
		if c.change != nil {
			c.change(&d, &o)
		}
		plan, err := deploy.NewPlan(d, o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		i := slices.IndexFunc(plan.Steps, func(s deploy.Step) bool { return s.Kind == deploy.RotateSecret })
		if i < 0 && c.from == nil {
			continue
		}
		if i < 0 || c.from == nil {
			t.Errorf("%s: the step is at %d of %d, want former values %v", name, i, len(plan.Steps), c.from)
			continue
		}
		var from []string
		for _, f := range plan.Steps[i].Rotate.From {
			from = append(from, f.Volume)
		}
		if !slices.Equal(from, c.from) || plan.Steps[i].Rotate.To.Volume != plan.Delivery.Secrets["db"] || plan.Steps[i].Cause == "" {
			t.Errorf("%s: from %v to %v (%s)", name, from, plan.Steps[i].Rotate.To, plan.Steps[i].Cause)
		}
		for _, s := range plan.Steps[:i] {
			if s.Kind != deploy.PrepareVolume && s.Kind != deploy.DeliverSecrets {
				t.Errorf("%s: %s comes before the secret is changed", name, s.Name())
			}
		}
	}
}

// A database that does not run is started alone, as its last release had it, before its secret is changed.
func TestRotationStartsTheService(t *testing.T) {
	t.Parallel()
	d, o := wanting(t, base, "new"), keeping("owner", "old")
	o.Running = nil
	plan, err := deploy.NewPlan(d, o)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(plan.Steps, func(s deploy.Step) bool { return s.Kind == deploy.RotateSecret })
	before := plan.Steps[i-1]
	if before.Kind != deploy.Converge || !slices.Equal(before.Compose.Services, []string{"db"}) || !before.Compose.Partial || string(before.Compose.File) != string(d.Last.Release.Compose) {
		t.Errorf("before the rotation: %s of %v", before.Name(), before.Compose)
	}
}

// Where no command changes a secret, the deploy is refused before anything happens.
func TestRotationRefused(t *testing.T) {
	t.Parallel()
	text := strings.Replace(base, "env: POSTGRES_PASSWORD_FILE", "env: POSTGRES_DB_FILE", 1)
	_, err := deploy.NewPlan(wanting(t, text, "new"), keeping("owner", "old"))
	first, ok := errors.AsType[*deploy.FirstStartError](err)
	if !ok || first.Volume != "shop_db-data" || first.Secret != "owner" || first.Service != "db" {
		t.Fatalf("got %v", err)
	}
	if _, err := deploy.NewPlan(wanting(t, text, "old"), keeping("owner", "old")); err != nil {
		t.Errorf("the same value: %v", err)
	}
}

// A secret that got another name has its former value under the old one.
func TestRotationOfARenamedSecret(t *testing.T) {
	t.Parallel()
	d := wanting(t, base, "new")
	renamed := strings.NewReplacer("name: owner", "name: admin", "[owner]", "[admin]", "{owner:", "{admin:").Replace(base)
	d.Stack, d.Secrets = parse(t, renamed), map[string]deploy.Secret{"admin": deploy.NewSecret([]byte("new"))}
	plan, err := deploy.NewPlan(d, keeping("owner", "old"))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(plan.Steps, func(s deploy.Step) bool { return s.Kind == deploy.RotateSecret })
	if i < 0 || len(plan.Steps[i].Rotate.From) != 1 || plan.Steps[i].Rotate.From[0].Name != "owner" || plan.Steps[i].Rotate.To.Name != "admin" {
		t.Errorf("planned %v", plan.Steps)
	}
}

// The way back lets the program accept the value of the release again, and asks it first which one it has.
func TestReturnRotates(t *testing.T) {
	t.Parallel()
	r := wanting(t, base, "old").Last.Release
	for want, o := range map[bool]deploy.Observed{true: keeping("owner", "old", "new"), false: keeping("owner", "old", "old")} {
		o.Kept = map[string]bool{}
		plan, err := deploy.NewReturn(r, o, 0)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(plan.Steps, func(s deploy.Step) bool { return s.Kind == deploy.RotateSecret })
		if i >= 0 != want {
			t.Fatalf("a rotation is planned: %v, want %v", i >= 0, want)
		}
		if want && (!plan.Steps[i].Rotate.Return || plan.Steps[i].Rotate.To.Volume != "shop_db_secrets_1" || plan.Steps[i].Rotate.From[0].Volume != "shop_db_secrets_2") {
			t.Errorf("planned %+v", plan.Steps[i].Rotate)
		}
	}
}

// No step of a rotation has a value.
func TestRotationHasNoValue(t *testing.T) {
	t.Parallel()
	d, o := wanting(t, base, "hunter2-new"), keeping("owner", "hunter2-old")
	plan, err := deploy.NewPlan(d, o)
	if err != nil {
		t.Fatal(err)
	}
	saved, err := planfile.New(d, o, plan)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range saved.Steps {
		if strings.Contains(s.Cause+s.Subject, "hunter2") {
			t.Errorf("%v shows a value", s)
		}
	}
}

// A secret has one value in all services that read it: a deploy of some of them that would change it there alone is refused.
func TestOnlySomeReadersOfASecret(t *testing.T) {
	d := wanting(t, base, "old")
	o := keeping("owner", "old")
	o.Secrets["app"] = o.Secrets["db"]
	d.Secrets["owner"] = deploy.NewSecret([]byte("new"))
	for _, tt := range []struct {
		only []string
		want string
	}{
		{[]string{"db"}, "secret owner has a new value, which service db would get, and app not"},
		{[]string{"app"}, "secret owner has a new value, which service app would get, and db not"},
		{[]string{"app", "db"}, ""},
	} {
		narrow, err := deploy.Narrow(d, tt.only)
		if err != nil {
			t.Fatal(err)
		}
		_, err = deploy.NewPlan(narrow, o)
		left, refused := errors.AsType[*deploy.LeftOutError](err)
		if refused != (tt.want != "") || refused && left.Error() != tt.want {
			t.Errorf("only %v: %v", tt.only, err)
		}
	}
}

package deploy_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/deploy/planfile"
	"github.com/hsectl/hsectl/internal/drift"
	"github.com/hsectl/hsectl/internal/record"
)

// conditions are how the services are, against a release.
func conditions(t testing.TB, r record.Entry, o deploy.Observed) []deploy.Condition {
	t.Helper()
	return deploy.Compare(r, o)
}

// deployed is a stack that was deployed as release 1 and runs as it was left.
func deployed(t *testing.T, text string) (deploy.Desired, deploy.Observed) {
	t.Helper()
	d, o := desired(t, text), settled()
	plan, err := deploy.NewPlan(d, o)
	if err != nil {
		t.Fatal(err)
	}
	last := &record.Entry{Number: 1, Release: deploy.NewRelease(d, o, plan, 1), Outcome: record.Outcome{Status: record.Deployed, Containers: map[string][]string{}}}
	o.Running = map[string][]deploy.Running{}
	for _, s := range d.Stack.Services {
		o.Running[s.Name] = []deploy.Running{{ID: "id-of-" + s.Name, Image: o.Images[s.Image], Well: true, State: "healthy"}}
		last.Outcome.Containers[s.Name] = []string{"id-of-" + s.Name}
		for _, w := range s.Volumes() {
			o.Volumes[deploy.VolumeName(d.Stack, w.Volume)] = deploy.Volume{Owner: w.Owner, Mode: w.Mode}
		}
	}
	d.Last = last
	return d, o
}

// Each way in which a service can differ is named, and only that service is replaced.
func TestChanges(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(d *deploy.Desired, o *deploy.Observed)
		action deploy.Action // of app
		cause  string
	}{
		{"nothing", func(*deploy.Desired, *deploy.Observed) {}, deploy.Keep, ""},
		{"another limit", func(d *deploy.Desired, _ *deploy.Observed) {
			d.Stack = parse(t, strings.Replace(shop, "build: {context: .}", "build: {context: .}\n    limits: {memory: 300M}", 1))
		}, deploy.Replace, "deploy.resources.limits.memory: 512m → 300M; memswap_limit: 512m → 300M"},
		{"another image", func(_ *deploy.Desired, o *deploy.Observed) { o.Images["shop-app:latest"] = "sha256:next" }, deploy.Replace, "image shop-app:latest is next and it runs a"},
		{"another secret", func(d *deploy.Desired, _ *deploy.Observed) {
			d.Secrets["token"] = deploy.NewSecret([]byte("hunter3"))
		}, deploy.Replace, "new version of secret token"},
		{"changed by hand", func(_ *deploy.Desired, o *deploy.Observed) {
			o.Running["app"][0].Differences = []drift.Difference{{Path: "HostConfig.PidsLimit", Want: "100"}}
		}, deploy.Replace, "HostConfig.PidsLimit was changed on the running container"},
		{"made by hand", func(_ *deploy.Desired, o *deploy.Observed) { o.Running["app"][0].ID = "theirs" }, deploy.Replace, "its container is not the one of release 1"},
		{"gone", func(_ *deploy.Desired, o *deploy.Observed) { delete(o.Running, "app") }, deploy.Create, "it has no container"},
		{"not well", func(_ *deploy.Desired, o *deploy.Observed) {
			o.Running["app"][0].Well, o.Running["app"][0].State = false, "unhealthy"
		}, deploy.Start, "it is unhealthy"},
		{"no release", func(d *deploy.Desired, _ *deploy.Observed) { d.Last = nil }, deploy.Replace, "the engine has no release of the stack"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, o := deployed(t, shop)
			c.change(&d, &o)
			plan, err := deploy.NewPlan(d, o)
			if err != nil {
				t.Fatal(err)
			}
			app, cache := plan.Services[0], plan.Services[1]
			if app.Service != "app" || app.Action != c.action || !strings.Contains(strings.Join(app.Causes, "; "), c.cause) {
				t.Errorf("got %+v", app)
			}
			if c.name != "no release" && cache.Action != deploy.Keep {
				t.Errorf("cache: %+v", cache)
			}
			if (len(plan.Steps) == 0) != (c.action == deploy.Keep) {
				t.Errorf("%d steps", len(plan.Steps))
			}
			if app.Action == deploy.Replace && !strings.HasPrefix(app.How, "stop-first: ") {
				t.Errorf("how: %q", app.How)
			}
		})
	}
}

// A service that the profile no longer has is removed; one that is not to be touched is not looked at.
func TestServicesComeAndGo(t *testing.T) {
	d, o := deployed(t, shop)
	o.Running["old"] = []deploy.Running{{ID: "x"}}
	plan, err := deploy.NewPlan(d, o)
	if err != nil || len(plan.Services) != 3 || plan.Services[2].Action != deploy.Remove {
		t.Errorf("%+v, %v", plan.Services, err)
	}
	o.Images["redis:8"] = "sha256:next"
	d.Secrets["token"] = deploy.NewSecret([]byte("hunter3"))
	narrow, err := deploy.Narrow(d, []string{"cache"})
	if err != nil {
		t.Fatal(err)
	}
	if plan, err = deploy.NewPlan(narrow, o); err != nil {
		t.Fatal(err)
	}
	if len(plan.Steps) != 1 || !plan.Steps[0].Compose.Partial || !slices.Equal(plan.Steps[0].Compose.Services, []string{"cache"}) || plan.Delivery.Secrets["app"] != "shop_app_secrets_3" {
		t.Errorf("%+v", plan)
	}
	if r := deploy.NewRelease(narrow, o, plan, 2); r.Images["shop-app:latest"].ID != "sha256:a" || r.Secrets["app"] != "shop_app_secrets_3" {
		t.Errorf("the release has %+v", r)
	}
	if _, err := deploy.Narrow(d, []string{"missing"}); err == nil {
		t.Error("a service that does not exist may be deployed alone")
	}
	d.Last = nil
	if _, err := deploy.Narrow(d, []string{"cache"}); err == nil {
		t.Error("one service is deployed alone although there is no release")
	}
}

// A saved plan fits as long as nothing that it was made from has changed, and shows no value.
func TestSavedPlan(t *testing.T) {
	save := func(change func(*deploy.Desired, *deploy.Observed)) planfile.Plan {
		d, o := deployed(t, shop)
		d.Secrets["token"] = deploy.NewSecret([]byte("hunter3"))
		d.Environment = map[string]string{"LEVEL": "chatty"}
		change(&d, &o)
		plan, err := deploy.NewPlan(d, o)
		if err != nil {
			t.Fatal(err)
		}
		saved, err := planfile.New(d, o, plan)
		if err != nil {
			t.Fatal(err)
		}
		return saved
	}
	first := save(func(*deploy.Desired, *deploy.Observed) {})
	if again := save(func(*deploy.Desired, *deploy.Observed) {}); again.Fingerprint != first.Fingerprint {
		t.Error("the same plan has another fingerprint")
	}
	for name, change := range map[string]func(*deploy.Desired, *deploy.Observed){
		"variable":  func(d *deploy.Desired, _ *deploy.Observed) { d.Environment["LEVEL"] = "quiet" },
		"image":     func(_ *deploy.Desired, o *deploy.Observed) { o.Images["redis:8"] = "sha256:next" },
		"container": func(_ *deploy.Desired, o *deploy.Observed) { o.Running["cache"][0].ID = "theirs" },
		"release":   func(d *deploy.Desired, _ *deploy.Observed) { d.Last.Number = 2 },
		"volume": func(_ *deploy.Desired, o *deploy.Observed) {
			o.Volumes = maps.Clone(o.Volumes)
			delete(o.Volumes, "shop_uploads")
		},
	} {
		if save(change).Fingerprint == first.Fingerprint {
			t.Errorf("another %s, and the same fingerprint", name)
		}
	}
	data, err := json.Marshal(first)
	if err != nil || strings.Contains(string(data), "hunter3") || strings.Contains(string(data), "chatty") {
		t.Errorf("the file shows a value: %s, %v", data, err)
	}
	if got, err := planfile.Decode(data); err != nil || got.Fingerprint != first.Fingerprint {
		t.Errorf("%+v, %v", got, err)
	}
	edited := strings.Replace(string(data), `"action":"replace"`, `"action":"keep"`, 1)
	if edited == string(data) {
		t.Fatalf("nothing is replaced: %s", data)
	}
	if _, err := planfile.Decode([]byte(edited)); !errors.Is(err, planfile.ErrEdited) {
		t.Errorf("an edited plan: %v", err)
	}
	for name, c := range map[string]struct {
		change func(*planfile.Plan)
		want   error
	}{
		"the same":                           {func(*planfile.Plan) {}, nil},
		"another fingerprint":                {func(s *planfile.Plan) { s.Fingerprint = "x" }, planfile.ErrMoved},
		"other steps, with their own digest": {func(s *planfile.Plan) { s.Steps, s.SHA256 = nil, "x" }, planfile.ErrEdited},
	} {
		got := first
		c.change(&got)
		if err := got.Fits(first); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	theirs := first
	theirs.Stack = "other"
	if err := theirs.Fits(first); err == nil || !strings.Contains(err.Error(), "for stack other") {
		t.Errorf("a plan of another stack: %v", err)
	}
	for _, bad := range []string{"", "{}", `{"apiVersion":"hsectl/v1","kind":"Plan","stack":"shop"}`, `{"apiVersion":"hsectl/v2","kind":"Plan"}`, string(data[:len(data)/2]), string(data) + "x"} {
		if _, err := planfile.Decode([]byte(bad)); err == nil {
			t.Errorf("%.40q is taken for a plan", bad)
		}
	}
}

const migrating = shop + "jobs: {migrate: {service: app, command: [migrate], timeout: 1m}, warm: {service: app, command: [warm], when: after}}\n"

// A job runs around the swap of its service, only when that changes, as hardened as it is.
func TestJobsArePlanned(t *testing.T) {
	d, o := deployed(t, migrating)
	if plan, err := deploy.NewPlan(d, o); err != nil || len(plan.Steps) != 0 {
		t.Errorf("nothing changed, and there are %d steps, %v", len(plan.Steps), err)
	}
	o.Images["shop-app:latest"] = "sha256:next"
	plan, err := deploy.NewPlan(d, o)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range plan.Steps {
		names = append(names, s.Name())
	}
	if !slices.Equal(names, []string{"run job migrate", "converge shop", "run job warm"}) {
		t.Fatalf("got %q", names)
	}
	job := plan.Steps[0].Compose
	for _, want := range []string{"- migrate", "read_only: true", "- ALL", "shop_app_secrets_3", `restart: "no"`} {
		if !strings.Contains(string(job.File), want) {
			t.Errorf("the job's file has no %q:\n%s", want, job.File)
		}
	}
	if strings.Contains(string(job.File), "healthcheck") || job.Timeout != time.Minute || !job.Once || !job.Partial {
		t.Errorf("the job is %+v", job)
	}
}

// A network or a volume that was changed by hand is named, and no container is replaced for it.
func TestChangedResources(t *testing.T) {
	d, o := deployed(t, shop)
	o.Resources = map[string][]drift.Difference{"volume shop_uploads": {{Path: "Options[device]", Got: `"/root"`}}, "network shop_backend": {{Path: "Internal", Want: "true"}}}
	plan, err := deploy.NewPlan(d, o)
	if err != nil || len(plan.Steps) > 0 {
		t.Fatalf("%d steps, %v", len(plan.Steps), err)
	}
	if len(plan.Changed) != 2 || plan.Changed[0].Resource != "network shop_backend" || plan.Changed[1].Fields[0] != (deploy.Drift{Field: "Options[device]", Running: `"/root"`}) {
		t.Errorf("got %+v", plan.Changed)
	}
	got := conditions(t, *d.Last, o)
	if i := slices.IndexFunc(got, func(c deploy.Condition) bool { return c.Service == "volume shop_uploads" }); i < 0 || len(got[i].Drift) != 1 {
		t.Errorf("got %+v", got)
	}
}

// What a service is, against its release, is said in words.
func TestConditions(t *testing.T) {
	d, o := deployed(t, shop)
	o.Running["cache"][0].Differences = []drift.Difference{{Path: "HostConfig.Memory", Want: "67108864", Got: "1"}}
	delete(o.Running, "app")
	o.Running["theirs"] = []deploy.Running{{ID: "x", State: "running", Well: true}}
	got := conditions(t, *d.Last, o)
	if len(got) != 3 || got[0].Well || got[0].State != "no container" || len(got[1].Drift) != 1 || !strings.Contains(got[1].Drift[0], "HostConfig.Memory: 1, not 67108864") || len(got[2].Drift) != 1 {
		t.Errorf("got %+v", got)
	}
	if got := conditions(t, record.Entry{}, o); len(got) != 2 || len(got[0].Drift) != 0 {
		t.Errorf("without a release: %+v", got)
	}
}

func FuzzSavedPlan(f *testing.F) {
	f.Add([]byte(`{"apiVersion":"hsectl/v1","kind":"Plan","stack":"shop"}`))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = planfile.Decode(data) })
}

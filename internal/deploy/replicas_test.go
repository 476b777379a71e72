package deploy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/drift"
	"github.com/hsectl/hsectl/internal/record"
)

const three = `apiVersion: hsectl/v1
kind: Profile
name: shop
services:
  web: {image: example/web:1, user: "1:1", replicas: 3, limits: {cpus: "0.5", memory: 64M}, health: {command: [x]}}
`

// scaled is a stack of three containers of one service, as release 1 left it.
func scaled(t *testing.T) (deploy.Desired, deploy.Observed) {
	t.Helper()
	s := parse(t, three)
	d := deploy.Desired{Stack: s, Timeout: time.Minute}
	o := deploy.Observed{Images: map[string]string{"example/web:1": "sha256:web"}}
	plan, err := deploy.NewPlan(d, o)
	if err != nil {
		t.Fatal(err)
	}
	last := &record.Entry{Number: 1, Release: deploy.NewRelease(d, o, plan, 1), Outcome: record.Outcome{Status: record.Deployed, Containers: map[string][]string{}}}
	o.Running = map[string][]deploy.Running{}
	for i := range 3 {
		id := fmt.Sprintf("id-%d", i+1)
		o.Running["web"] = append(o.Running["web"], deploy.Running{ID: id, Name: fmt.Sprintf("shop-web-%d", i+1), Image: "sha256:web", Well: true, State: "healthy"})
		last.Outcome.Containers["web"] = append(last.Outcome.Containers["web"], id)
	}
	d.Last = last
	return d, o
}

// Each way in which the containers of a service can differ from what they should be is named, and what is only their
// number replaces none of them.
func TestReplicasArePlanned(t *testing.T) {
	for name, c := range map[string]struct {
		change func(d *deploy.Desired, o *deploy.Observed)
		action deploy.Action
		cause  string
		state  string // against the release
	}{
		"nothing": {func(*deploy.Desired, *deploy.Observed) {}, deploy.Keep, "", "3/3 healthy"},
		"one is gone": {func(_ *deploy.Desired, o *deploy.Observed) { o.Running["web"] = o.Running["web"][:2] },
			deploy.Scale, "2 of 3 containers exist", "2/3 healthy; 2 of 3 containers exist"},
		"one too many": {func(_ *deploy.Desired, o *deploy.Observed) {
			fourth := o.Running["web"][0]
			fourth.ID, fourth.Name = "id-4", "shop-web-4"
			o.Running["web"] = append(o.Running["web"], fourth)
		}, deploy.Scale, "4 containers exist, not 3", "4/3 healthy; shop-web-4: its container was replaced outside hsectl; 4 containers exist, not 3"},
		"more are wanted": {func(d *deploy.Desired, _ *deploy.Observed) {
			d.Stack = parse(t, strings.Replace(three, "replicas: 3", "replicas: 5", 1))
		}, deploy.Scale, "replicas: 3 → 5", "3/3 healthy"},
		"fewer are wanted": {func(d *deploy.Desired, _ *deploy.Observed) {
			d.Stack = parse(t, strings.Replace(three, "replicas: 3, ", "", 1))
		}, deploy.Scale, "replicas: 3 → 1", "3/3 healthy"},
		"one was killed": {func(_ *deploy.Desired, o *deploy.Observed) {
			o.Running["web"][1].Well, o.Running["web"][1].State = false, "exited with code 137"
		}, deploy.Start, "shop-web-2 is exited with code 137", "2/3 healthy; shop-web-2 is exited with code 137"},
		"one was changed by hand": {func(_ *deploy.Desired, o *deploy.Observed) {
			o.Running["web"][2].Differences = []drift.Difference{{Path: "HostConfig.Memory", Want: "67108864", Got: "68157440"}, {Path: "Config.Env[DEBUG]", Got: `"1"`}}
		}, deploy.Replace, "HostConfig.Memory was changed on shop-web-3", `3/3 healthy; shop-web-3: HostConfig.Memory: 68157440, not 67108864; shop-web-3: Config.Env[DEBUG]: "1" is there and was not rendered`},
		"nothing can be compared": {func(_ *deploy.Desired, o *deploy.Observed) { o.Uncompared = "Compose refuses the file" },
			deploy.Keep, "", "3/3 healthy; whether it was changed is unknown: Compose refuses the file"},
		"one was made by hand": {func(_ *deploy.Desired, o *deploy.Observed) { o.Running["web"][0].ID = "theirs" },
			deploy.Replace, "1 of its 3 containers are not those of release 1", "3/3 healthy; shop-web-1: its container was replaced outside hsectl"},
		"one runs another image": {func(_ *deploy.Desired, o *deploy.Observed) { o.Running["web"][1].Image = "sha256:old" },
			deploy.Replace, "image example/web:1 is web and shop-web-2 runs old", "3/3 healthy"},
	} {
		t.Run(name, func(t *testing.T) {
			d, o := scaled(t)
			c.change(&d, &o)
			plan, err := deploy.NewPlan(d, o)
			if err != nil {
				t.Fatal(err)
			}
			web := plan.Services[0]
			if web.Action != c.action || !strings.Contains(strings.Join(web.Causes, "; "), c.cause) {
				t.Errorf("got %+v", web)
			}
			if (len(plan.Steps) == 0) != (c.action == deploy.Keep) {
				t.Errorf("%d steps", len(plan.Steps))
			}
			condition := conditions(t, *d.Last, o)[0]
			if got := strings.Join(append([]string{condition.State}, condition.Drift...), "; "); got != c.state {
				t.Errorf("status says %q", got)
			}
		})
	}
}

// Several containers that no edge leads to are replaced one after the other, there and back, unless the profile says that two
// versions must not run at once.
func TestReplicasAreReplacedOneByOne(t *testing.T) {
	for name, c := range map[string]struct {
		profile, how string
		steps        []string
	}{
		"as they are": {three, "start-first, one at a time: an old one stops 2s after the next one is healthy", []string{"roll web", "converge shop"}},
		"stop-first":  {strings.Replace(three, "replicas: 3", "replicas: 3, rollout: {order: stop-first}", 1), "stop-first: the profile says so", []string{"converge shop"}},
	} {
		t.Run(name, func(t *testing.T) {
			d, o := scaled(t)
			d.Stack = parse(t, strings.Replace(c.profile, "64M", "65M", 1))
			plan, err := deploy.NewPlan(d, o)
			if err != nil {
				t.Fatal(err)
			}
			if got := named(plan); !slices.Equal(got, c.steps) || plan.Services[0].How != c.how {
				t.Errorf("%q, %q", got, plan.Services[0].How)
			}
			back, err := deploy.NewReturn(deploy.NewRelease(d, o, plan, 2), o, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if got := named(back); !slices.Equal(got, c.steps) {
				t.Errorf("the way back is %q", got)
			}
			for _, step := range plan.Steps {
				if step.Roll != nil && step.Roll.Gate.Volume != "" {
					t.Errorf("traffic is moved in %s", step.Roll.Gate.Volume)
				}
			}
		})
	}
}

// A release from before there was a choice has one container of each service, and nothing of it is replaced for that.
func TestOldReleasesHaveOneContainer(t *testing.T) {
	d, o := deployed(t, shop)
	for i := range d.Last.Release.Intent.Services {
		d.Last.Release.Intent.Services[i].Replicas = 0
	}
	if plan, err := deploy.NewPlan(d, o); err != nil || len(plan.Steps) != 0 {
		t.Errorf("%+v, %v", plan.Services, err)
	}
	if c := conditions(t, *d.Last, o)[0]; c.State != "healthy" || len(c.Drift) > 0 {
		t.Errorf("%+v", c)
	}
}

// The way back names what it starts without waiting for it, replaces what was changed by hand, and keeps no traffic where none was.
func TestReturnToWhatWasIll(t *testing.T) {
	d, o := scaled(t)
	release := d.Last.Release
	o.Running["web"][1].Differences = []drift.Difference{{Path: "HostConfig.Memory"}}
	for name, tt := range map[string]struct {
		before  []deploy.Running
		excused []string
		rolled  bool
	}{
		"all were well":  {[]deploy.Running{{Well: true}, {Well: true}}, nil, true},
		"one was ill":    {[]deploy.Running{{Well: true}, {State: "unhealthy"}}, []string{"web"}, true},
		"all were ill":   {[]deploy.Running{{State: "paused"}, {State: "exited with code 0"}}, []string{"web"}, false},
		"nothing before": {nil, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			o.Before = map[string][]deploy.Running{}
			if tt.before != nil {
				o.Before["web"] = tt.before
			}
			plan, err := deploy.NewReturn(release, o, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			last := plan.Steps[len(plan.Steps)-1].Compose
			if !slices.Equal(last.Excused, tt.excused) {
				t.Errorf("excused: %v", last.Excused)
			}
			i := slices.IndexFunc(plan.Steps, func(s deploy.Step) bool { return s.Kind == deploy.Roll })
			if (i >= 0) != tt.rolled {
				t.Fatalf("steps: %q", lines(plan))
			}
			if i >= 0 && !slices.Equal(plan.Steps[i].Roll.Changed, []string{"id-2"}) {
				t.Errorf("replaced although Compose would keep them: %v", plan.Steps[i].Roll.Changed)
			}
			if i < 0 && !slices.Equal(last.Force, []string{"web"}) {
				t.Errorf("made again: %v", last.Force)
			}
		})
	}
}

// A service that others call has not done its work when it ends, whatever its code; a job has.
func TestAServerThatEndedIsStarted(t *testing.T) {
	for name, tt := range map[string]struct {
		profile string
		action  deploy.Action
	}{
		"a job":                          {"services: {web: {image: 'example/web:1', user: '1:1', restart: 'no', limits: {cpus: '0.5', memory: 64M}, health: {command: [x]}}}", deploy.Keep},
		"a server with a published port": {"services: {web: {image: 'example/web:1', user: '1:1', restart: 'no', ports: ['8080:80'], limits: {cpus: '0.5', memory: 64M}, health: {command: [x]}}}", deploy.Start},
		"a server that one depends on": {`services:
  web: {image: 'example/web:1', user: '1:1', restart: 'no', limits: {cpus: '0.5', memory: 64M}, health: {command: [x]}}
  app: {image: 'example/web:1', user: '1:1', depends_on: [web], limits: {cpus: '0.5', memory: 64M}, health: {command: [x]}}`, deploy.Start},
	} {
		t.Run(name, func(t *testing.T) {
			s := parse(t, "apiVersion: hsectl/v1\nkind: Profile\nname: shop\n"+tt.profile+"\n")
			o := deploy.Observed{Images: map[string]string{"example/web:1": "sha256:web"}, Running: map[string][]deploy.Running{}}
			plan, err := deploy.NewPlan(deploy.Desired{Stack: s}, o)
			if err != nil {
				t.Fatal(err)
			}
			last := &record.Entry{Number: 1, Release: deploy.NewRelease(deploy.Desired{Stack: s}, o, plan, 1), Outcome: record.Outcome{Status: record.Deployed, Containers: map[string][]string{}}}
			for _, service := range s.Services {
				last.Outcome.Containers[service.Name] = []string{service.Name}
				o.Running[service.Name] = []deploy.Running{{ID: service.Name, Image: "sha256:web", Well: true, Ended: service.Name == "web", State: "exited with code 0"}}
			}
			plan, err = deploy.NewPlan(deploy.Desired{Stack: s, Last: last}, o)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(plan.Services, func(c deploy.ServiceChange) bool { return c.Service == "web" })
			if plan.Services[i].Action != tt.action {
				t.Errorf("%s, want %s", plan.Services[i].Action, tt.action)
			}
		})
	}
}

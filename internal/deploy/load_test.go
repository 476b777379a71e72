package deploy_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/drift"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
)

const twoSites = `apiVersion: hsectl/v1
kind: Profile
name: shop
defaults: {limits: {cpus: "0.5", memory: 64M}}
services:
  web: {image: example/web:1, user: "1:1", health: {command: [x]}}
  edge: {}
edge:
  sites:
    shop.test: {service: web, port: 80, tls: "off"}
    safe.test: {service: web, port: 80, certificate: chain, key: chain_key}
secrets:
  chain: {env: CHAIN}
  chain_key: {env: KEY}
`

// deliver does to what is observed what the engine does for the steps of a plan that fill volumes.
func deliver(p deploy.Plan, o *deploy.Observed) {
	if o.Delivered == nil {
		o.Secrets, o.Configs, o.Delivered = map[string]deploy.SecretState{}, map[string]deploy.SecretState{}, map[string]deploy.SecretState{}
	}
	for _, s := range p.Steps {
		switch s.Kind {
		case deploy.DeliverConfigs:
			state := deploy.SecretState{Volume: s.Configs.Volume, Version: o.Configs[s.Subject].Version + 1, Owner: s.Configs.Owner, Digests: map[string]string{}}
			for _, f := range s.Configs.Files {
				state.Digests[f.Path] = hexOf(string(f.Data))
			}
			o.Configs[s.Subject], o.Delivered[state.Volume] = state, state
		case deploy.DeliverSecrets:
			state := deploy.SecretState{Volume: s.Secrets.Volume, Version: o.Secrets[s.Subject].Version + 1, Owner: s.Secrets.Owner, Digests: map[string]string{}}
			for _, f := range s.Secrets.Files {
				state.Digests[f.Name] = f.Value.Digest()
			}
			o.Secrets[s.Subject], o.Delivered[state.Volume] = state, state
		case deploy.Load:
			for _, c := range []deploy.Copied{s.Load.Configs, s.Load.Secrets} {
				state := deploy.SecretState{Volume: c.To, Owner: s.Load.Owner, Digests: maps.Clone(o.Delivered[c.From].Digests)}
				if c.From != "" {
					o.Delivered[c.To] = state
				}
			}
			version := hexOf(string(s.Load.Version.Data))
			live := o.Delivered[s.Load.Configs.To].Digests
			live[s.Load.Version.Path], live[deploy.LoadedFile] = version, version
		}
	}
}

// edged is a stack that was deployed as twoSites says, by this hsectl.
type edged struct {
	t        *testing.T
	observed deploy.Observed
	last     *record.Entry
}

func (s *edged) desired(profile string, chain string) deploy.Desired {
	return deploy.Desired{Stack: parse(s.t, profile), Timeout: time.Minute, Last: s.last,
		Secrets: map[string]deploy.Secret{"chain": deploy.NewSecret([]byte(chain)), "chain_key": deploy.NewSecret([]byte("key")), "other": deploy.NewSecret([]byte("other"))}}
}

func (s *edged) plan(profile, chain string) deploy.Plan {
	s.t.Helper()
	plan, err := deploy.NewPlan(s.desired(profile, chain), s.observed)
	if err != nil {
		s.t.Fatal(err)
	}
	return plan
}

// deploy makes what is observed that of a plan, and of its release.
func (s *edged) deploy(profile, chain string) {
	d := s.desired(profile, chain)
	plan := s.plan(profile, chain)
	number := 1
	if s.last != nil {
		number = s.last.Number + 1
	}
	deliver(plan, &s.observed)
	s.last = &record.Entry{Number: number, Release: deploy.NewRelease(d, s.observed, plan, number), Outcome: record.Outcome{Status: record.Deployed, Containers: map[string][]string{}}}
	s.observed.Running = map[string][]deploy.Running{}
	for _, service := range d.Stack.Services {
		for i := range service.Wanted() {
			id := fmt.Sprintf("%s-%d", service.Name, i+1)
			s.last.Outcome.Containers[service.Name] = append(s.last.Outcome.Containers[service.Name], id)
			s.observed.Running[service.Name] = append(s.observed.Running[service.Name], deploy.Running{ID: id, Image: s.observed.Images[service.Image], Well: true, State: "healthy"})
		}
		for _, w := range service.Volumes() {
			s.observed.Volumes[deploy.VolumeName(d.Stack, w.Volume)] = deploy.Volume{Owner: w.Owner, Mode: w.Mode}
		}
	}
}

func newEdged(t *testing.T) *edged {
	s := &edged{t: t, observed: deploy.Observed{Volumes: map[string]deploy.Volume{},
		Images: map[string]string{"example/web:1": "sha256:web", "caddy:2.11": "sha256:caddy", "caddy:2.12": "sha256:newer"}}}
	s.deploy(twoSites, "chain")
	return s
}

// What of the edge changes without another container, and in which order with what else changes; the way back likewise.
func TestTheEdgeLoads(t *testing.T) {
	header := strings.Replace(twoSites, `tls: "off"}`, `tls: "off", headers: {X-Frame-Options: DENY}}`, 1)
	for name, c := range map[string]struct {
		profile, chain string
		steps          []string
		action         deploy.Action
		cause          string
		back           []string
	}{
		"nothing": {twoSites, "chain", nil, deploy.Keep, "", []string{"converge shop"}},
		"a header": {header, "chain", []string{"deliver configs edge", "load configuration edge", "converge shop"},
			deploy.Reload, "new version of configuration file Caddyfile", []string{"converge shop", "load configuration edge", "roll web", "converge shop"}},
		"a certificate": {twoSites, "renewed", []string{"deliver secrets edge", "load configuration edge", "converge shop"},
			deploy.Reload, "new version of secret chain", []string{"converge shop", "load configuration edge", "roll web", "converge shop"}},
		"a site with a certificate of its own": {strings.Replace(twoSites, "secrets:\n", "    new.test: {service: web, port: 80, certificate: other, key: chain_key}\nsecrets:\n  other: {env: OTHER}\n", 1), "chain",
			[]string{"deliver secrets edge", "deliver configs edge", "load configuration edge", "converge shop"}, deploy.Reload, "new version of secret other",
			[]string{"converge shop", "load configuration edge", "roll web", "converge shop"}},
		"ten replicas, for which it needs more slots": {strings.Replace(twoSites, "health: {command: [x]}}", "health: {command: [x]}, replicas: 10}", 1), "chain",
			[]string{"deliver configs edge", "load configuration edge", "roll web", "converge shop"}, deploy.Reload, "new version of configuration file Caddyfile",
			[]string{"converge shop", "load configuration edge", "roll web", "converge shop"}},
		"a header and its image": {strings.Replace(header, "edge: {}", "edge: {image: caddy:2.12}", 1), "chain", []string{"deliver configs edge", "load configuration edge", "converge shop"},
			deploy.Replace, "image: caddy:2.11 → caddy:2.12", []string{"load configuration edge", "converge shop", "roll web", "converge shop"}},
		"a command of its own": {strings.Replace(header, "edge: {}", "edge: {command: [caddy, run, --watch]}", 1), "chain", []string{"deliver configs edge", "converge shop"},
			deploy.Replace, "command: [caddy, run, --config, /etc/hsectl/Caddyfile, --adapter, caddyfile] → [caddy, run, --watch]", []string{"converge shop", "roll web", "converge shop"}},
		"no certificate": {strings.Replace(strings.Replace(twoSites, "certificate: chain, key: chain_key", "tls: internal", 1), "secrets:\n  chain: {env: CHAIN}\n  chain_key: {env: KEY}\n", "", 1), "chain",
			[]string{"deliver configs edge", "load configuration edge", "converge shop"}, deploy.Replace, "volumes./run/secrets is gone: {type: volume, source: hsectl-secrets-edge, target: /run/secrets, read_only: true}",
			[]string{"load configuration edge", "converge shop", "roll web", "converge shop"}},
		"a service for the new site": {strings.Replace(header, "services:\n", "services:\n  api: {image: example/web:1, user: \"1:1\", health: {command: [x]}}\n", 1), "chain",
			[]string{"deliver configs edge", "converge shop", "load configuration edge", "converge shop"}, deploy.Reload, "new version of configuration file Caddyfile",
			[]string{"converge shop", "load configuration edge", "roll web", "converge shop"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newEdged(t)
			first := s.last.Release
			plan := s.plan(c.profile, c.chain)
			if got := named(plan); !slices.Equal(got, c.steps) {
				t.Errorf("the steps are %q, not %q", got, c.steps)
			}
			i := slices.IndexFunc(plan.Services, func(c deploy.ServiceChange) bool { return c.Service == "edge" })
			edge := plan.Services[i]
			if edge.Action != c.action || c.cause != "" && !slices.Contains(edge.Causes, c.cause) {
				t.Errorf("the edge: %s, because of %q", edge.Action, edge.Causes)
			}
			s.deploy(c.profile, c.chain)
			if again := s.plan(c.profile, c.chain); len(again.Steps) > 0 {
				t.Errorf("once more: %q", named(again))
			}
			if c.action == deploy.Replace { // compared with the release that is returned to
				s.observed.Running["edge"][0].Differences = []drift.Difference{{Path: "Config.Cmd"}}
			}
			back, err := deploy.NewReturn(first, s.observed, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if got := named(back); name != "nothing" && !slices.Equal(got, c.back) {
				t.Errorf("the way back is %q, not %q", got, c.back)
			}
			for _, step := range back.Steps {
				if step.Kind == deploy.Load && (step.Load.Configs.From != "shop_edge_config_1" || step.Load.Secrets.From != "shop_edge_secrets_1") {
					t.Errorf("on the way back it loads %+v", step.Load)
				}
			}
		})
	}
}

func named(p deploy.Plan) []string {
	var out []string
	for _, s := range p.Steps {
		out = append(out, s.Name())
	}
	return out
}

// What is not surely loaded is loaded again, and a file that was changed outside hsectl is restored.
func TestTheEdgeLoadsAgain(t *testing.T) {
	live := "shop_edge_config_live"
	for name, c := range map[string]struct {
		change func(map[string]string)
		drift  bool
	}{
		"killed before it was loaded": {func(files map[string]string) { delete(files, deploy.LoadedFile) }, true},
		"changed by hand":             {func(files map[string]string) { files["Caddyfile"] = "other" }, true},
		"traffic moved":               {func(files map[string]string) { files["slots/web/now-1"] = "other" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newEdged(t)
			c.change(s.observed.Delivered[live].Digests)
			plan := s.plan(twoSites, "chain")
			if loads := slices.Contains(named(plan), "load configuration edge"); loads != c.drift {
				t.Errorf("the steps are %q", named(plan))
			}
			for _, condition := range conditions(t, *s.last, s.observed) {
				if drifts := len(condition.Drift) > 0; drifts != (c.drift && condition.Service == "edge") {
					t.Errorf("%s drifts: %q", condition.Service, condition.Drift)
				}
			}
		})
	}
}

// A certificate that is no longer needed leaves nothing of its value behind.
func TestWhatTheEdgeNoLongerReadsIsGone(t *testing.T) {
	s := newEdged(t)
	plan := s.plan(strings.NewReplacer("certificate: chain", "certificate: other", "chain: {env: CHAIN}", "other: {env: OTHER}").Replace(twoSites), "chain")
	i := slices.IndexFunc(plan.Steps, func(s deploy.Step) bool { return s.Kind == deploy.Load })
	if i < 0 || !slices.Equal(plan.Steps[i].Load.Secrets.Gone, []string{"chain"}) {
		t.Errorf("the steps are %q", named(plan))
	}
}

// A release of an hsectl that replaced the edge for each change is what it was: the edge is replaced once more, and on the way
// back, too.
func TestTheEdgeOfAnOlderRelease(t *testing.T) {
	s := newEdged(t)
	old := &s.last.Release
	old.Live = nil
	old.Compose = []byte(strings.NewReplacer("config_live", "config_1", "secrets_live", "secrets_1").Replace(string(old.Compose)))
	edge, _ := old.Model().Service("edge")
	delete(s.observed.Delivered, "shop_edge_config_live")
	delete(s.observed.Delivered, "shop_edge_secrets_live")
	page := stack.MaintenancePage()
	s.observed.Configs["edge"].Digests[page.Path] = hexOf(string(page.Data)) // and it is on
	if gate, _ := deploy.GateOf(*old); gate.Volume != "shop_edge_config_1" {
		t.Errorf("its gate is %s", gate.Volume)
	}
	plan := s.plan(twoSites, "chain")
	if got, want := named(plan), []string{"load configuration edge", "converge shop"}; !slices.Equal(got, want) {
		t.Fatalf("the steps are %q", got)
	}
	i := slices.IndexFunc(plan.Services, func(c deploy.ServiceChange) bool { return c.Service == edge.Name })
	if c := plan.Services[i]; c.Action != deploy.Replace || c.Drifted || c.Causes[0] != "in release 1 it could not load its configuration without a restart" {
		t.Errorf("the edge is planned as %+v", c)
	}
	if !plan.Steps[0].Load.Maintenance {
		t.Error("its maintenance page goes away")
	}
	first := *old
	s.deploy(twoSites, "chain")
	back, err := deploy.NewReturn(first, s.observed, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(named(back), "load configuration edge") {
		t.Errorf("the way back is %q", named(back))
	}
}

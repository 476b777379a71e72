package main

import (
	"context"
	"path/filepath"
	"time"

	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/monitoring"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/report"
	"github.com/hsectl/hsectl/internal/verify"
)

// lintWatching judges how the profile has its stack watched.
func lintWatching(l loaded) ([]finding.Finding, error) {
	return watchingFindings(l, monitoring.Declared(l.profile, l.stack))
}

// verifyWatching judges how the stack is watched now: Prometheus and Alertmanager are asked themselves, from beside them.
func verifyWatching(ctx context.Context, l loaded, engine *docker.Engine) ([]finding.Finding, error) {
	w := monitoring.Declared(l.profile, l.stack)
	if !w.Asked {
		return watchingFindings(l, w)
	}
	ids, err := engine.Identities(ctx, w.Name)
	if err != nil {
		return nil, err
	}
	w.Verified = lastVerify(l, time.Now())
	if w.Absent = len(ids) == 0; w.Absent || !l.profile.On(profile.PartPrometheus) {
		return watchingFindings(l, w)
	}
	ask := func(url string) verify.WatchAnswer {
		answer, err := engine.Inside(ctx, w.Name, profile.PartPrometheus, verify.Check{URL: url, Timeout: 10 * time.Second, Keep: true})
		switch {
		case err != nil:
			return verify.WatchAnswer{Why: err.Error()}
		case !answer.OK:
			return verify.WatchAnswer{Why: answer.Text}
		}
		return verify.WatchAnswer{Body: answer.Body}
	}
	var receivers verify.WatchAnswer
	if l.profile.On(profile.PartAlertmanager) {
		receivers = ask(verify.AskReceivers)
	}
	return watchingFindings(l, verify.Watched(w, l.stack.Name, ask(verify.AskUp(l.profile.Monitoring.Interval.D)), ask(verify.AskRules), receivers))
}

// lastVerify is the result that the last verify of this stack has kept on this machine.
func lastVerify(l loaded, now time.Time) policy.Fact[policy.Verified] {
	out := policy.Verified{Every: l.profile.Monitoring.Verify.D}
	dir, err := host.StateDir()
	if err != nil {
		return policy.Unseen[policy.Verified](err.Error())
	}
	data, err := host.ReadFile(filepath.Join(dir, l.stack.Name, kindVerify+".json"), maxReportBytes)
	if err == nil {
		if d, err := report.Read(data); err == nil && d.Subject == l.stack.Name {
			out.Any, out.Age = true, now.Sub(d.Made)
		}
	}
	return policy.Seen(out, finding.Applied)
}

// kindVerify is the name under which the last result of verify is kept.
const kindVerify = "verify"

// watchingFindings applies the controls, with the exceptions of the services and of Alertmanager, and their places.
func watchingFindings(l loaded, w policy.Watching) ([]finding.Finding, error) {
	beside, watched, err := l.watching()
	if err != nil {
		return nil, err
	}
	out := policy.CheckWatching(w)
	for i, f := range out {
		if service, ok := l.stack.Service(f.Subject); ok {
			out[i] = located(l, service.Waive([]finding.Finding{f}))[0]
			continue
		}
		out[i].Where = l.profile.Written(f.Where).String()
		if teller, ok := beside.stack.Service(profile.PartAlertmanager); watched && ok {
			out[i] = teller.Waive(out[i : i+1])[0]
		}
	}
	return out, nil
}

package evidence

import (
	"context"
	"path/filepath"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/monitoring"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/platform"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/report"
	"github.com/hsectl/hsectl/internal/verify"
)

// lintMonitoring judges how the profile has its stack watched.
func lintMonitoring(l app.Loaded) ([]finding.Finding, error) {
	return monitoringFindings(l, monitoring.Declared(l.Profile, l.Stack))
}

// judgeMonitoring judges how the stack is watched now: Prometheus and Alertmanager are queried themselves, from their own network.
func judgeMonitoring(ctx context.Context, l app.Loaded, engine *docker.Engine) ([]finding.Finding, error) {
	w := monitoring.Declared(l.Profile, l.Stack)
	if !w.Asked {
		return monitoringFindings(l, w)
	}
	ids, err := engine.Identities(ctx, w.Name)
	if err != nil {
		return nil, err
	}
	w.Verified = lastVerify(l, time.Now())
	if w.Absent = len(ids) == 0; w.Absent || !l.Profile.On(profile.PartPrometheus) {
		return monitoringFindings(l, w)
	}
	ask := func(url string) verify.WatchAnswer {
		answer, err := engine.Ask(ctx, w.Name, profile.PartPrometheus, verify.Check{URL: url, Timeout: 10 * time.Second, Keep: true})
		switch {
		case err != nil:
			return verify.WatchAnswer{Why: err.Error()}
		case !answer.OK:
			return verify.WatchAnswer{Why: answer.Text}
		}
		return verify.WatchAnswer{Body: answer.Body}
	}
	var receivers verify.WatchAnswer
	if l.Profile.On(profile.PartAlertmanager) {
		receivers = ask(verify.AskReceivers)
	}
	return monitoringFindings(l, verify.Watched(w, l.Stack.Name, ask(verify.AskUp(l.Profile.Monitoring.Interval.D)), ask(verify.AskRules), receivers))
}

// lastVerify is the result that the last verify of this stack has kept on this machine.
func lastVerify(l app.Loaded, now time.Time) policy.Fact[policy.Verification] {
	out := policy.Verification{Every: l.Profile.Monitoring.Verify.D}
	dir, err := host.StateDir()
	if err != nil {
		return policy.Unseen[policy.Verification](err.Error())
	}
	data, err := host.ReadFile(filepath.Join(dir, l.Stack.Name, kindVerify+".json"), app.MaxReportBytes)
	if err == nil {
		if d, err := report.Read(data); err == nil && d.Subject == l.Stack.Name {
			out.Any, out.Age = true, now.Sub(d.Made)
		}
	}
	return policy.Seen(out, finding.Applied)
}

// kindVerify is the name under which the last result of verify is kept.
const kindVerify = "verify"

// monitoringFindings applies the controls, with the exceptions of the services and of Alertmanager, and their places.
func monitoringFindings(l app.Loaded, w policy.Monitoring) ([]finding.Finding, error) {
	monitor, watched, err := l.MonitoringStack()
	if err != nil {
		return nil, err
	}
	out := platform.CheckMonitoring(w)
	for i, f := range out {
		if service, ok := l.Stack.Service(f.Subject); ok {
			out[i] = app.Located(l, service.Waive([]finding.Finding{f}))[0]
			continue
		}
		out[i].Where = l.Profile.Written(f.Where).String()
		if teller, ok := monitor.Stack.Service(profile.PartAlertmanager); watched && ok {
			out[i] = teller.Waive(out[i : i+1])[0]
		}
	}
	return out, nil
}

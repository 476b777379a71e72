package app

import (
	"strings"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify/doctor"
)

// maxTestOutput bounds what is kept of the output of a health test.
const maxTestOutput = 8 << 10

// Failure returns what is kept of a deploy that failed, without values of secrets, or nil where no service showed anything.
func (p *Progress) Failure(err error, r record.Release) *record.Failure {
	unhealthy, ok := asUnhealthy(err)
	if !ok {
		return nil
	}
	_ = p.Redact(err) // in place: what is kept is what is shown
	return &record.Failure{Service: unhealthy.Service, State: unhealthy.State, ExitCode: unhealthy.ExitCode, OOM: unhealthy.OOM,
		Health: unhealthy.Health[max(0, len(unhealthy.Health)-maxTestOutput):], Logs: doctor.Excerpt(r.Model(), SymptomOf(unhealthy))}
}

// SymptomOf returns how a service stood that did not become healthy.
func SymptomOf(e *deploy.UnhealthyError) doctor.Symptom {
	return doctor.Symptom{Service: e.Service, State: e.State, ExitCode: e.ExitCode, OOM: e.OOM, Tested: e.Health != "", Health: e.Health, Logs: e.Logs}
}

// Likely returns the likely cause of a failure and what to do about it, or nothing when none is recognised.
func Likely(e *deploy.UnhealthyError) string {
	found := doctor.Diagnose(stack.Stack{Services: []stack.Service{{Name: e.Service}}}, []doctor.Symptom{SymptomOf(e)})
	switch {
	case len(found) > 0 && found[0].Recognised():
		return strings.TrimSuffix(found[0].Cause+": "+found[0].Advice, ": ")
	case e.ExitCode == 126:
		return "its command cannot be executed: a tmpfs is mounted noexec unless exec: true"
	case e.ExitCode == 127:
		return "a program of its command or health test is not in the image"
	case e.Health != "" && e.ExitCode == 0:
		return "it runs, but its health test fails: compare the port and path in health: with the service's own"
	}
	return ""
}

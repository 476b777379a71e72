package generate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/stack"
)

// What runs verify again and again is written only where the profile says how often.
func TestSchedule(t *testing.T) {
	render := func(every time.Duration) map[string]string {
		files, err := generate.Render(stack.Stack{Name: "shop"}, generate.Source{Profile: "hsectl.yaml", Generator: "hsectl", Choices: []string{"--env production", "--set services.app.image=a b"}, Verify: every})
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, f := range files {
			if strings.HasPrefix(f.Path, "monitoring/verify/") {
				out[strings.TrimPrefix(f.Path, "monitoring/verify/")] = string(f.Data)
			}
		}
		return out
	}
	if got := render(0); len(got) != 0 {
		t.Errorf("without a schedule: %v", got)
	}
	got := render(90 * time.Minute)
	const command = `/usr/local/bin/hsectl verify -f hsectl.yaml --env production --set "services.app.image=a b"`
	for file, want := range map[string]string{
		"hsectl-verify-shop@.service": "WorkingDirectory=%f\nEnvironment=HOME=%h\nExecStart=" + command + "\n",
		"hsectl-verify-shop@.timer":   "OnUnitActiveSec=5400\n",
		"hsectl-verify-shop.cron":     "17 * * * * root cd DIRECTORY-OF-THE-PROFILE && " + command + "\n",
	} {
		if !strings.Contains(got[file], want) {
			t.Errorf("%s:\n%s\nlacks %q", file, got[file], want)
		}
	}
	for every, want := range map[time.Duration]string{
		5 * time.Minute: "*/5 * * * * root", 40 * time.Minute: "*/30 * * * * root", time.Hour: "17 * * * * root",
		6 * time.Hour: "17 */6 * * * root", 24 * time.Hour: "17 3 * * * root", 7 * 24 * time.Hour: "17 3 * * * root",
	} {
		if cron := render(every)["hsectl-verify-shop.cron"]; !strings.Contains(cron, "\n"+want) {
			t.Errorf("every %s:\n%s", every, cron)
		}
	}
}

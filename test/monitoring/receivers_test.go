package monitoring_test

import (
	"os"
	"os/exec"
	"testing"
)

// Alertmanager's own code loads what is rendered, and tells a webhook, a Slack channel and a mail server on the loopback.
// It lives in a module of its own: see testdata/alertmanager.
func TestReceiversAreToldByAlertmanager(t *testing.T) {
	_, s := watch(t, "    - {name: operators, webhook: alert_webhook}\n", `    - {name: operators, webhook: alert_webhook}
    - {name: chat, severity: critical, slack: {url: slack_url, channel: "#alerts"}}
    - {name: mail, email: {to: a@example.test, from: b@example.test, server: "mail.example.test:587", user: b, password: mail_password}}
`, "secrets:\n  jwt_secret", "secrets:\n  slack_url: {env: SLACK_URL}\n  mail_password: {env: MAIL_PASSWORD}\n  jwt_secret")
	const dir = "testdata/alertmanager"
	got := file(t, s, "alertmanager", "alertmanager.yml")
	if *update {
		if err := os.WriteFile(dir+"/alertmanager.yml", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(dir + "/alertmanager.yml")
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got) {
		t.Errorf("what is rendered differs from %s; look at it, then: go -C test test ./monitoring -update", dir)
	}
	command := exec.CommandContext(t.Context(), "go", "test", "./...")
	command.Dir = dir
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

//go:build engine

package docker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A password that a program reads at its first start only is rotated in the program: a client logs in with the new value, and
// the former one is refused. A deploy that was killed after the change, and is followed by one with the former value, brings
// that back, and so do a rollback and the undo of a deploy that fails later.
func TestRotateFirstStart(t *testing.T) {
	t.Parallel()
	for preset, c := range map[string]struct{ service, login string }{
		"postgres": {"    health: {interval: 5s}\n    secrets: [{name: token, env: POSTGRES_PASSWORD_FILE}]\n",
			`psql -W -h "$(hostname)" -U postgres -c 'SELECT 1'`},
		"mariadb": {"    health: {interval: 5s}\n    secrets: [{name: token, env: MARIADB_ROOT_PASSWORD_FILE}]\n",
			`IFS= read -r p; MYSQL_PWD=$p mariadb -h "$(hostname)" -u root -e 'SELECT 1'`},
		"rabbitmq": {granted + "    health: {interval: 15s}\n    environment: {RABBITMQ_DEFAULT_USER: guest}\n    secrets: [{name: token, first_start: default_pass}]\n",
			`rabbitmqctl authenticate_user guest`},
	} {
		t.Run(preset, func(t *testing.T) {
			f := newFault(t)
			file := filepath.Join(f.dir, "hsectl.yaml")
			text := "apiVersion: hsectl/v1\nkind: Profile\nname: " + f.name + "\nservices:\n  store:\n    preset: " + preset + "\n" + c.service + "secrets: {token: {env: TOKEN}}\n"
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			accepts := func(value string) bool {
				t.Helper()
				code, _, err := f.e.Exec(t.Context(), only(t, f.e, deployedStack(f), "store").ID, []string{"/bin/sh", "-c", c.login}, []byte(value+"\n"))
				if err != nil {
					t.Fatal(err)
				}
				return code == 0
			}
			holds := func(when, new, former string) {
				t.Helper()
				if !accepts("token-of-"+new) || accepts("token-of-"+former) {
					t.Errorf("%s: a login does not work with the value of %s, or still with that of %s", when, new, former)
				}
			}
			first := "first"
			f.must(first, "deploy", "--verify=false", "-f", file)
			if preset == "rabbitmq" { // whose image of this test has a password of its own, which no value that was delivered is
				code, out, err := f.e.Exec(t.Context(), only(t, f.e, deployedStack(f), "store").ID, []string{"rabbitmqctl", "change_password", "guest"}, []byte("token-of-first\n"))
				if err != nil || code != 0 {
					t.Fatalf("setting the first password: %d %s %v", code, out, err)
				}
			}
			out := f.must("second", "deploy", "--verify=false", "-f", file)
			holds("rotated", "second", first)
			if strings.Contains(out, "token-of-") {
				t.Error("the output shows a value")
			}
			cmd := f.command("cut", "deploy", "--format", "json", "--verify=false", "-f", file)
			f.watch(cmd, func(e event) {
				if strings.Contains(e.Text, "changed in the program") {
					_ = cmd.Process.Kill() // it may have ended
				}
			})
			f.must("second", "deploy", "--verify=false", "-f", file)
			holds("after a deploy that was killed", "second", "cut")
			f.must("third", "deploy", "--verify=false", "-f", file)
			holds("rotated again", "third", "second")
			f.must("third", "rollback", "--verify=false", "--stack", f.name)
			holds("rolled back", "second", "third")
			failing := filepath.Join(f.dir, "failing.yaml")
			text += "jobs: {check: {service: store, command: [/bin/sh, -c, exit 3], when: after, timeout: 30s}}\n"
			if err := os.WriteFile(failing, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if code, out := f.run("fourth", "deploy", "--verify=false", "-f", failing); code != 1 || !strings.Contains(out, "is back at release") {
				t.Errorf("a job that fails after the rotation: exit %d\n%s", code, out)
			}
			holds("undone", "second", "fourth")
			f.leftovers()
		})
	}
}

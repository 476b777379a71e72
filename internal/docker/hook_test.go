//go:build engine

package docker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hookScript writes down what it was told, prints the secret that it got, and fails where a file says so.
const hookScript = `#!/bin/sh
echo "$HSECTL_HOOK_WHEN $HSECTL_HOOK_NAME $HSECTL_HOOK_STACK $HSECTL_HOOK_FROM>$HSECTL_HOOK_RELEASE $HSECTL_HOOK_OUTCOME TOKEN=$TOKEN" >> told
printf 'got %s\033[2J\n' "$HSECTL_HOOK_SECRET_TOKEN"
! grep -qs "$HSECTL_HOOK_NAME" fails
`

// withHooks writes a profile that calls the script at every moment.
func (f *fault) withHooks(generation, web string) string {
	f.t.Helper()
	path := f.profile(generation, "serve", web)
	data, err := os.ReadFile(path)
	if err != nil {
		f.t.Fatal(err)
	}
	text := string(data) + `hooks:
  ask: {when: before, command: [./hook], secrets: [token]}
  tell: {when: after, command: [./hook]}
  alarm: {when: failed, command: [./hook]}
`
	for name, content := range map[string]string{path: text, filepath.Join(f.dir, "hook"): hookScript} {
		if err := os.WriteFile(name, []byte(content), 0o755); err != nil {
			f.t.Fatal(err)
		}
	}
	return path
}

// told returns what the hooks were told since it was asked last.
func (f *fault) told() string {
	f.t.Helper()
	path := filepath.Join(f.dir, "told")
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		f.t.Fatal(err)
	}
	os.Remove(path)
	return strings.ReplaceAll(string(data), f.name, "shop")
}

// Hooks run on this machine around a deploy that changes something: one that fails before it stops it, one that fails after
// it is only told, and a rollback runs none unless it is asked to. None sees a secret that it does not name.
func TestHooks(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	fails := filepath.Join(f.dir, "fails")
	fail := func(name string) {
		if err := os.WriteFile(fails, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old, next := f.withHooks("old", "serve"), f.withHooks("next", "serve")
	expect := func(want string) {
		t.Helper()
		if got := f.told(); got != want {
			t.Errorf("hooks were told\n%swant\n%s", got, want)
		}
	}
	fail("ask")
	code, out := f.run("old", "deploy", "--verify=false", "-f", old)
	if code != 1 || !strings.Contains(out, "hook ask: running ./hook: exit status 1; nothing was changed") || !strings.Contains(out, "--skip-hooks") {
		t.Errorf("exit %d\n%s", code, out)
	}
	expect("before ask shop >1  TOKEN=\nfailed alarm shop >1 unchanged TOKEN=\n")
	if h, err := f.e.History(t.Context(), f.name); err != nil || len(h) != 0 {
		t.Errorf("%d releases, %v", len(h), err)
	}
	f.leftovers()

	fail("tell")
	out = f.must("old", "deploy", "--verify=false", "-f", old)
	if !strings.Contains(out, "| got [secret]\n") || strings.Contains(out, "\x1b") || !strings.Contains(out, "warning: hook tell: running ./hook: exit status 1") {
		t.Errorf("what the hooks printed:\n%q", out)
	}
	expect("before ask shop >1  TOKEN=\nafter tell shop >1 deployed TOKEN=\n")
	if out := f.must("", "releases", "--stack", f.name); !strings.Contains(out, "current; hook tell failed") {
		t.Errorf("the record of the hooks:\n%s", out)
	}
	f.must("old", "deploy", "--verify=false", "-f", old)
	expect("") // nothing changed

	if out := f.must("next", "plan", "-f", next); !strings.Contains(out, "on this machine") || !strings.Contains(out, "gets the secrets token") {
		t.Errorf("the plan does not show the hooks:\n%s", out)
	}
	code, out = f.run("next", "deploy", "--verify=false", "-f", f.withHooks("bad", "crash"))
	if code != 1 {
		t.Errorf("exit %d\n%s", code, out)
	}
	expect("before ask shop 1>2  TOKEN=\nfailed alarm shop 1>2 undone TOKEN=\n")
	f.must("next", "deploy", "--verify=false", "--skip-hooks", "-f", next)
	f.must("", "rollback", "--verify=false", "--stack", f.name)
	expect("")
	f.must("next", "rollback", "--verify=false", "--hooks", "-f", next, "3")
	expect(fmt.Sprintf("before ask shop %d>%d  TOKEN=\nafter tell shop %d>%d deployed TOKEN=\n", 4, 5, 4, 5))
}

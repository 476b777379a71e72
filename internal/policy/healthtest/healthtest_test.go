package healthtest_test

import (
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/policy/healthtest"
)

func TestVacuousHealthTests(t *testing.T) {
	exec := func(args ...string) []string { return append([]string{"CMD"}, args...) }
	for _, test := range [][]string{
		nil, {}, {""}, {"NONE"}, {"CMD"}, {"CMD", ""}, {"CMD", " ", ""}, {"CMD-SHELL"}, {"CMD-SHELL", ""}, {"CMD-SHELL", " \n "}, {"true"},
		exec("true"), exec("/bin/true"), exec("/usr/bin/true", "--help"), exec(":"), exec("echo", "ok"), exec("sleep", "1"), exec("busybox", "true"), exec("env", "true"),
		exec("sh", "-c", "exit 0"), exec("/bin/sh", "-c", "curl -f localhost || true"), exec("bash", "-lc", "true"), exec("sh", "-ec", "true"), exec("timeout", "5", "true"), exec("timeout", "-k", "5", "true"),
		exec("test", "1"), exec("[", "1", "-eq", "1", "]"), exec("sh", "-c", "sh -c 'exit 0'"),
	} {
		if healthtest.Vacuous(test) == "" {
			t.Errorf("%q passes", test)
		}
	}
	for _, script := range []string{
		"true", " true ", "true;", ":", "exit", "exit 0", "exit 0;", "/bin/true", "echo ok", "printf ok", "true # curl -f localhost", "exit 0 # curl", "# curl -f localhost", "A=1", "exec true",
		"curl -f localhost || true", "curl -f localhost || exit 0", "curl -f localhost || :", "curl -f localhost || echo down", "curl -f localhost; true", "curl -f localhost; exit 0", "curl -f localhost\nexit 0",
		"exit 0; curl -f localhost", "true && echo ok", "true && true", "curl localhost && exit 0 || exit 0", "curl -f localhost &", "(curl -f localhost; true)", "{ curl -f localhost || true; }",
		"curl -f localhost | echo", "true >/dev/null 2>&1", "if curl -f localhost; then echo up; fi", "if curl -f localhost; then echo up; else echo down; fi", "! false", "test 1", "[ 1 = 1 ]", `[ "x" = x ]`, `sh -c "exit 0"`,
		"'true'", `"exit" 0`, "echo $(curl -f localhost)", "curl -f localhost >/dev/null || true", "sleep 1 && exit 0",
	} {
		if healthtest.Vacuous([]string{"CMD-SHELL", script}) == "" {
			t.Errorf("%q passes", script)
		}
	}
	for _, test := range [][]string{exec("/app", "health"), exec("pg_isready"), exec("sh", "-c", "curl -f localhost"), exec("sh", "-ec", "curl -f localhost; true"), exec("sh", "/check"), exec("false"), exec("test", "-f", "/tmp/ready"),
		exec("trueish"), exec("exits", "0"), exec("timeout"), exec("env", "A=1", "/app"), {"/app", "health"}} {
		if why := healthtest.Vacuous(test); why != "" {
			t.Errorf("%q: %s", test, why)
		}
	}
	for _, script := range []string{
		"curl -f localhost", "curl -f localhost || exit 1", "curl -f localhost || false", "true && curl -f localhost", "echo ok | grep ok", "set -e; curl -f localhost; true", "curl -f localhost || exit 1; exit 0", "exit 1", "exit $?",
		"curl -f localhost; exit", "exit $(curl localhost)", "test -f /tmp/ready", `[ "$(cat /tmp/state)" = up ]`, "! curl -f localhost/down", "true > /tmp/written", "if curl -f localhost; then exit 0; else exit 1; fi",
		"if curl -f localhost; then true; else false; fi", "A=$(curl -f localhost)", "$CHECK", "eval true", "for i in 1 2; do curl -f localhost; done", "curl -f localhost |", "pgrep worker", "[ 1 = 2 ]", "echo ok && curl -f localhost",
		"redis-cli ping | grep -q PONG", "true &&", "wget -qO- localhost | grep ok || exit 1", "trap 'exit 1' TERM; true",
	} {
		if why := healthtest.Vacuous([]string{"CMD-SHELL", script}); why != "" {
			t.Errorf("%q: %s", script, why)
		}
	}
}

func FuzzVacuous(f *testing.F) {
	for _, script := range []string{"true", "curl || exit 1", "if a; then b; fi", "a=$(b) <<x\nx", "((1))", "[[ a ]]", "! { a; } & b | c > d", "case a in b) c;; esac"} {
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script string) {
		alone := healthtest.Vacuous([]string{"CMD-SHELL", script})
		if why := healthtest.Vacuous([]string{"CMD", "sh", "-c", script}); strings.TrimSpace(script) != "" && (why == "") != (alone == "") {
			t.Errorf("%q: by itself %q, in a shell %q", script, alone, why)
		}
	})
}

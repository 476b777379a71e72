package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var (
	pinnedAction = regexp.MustCompile(`@([0-9a-f]{40}|COMMIT)$`)
	scriptInput  = regexp.MustCompile(`\$\{\{`)
)

// The pipelines that people copy parse, pin what they use, and run no text that came from outside.
func TestPipelines(t *testing.T) {
	own, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil || len(own) == 0 {
		t.Fatalf("%v, %v", own, err)
	}
	paths := []string{".github/actions/hsectl/action.yml", "ci/github/hsectl.yml", "ci/gitlab/hsectl.gitlab-ci.yml", ".pre-commit-hooks.yaml"}
	for _, workflow := range own {
		paths = append(paths, filepath.Join(".github/workflows", filepath.Base(workflow)))
	}
	for _, path := range paths {
		data, err := os.ReadFile(filepath.Join("../..", path))
		if err != nil {
			t.Fatal(err)
		}
		var root yaml.Node
		if err := yaml.Unmarshal(data, &root); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		walkPipeline(&root, func(key, value string, line int) {
			switch {
			case key == "uses" && !pinnedAction.MatchString(value):
				t.Errorf("%s:%d: %s is not pinned to a commit", path, line, value)
			case key == "run" && scriptInput.MatchString(value):
				t.Errorf("%s:%d: an expression becomes part of a script", path, line)
			}
		})
		if strings.Contains(string(data), "pull_request_target") {
			t.Errorf("%s runs with the rights of the base on what a stranger wrote", path)
		}
	}
	for _, script := range []string{".github/actions/hsectl/install", ".github/actions/hsectl/run", "ci/gitlab/hsectl-comment"} {
		if out, err := exec.Command("bash", "-n", filepath.Join("../..", script)).CombinedOutput(); err != nil {
			t.Errorf("%s: %s", script, out)
		}
	}
}

func walkPipeline(n *yaml.Node, see func(key, value string, line int)) {
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && c.Kind == yaml.ScalarNode {
			see(n.Content[i-1].Value, c.Value, c.Line)
		}
		walkPipeline(c, see)
	}
}

// The review of the action keeps one comment: the first run makes it, the second changes it.
func TestActionKeepsOneComment(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("hsectl", "#!/bin/sh\necho '<!-- hsectl review -->'\necho \"$*\" >> "+dir+"/calls\nexit 3\n")
	write("gh", "#!/bin/sh\necho \"$*\" >> "+dir+"/calls\ncase \"$*\" in *--paginate*) cat "+dir+"/id;; esac\n")
	for _, want := range []struct{ id, call string }{{"", "--method POST repos/o/r/issues/7/comments"}, {"99\n", "--method PATCH repos/o/r/issues/comments/99"}} {
		write("id", want.id)
		write("calls", "")
		cmd := exec.Command("bash", "../../.github/actions/hsectl/run")
		cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "COMMAND=review", "PROFILE=hsectl.yaml", "ENVIRONMENT=", "BASE=main", "BASE_REF=main", "FAIL_ON=high",
			"COMMENT=true", "ENGINE=", "GH_TOKEN=x", "NUMBER=7", "RUNNER_TEMP=" + dir, "GITHUB_STEP_SUMMARY=" + filepath.Join(dir, "summary"), "GITHUB_REPOSITORY=o/r"}
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != exitFindings {
			t.Errorf("exit %d, %v: %s", cmd.ProcessState.ExitCode(), err, out)
		}
		calls, err := os.ReadFile(filepath.Join(dir, "calls"))
		if err != nil || !strings.Contains(string(calls), want.call) || !strings.Contains(string(calls), "review main HEAD --file hsectl.yaml --format markdown --fail-on high") {
			t.Errorf("%v, calls:\n%s", err, calls)
		}
	}
}

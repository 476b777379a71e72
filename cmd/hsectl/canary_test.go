package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/hsectl/hsectl/internal/redact"
)

// canary is the value of every variable, and in every file, that is not part of the change that a pipeline judges.
const canary = "canary/+Zq7 \"t0ken\"&é-4411"

// hostile is a change that names all that it can.
func hostile() map[string]string {
	return map[string]string{
		"hsectl.yaml": `apiVersion: hsectl/v1
kind: Profile
name: shop
secrets:
  token: {file: "${HOME}/token"}
  other: {file: ../outside.txt}
services:
  cache:
    preset: redis
    image: "registry.example/shop:${GH_TOKEN}"
    build: {context: ., dockerfile: deploy.log, args: {A: "${CI_JOB_TOKEN}", B: "${REVIEW_TOKEN:?}"}}
    labels: {a: "${GH_TOKEN:-x}${SECRET}", b: "::error::${SECRET}"}
    secrets: [token, other]
`,
		"compose.yml": `name: shop
include: [included/compose.yml]
services:
  web:
    image: "shop:${GH_TOKEN}"
    command: ["${SECRET}", "$CI_JOB_TOKEN", "${REVIEW_TOKEN:?no}"]
    env_file: [.env, deploy.log]
    environment: [GH_TOKEN, "A=${SECRET}"]
    ports: ["127.0.0.1:8080:80"]
    labels: {a: "${DOT_ENV}", b: "${INCLUDED}"}
secrets: {s: {environment: GH_TOKEN}}
configs: {c: {content: "${SECRET}"}, d: {file: deploy.log}}
`,
		"included/compose.yml": "services: {in: {image: \"in:${INCLUDED}\"}}\n",
		"log.yml":              "include: [deploy.log]\nservices: {a: {image: a}}\n",
		"dotenv.yml":           "include: [{path: included/compose.yml, env_file: deploy.log}]\nservices: {a: {image: a}}\n",
		"outside.yml":          "services: {a: {image: a, extends: {file: ../outside.yml, service: a}}}\n",
		"extends.yaml":         "apiVersion: hsectl/v1\nkind: Profile\nname: shop\nextends: ./deploy.log\n",
		"port.yaml":            "apiVersion: hsectl/v1\nkind: Profile\nname: shop\nservices: {cache: {preset: redis, ports: [\"${SECRET}:1\"]}}\n",
	}
}

// What a pipeline prints or posts about a change holds nothing of its machine, in whatever encoding.
func TestPipelinesLeakNothing(t *testing.T) {
	program, err := exec.LookPath("hsectl")
	if err != nil {
		t.Fatal(err)
	}
	top := t.TempDir()
	dir, bin := filepath.Join(top, "repository"), filepath.Join(top, "bin")
	write := func(path, text string, mode os.FileMode) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=test", "-c", "user.email=test@example.org"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %s", args, out)
		}
	}
	write(filepath.Join(dir, "hsectl.yaml"), "apiVersion: hsectl/v1\nkind: Profile\nname: shop\nservices: {cache: {preset: redis}}\n", 0o644)
	write(filepath.Join(dir, "compose.yml"), "name: shop\nservices: {web: {image: \"shop:1\"}}\n", 0o644)
	git("init", "-q")
	git("add", "-A")
	git("commit", "-qm", "base")
	git("tag", "base")
	for name, text := range hostile() {
		write(filepath.Join(dir, name), text, 0o644)
	}
	git("add", "-A")
	git("commit", "-qm", "head")
	// What is on the machine, and not in the change.
	secret := canary + "\n" + canary + ": " + canary + "\nSECRET=" + canary + "\n"
	write(filepath.Join(dir, ".env"), "DOT_ENV='"+canary+"'\nSECRET='"+canary+"'\n", 0o600)
	write(filepath.Join(dir, "included", ".env"), "INCLUDED='"+canary+"'\n", 0o600)
	write(filepath.Join(dir, "deploy.log"), secret, 0o600)
	write(filepath.Join(top, "outside.txt"), secret, 0o600)
	write(filepath.Join(top, "outside.yml"), "services: {a: {image: \""+strings.ReplaceAll(canary, `"`, `\"`)+"\"}}\n", 0o600)

	posted := filepath.Join(top, "posted")
	write(filepath.Join(bin, "gh"), "#!/bin/sh\nfor a in \"$@\"; do echo \"$a\" >> "+posted+"; case \"$a\" in body=@*) cat \"${a#body=@}\" >> "+posted+";; esac; done\n", 0o755)
	write(filepath.Join(bin, "curl"), "#!/bin/sh\nfor a in \"$@\"; do case \"$a\" in body@*) cat \"${a#body@}\" >> "+posted+";; esac; done\necho '[]'\n", 0o755)
	write(filepath.Join(bin, "jq"), "#!/bin/sh\ncat > /dev/null\n", 0o755)
	comment, err := os.ReadFile("../../ci/gitlab/hsectl-comment")
	if err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(bin, "hsectl-comment"), string(comment), 0o755)

	var environment []string
	for _, name := range strings.Fields("GH_TOKEN GITHUB_TOKEN CI_JOB_TOKEN CI_JOB_JWT REVIEW_TOKEN SECRET DB_PASSWORD AWS_SECRET_ACCESS_KEY ACTIONS_RUNTIME_TOKEN SSH_KEY NPM_TOKEN") {
		environment = append(environment, name+"="+canary)
	}
	summary := filepath.Join(top, "summary")
	environment = append(environment, "PATH="+bin+":"+filepath.Dir(program)+":"+os.Getenv("PATH"), "HOME="+filepath.Join(top, canary), "XDG_STATE_HOME="+filepath.Join(top, "state"),
		"RUNNER_TEMP="+top, "GITHUB_STEP_SUMMARY="+summary, "GITHUB_REPOSITORY=o/r", "GITHUB_ACTIONS=true", "NUMBER=7", "COMMENT=true", "ENVIRONMENT=", "ENGINE=", "BASE=base", "BASE_REF=main", "FAIL_ON=high",
		"CI=true", "CI_MERGE_REQUEST_DIFF_BASE_SHA=base", "HSECTL_FAIL_ON=high", "CI_API_V4_URL=https://gitlab.example", "CI_PROJECT_ID=1", "CI_MERGE_REQUEST_IID=2", "GIT_CONFIG_GLOBAL=/dev/null", "TMPDIR="+top)
	action, err := filepath.Abs("../../.github/actions/hsectl/run")
	if err != nil {
		t.Fatal(err)
	}
	runs := map[string][]string{}
	for _, command := range []string{"review", "lint"} {
		runs["action "+command] = []string{"env", "COMMAND=" + command, "bash", action}
	}
	for job, script := range gitlabScripts(t) {
		runs["gitlab "+job] = []string{"sh", "-c", "set -e\n" + script}
	}
	runs["lint sarif"] = []string{"sh", "-c", `hsectl lint "$PROFILE" --format sarif`}
	runs["lint json"] = []string{"sh", "-c", `hsectl lint "$PROFILE" --all --format json`}
	runs["review diff"] = []string{"sh", "-c", `hsectl review base HEAD -f "$PROFILE" --diff`}
	runs["review tree"] = []string{"sh", "-c", `hsectl review base -f "$PROFILE" --format json`}
	runs["init"] = []string{"sh", "-c", `hsectl init --from "$PROFILE" -f "$TMPDIR/made.yaml" --force`}

	search := redact.New([]string{canary}, nil)
	reached := 0
	for _, profile := range []string{"hsectl.yaml", "compose.yml", "log.yml", "dotenv.yml", "outside.yml", "extends.yaml", "port.yaml"} {
		for name, run := range runs {
			cmd := exec.Command(run[0], run[1:]...)
			cmd.Dir = dir
			cmd.Env = append(slices.Clone(environment), "PROFILE="+profile, "HSECTL_PROFILE="+profile)
			out, _ := cmd.CombinedOutput() // most of them fail, as they should
			for _, file := range []string{posted, summary, filepath.Join(dir, "review.md")} {
				data, _ := os.ReadFile(file) // not all of them write each
				out = append(out, data...)
				_ = os.Remove(file)
			}
			if bytes.Contains(out, []byte("${GH_TOKEN}")) {
				reached++
			}
			if search.Holds(string(out)) || bytes.Contains(out, []byte("Zq7")) {
				t.Errorf("%s of %s shows the canary:\n%s", name, profile, out)
			}
		}
	}
	if reached < 8 {
		t.Errorf("only %d runs came to the image that names a variable", reached)
	}
}

// gitlabScripts are the scripts of the jobs for merge requests.
func gitlabScripts(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile("../../ci/gitlab/hsectl.gitlab-ci.yml")
	if err != nil {
		t.Fatal(err)
	}
	var jobs map[string]yaml.Node
	if err := yaml.Unmarshal(data, &jobs); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, name := range []string{"hsectl review", "hsectl lint"} {
		var job struct{ Script []string }
		node := jobs[name]
		if err := node.Decode(&job); err != nil || len(job.Script) == 0 {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = strings.Join(job.Script, "\n")
	}
	return out
}

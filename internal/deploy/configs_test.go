package deploy_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/stack"
)

func hexOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// configured is a stack whose one service reads a file and two secrets, of which one is generated.
func configured() deploy.Desired {
	return deploy.Desired{
		Stack: stack.Stack{Name: "x", Secrets: []stack.Secret{{Name: "generated", Generate: true}, {Name: "plain", Env: "PLAIN"}}, Services: []stack.Service{{
			Name: "a", Image: "example/a:1", User: stack.User{UID: 5, GID: 5}, Restart: "unless-stopped",
			Limits:   stack.Resources{CPUs: "1", Nano: 1e9, Memory: stack.Size{Bytes: 64 << 20, Text: "64m"}, PIDs: 10},
			Shutdown: stack.Shutdown{Signal: "SIGTERM", Grace: time.Second}, Log: stack.Log{Driver: "journald"},
			Configs: []stack.ConfigFile{{Path: "dir/a.yml", Data: []byte("one")}},
			Secrets: []stack.SecretFile{{Name: "generated"}, {Name: "plain"}},
		}}},
		Secrets: map[string]deploy.Secret{"generated": deploy.NewSecret([]byte("fresh")), "plain": deploy.NewSecret([]byte("plain"))},
	}
}

func planned(t *testing.T, d deploy.Desired, o deploy.Observed) map[deploy.Kind]deploy.Step {
	t.Helper()
	o.Images = map[string]string{"example/a:1": "sha256:a"}
	plan, err := deploy.NewPlan(d, o)
	if err != nil {
		t.Fatal(err)
	}
	out := map[deploy.Kind]deploy.Step{}
	for _, s := range plan.Steps {
		out[s.Kind] = s
	}
	return out
}

func TestTheFirstDeployDeliversFilesAndAFreshSecret(t *testing.T) {
	got := planned(t, configured(), deploy.Observed{})
	files := got[deploy.DeliverConfigs].Configs
	if files == nil || files.Volume != "x_a_config_1" || len(files.Files) != 1 {
		t.Errorf("the files are delivered as %+v", files)
	}
	secrets := got[deploy.DeliverSecrets].Secrets
	if secrets == nil || string(secrets.Files[0].Value.Reveal()) != "fresh" || secrets.Files[0].From != "" {
		t.Errorf("the secrets are delivered as %+v", secrets)
	}
	compose := string(got[deploy.Converge].Compose.File)
	for _, want := range []string{"x_a_config_1", "target: /etc/hsectl", "x_a_secrets_1"} {
		if !strings.Contains(compose, want) {
			t.Errorf("the Compose file lacks %s:\n%s", want, compose)
		}
	}
}

func TestALaterDeployKeepsWhatIsThere(t *testing.T) {
	kept := deploy.SecretState{Volume: "x_a_secrets_4", Version: 4, Owner: stack.User{UID: 5, GID: 5},
		Digests: map[string]string{"generated": hexOf("first"), "plain": hexOf("plain")}}
	files := deploy.SecretState{Volume: "x_a_config_2", Version: 2, Digests: map[string]string{"dir/a.yml": hexOf("one")}}
	o := deploy.Observed{Secrets: map[string]deploy.SecretState{"a": kept}, Configs: map[string]deploy.SecretState{"a": files}}
	if got := planned(t, configured(), o); len(got) != 1 {
		t.Errorf("an unchanged stack is planned as %+v", got)
	}

	changed := configured()
	changed.Secrets["plain"] = deploy.NewSecret([]byte("other"))
	secrets := planned(t, changed, o)[deploy.DeliverSecrets].Secrets
	if secrets == nil || secrets.Volume != "x_a_secrets_5" {
		t.Fatalf("a changed secret is delivered as %+v", secrets)
	}
	if f := secrets.Files[0]; f.Name != "generated" || f.From != "x_a_secrets_4" || len(f.Value.Reveal()) != 0 {
		t.Errorf("the generated secret is not kept: %+v", f)
	}

	changed = configured()
	changed.Stack.Services[0].Configs[0].Data = []byte("two")
	if step := planned(t, changed, o)[deploy.DeliverConfigs].Configs; step == nil || step.Volume != "x_a_config_3" {
		t.Errorf("a changed file is delivered as %+v", step)
	}
}

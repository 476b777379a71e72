package controls_test

import (
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// The parts of tokens are joined here, so that no scanner takes this file for a leak.
func invented() map[string]string {
	return map[string]string{
		"github": "ghp" + "_" + strings.Repeat("a1B2", 9),
		"aws":    "AKIA" + strings.Repeat("ABCD", 4),
		"slack":  "xoxb" + "-1234567890-abc",
		"stripe": "sk" + "_live_" + strings.Repeat("a1", 12),
		"gitlab": "glpat" + "-" + strings.Repeat("a1b2", 5),
		"pem":    "-----BEGIN " + "RSA PRIVATE KEY-----",
	}
}

func TestSecretsInTheEnvironment(t *testing.T) {
	token := invented()
	for _, c := range []struct {
		name, value string
		secret      bool
	}{
		{"PASSWORD", "hunter2", true},
		{"password", "hunter2", true},
		{"DB_PASS", "hunter2", true},
		{"PGPASSWORD", "hunter2", true},
		{"MYSQL_PWD", "hunter2", true},
		{"JWT_SECRET", "hunter2", true},
		{"SECRET_KEY_BASE", "hunter2", true},
		{"GITHUB_TOKEN", "hunter2", true},
		{"API_KEY", "hunter2", true},
		{"APIKEY", "hunter2", true},
		{"AWS_SECRET_ACCESS_KEY", "hunter2", true},
		{"REDISCLI_AUTH", "hunter2", true},
		{"SENTRY_DSN", "hunter2", true},
		{"SSH_PASSPHRASE", "hunter2", true},
		{"DATABASE_URL", "postgres://app:hunter2@db/app", true},
		{"REDIS_URL", "redis://:hunter2@cache:6379", true},
		{"AMQP_URL", "amqp://app:hun:ter2@mq", true},
		{"ANYTHING", token["github"], true},
		{"ANYTHING", "Bearer " + token["github"], true},
		{"ANYTHING", token["aws"], true},
		{"ANYTHING", token["slack"], true},
		{"ANYTHING", token["stripe"], true},
		{"ANYTHING", token["gitlab"], true},
		{"ANYTHING", token["pem"] + "\nMII…", true},
		{"PASSWORD", "", false},
		{"PASSWORD_FILE", "/run/secrets/password", false},
		{"TOKEN_PATH", "token.txt", false},
		{"JWT_SECRET", "/run/secrets/jwt", false},
		{"PASSWORD_MIN_LENGTH", "12", false},
		{"TOKEN_TTL", "3600", false},
		{"OAUTH_CLIENT_ID", "abc", false},
		{"AUTH_METHOD", "oidc", false},
		{"AUTH_ENABLED", "true", false},
		{"REQUIRE_AUTH", "true", false},
		{"SECRET", "none", false},
		{"COMPASS", "north", false},
		{"PASSENGERS", "4", false},
		{"AUTHOR", "a person", false},
		{"TOKENIZER", "bpe", false},
		{"DATABASE_URL", "postgres://db:5432/app", false},
		{"PROXY", "http://user@proxy:8080/", false},
		{"NOTE", "a time such as 10:30@noon", false},
		{"PATH", "/usr/local/bin:/usr/bin", false},
		{"NODE_ENV", "production", false},
	} {
		f := policy.Facts{Environment: seen([]policy.Variable{{Name: c.name, Value: c.value}})}
		v := control(t, "HSE-SEC-001").Judge(f, policy.Intent{})
		if got := v.Status == finding.Fail; got != c.secret {
			t.Errorf("%s=%.20s…: secret is %t, want %t", c.name, c.value, got, c.secret)
		}
		if c.secret && (strings.Contains(v.Detail, "hunter2") || strings.Contains(v.Detail, c.value) || !strings.Contains(v.Detail, c.name)) {
			t.Errorf("%s: the finding shows the value, or not the name: %s", c.name, v.Detail)
		}
	}
}

func TestSecretsOnTheCommandLine(t *testing.T) {
	token := invented()
	for _, c := range []struct {
		arguments []string
		secret    bool
	}{
		{[]string{"app", "--password", "hunter2"}, true},
		{[]string{"app", "--password=hunter2"}, true},
		{[]string{"app", "--db-password=hunter2"}, true},
		{[]string{"app", "-api_key=hunter2"}, true},
		{[]string{"app", "https://me:hunter2@host/x"}, true},
		{[]string{"app", token["github"]}, true},
		{[]string{"app", "--header", "Authorization: Bearer " + token["github"]}, true},
		{[]string{"redis-server", "--requirepass", "hunter2"}, true},
		{[]string{"redis-server", "--masterauth", "hunter2"}, true},
		{[]string{"com.example.token=hunter2"}, true},
		{[]string{"app", "--password-file", "/run/secrets/password"}, false},
		{[]string{"app", "--password", "/run/secrets/password"}, false},
		{[]string{"app", "--auth", "true"}, false},
		{[]string{"postgres", "-c", "password_encryption=scram-sha-256"}, false},
		{[]string{"redis-server", "--include", "/run/secrets/redis_conf"}, false},
		{[]string{"--password"}, false},
		{[]string{"sh", "-c", `REDISCLI_AUTH="$(cat /run/secrets/redis_password)" redis-cli ping`}, false}, // the shell reads it, this shows the path
		{[]string{"sh", "-c", `REDISCLI_AUTH=$(</run/secrets/redis_password) redis-cli ping`}, false},
		{[]string{"sh", "-c", `REDISCLI_AUTH="$(printf hunter2)" redis-cli ping`}, true},
		{[]string{"sh", "-c", "REDISCLI_AUTH=$hunter2 redis-cli ping"}, true},
		{nil, false},
	} {
		v := control(t, "HSE-SEC-004").Judge(policy.Facts{Arguments: seen(c.arguments)}, policy.Intent{})
		if got := v.Status == finding.Fail; got != c.secret {
			t.Errorf("%.60q: secret is %t, want %t (%s)", c.arguments, got, c.secret, v.Detail)
		}
		if strings.Contains(v.Detail, "hunter2") || strings.Contains(v.Detail, token["github"]) {
			t.Errorf("the finding shows the value: %s", v.Detail)
		}
	}
}

package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/policy"
)

// What looks like a secret, and what is only about one. The table holds for lint, init, review, verify and the scan of Dockerfiles
// alike: they all ask LooksSecret.
func TestLooksSecret(t *testing.T) {
	const hidden, shown = true, false
	for _, c := range []struct {
		want      bool
		variables []string
	}{
		{hidden, []string{ // by name
			"API_TOKEN=abc", "DB_PASSWORD=x", "PGPASSWORD=x", "POSTGRES_PASSWORD1=x", "MYSQL_PWD=x", "REDIS_PASS=x", "db.password=x", "dbPassword=x", "clientSecret=x", "APIKey=x", "apikey=x",
			"API_KEYS=a,b", "SECRET_KEY_BASE=x", "AWS_SECRET_ACCESS_KEY=x", "PRIVATE_KEY=x", "STRIPE_SECRET=x", "CREDENTIALS=x", "SMTP_AUTH=x", "NEO4J_AUTH=neo4j/x", "SENTRY_DSN=x",
			"ENCRYPTION_KEY=x", "APP_KEY=base64:x", "SALT=x", "PASSWORD_SALT=x", "SIGNING_KEY=x", "RAILS_MASTER_KEY=x", "MEILI_MASTER_KEY=x", "AZURE_STORAGE_ACCOUNT_KEY=x", "FERNET_KEY=x",
			"JWT_SIGNING_KEY=x", "COOKIE_KEY=x", "WIREGUARD_PRESHARED_KEY=x", "AUTH_TOKEN=x", "TOKEN_SECRET=x", "ADMIN_PASSWORD_HASH=x", "PASSWORD_RESET_SECRET=x", "SECRET_NAME_PASSWORD=x",
			"PASSWORD=/base64+with=/and", "TOKEN=default", "MAX_API_TOKEN=abc", "--requirepass=x", "spring.datasource.password=x", "SECRET=${ELSEWHERE}",
		}},
		{shown, []string{
			"PASSWORD=", "PATH=/bin", "PORT=80", "KEY=x", "KEY_ID=abc", "PUBLIC_KEY=x", "PRIMARY_KEY=id", "GPG_KEY=E3FF2839C048B25C084DEBE9B26995E310250568", "MONKEY=x", "AUTHOR=x", "OAUTH_CLIENT=x", "COMPASS=x",
			"AUTH=true", "AUTH_MODE=x", "SMTP_AUTH=plain", "API_KEY_HEADER=X-Key", "TOKEN_ENDPOINT=https://id.example.org/token", "SECRET_PORT=1", "COOKIE_AUTH_DOMAIN=example.org",
			"PASSWORD_FILE=./secret", "TOKEN_FILE=/run/secrets/t", "POSTGRES_PASSWORD_FILE=x", "GOOGLE_APPLICATION_CREDENTIALS=/etc/gcp.json", "PRIVATE_KEY=./keys/a.pem", "TOKEN=file:///run/secrets/t",
			"PASSWORD_MIN_LENGTH=12", "SALT_ROUNDS=10", "TOKEN_TTL=1h", "ACCESS_TOKEN_EXPIRES_IN=60", "SECRET_NAME=x", "AWS_ACCESS_KEY_ID=x", "POSTGRES_HOST_AUTH_METHOD=x", "PASSWORD_ENCRYPTION=x",
			"SECRETS_DIR=/x", "TOKEN_ISSUER=x", "JWT_SECRET_ALGORITHM=HS256", "SECRET_PROVIDER=vault", "MAX_TOKENS=4096", "MAX_NEW_TOKENS=1", "ALLOW_EMPTY_PASSWORD=yes",
			"DB_PASSWORD=arn:aws:secretsmanager:eu-west-1:1:secret:db", "DB_PASSWORD=op://vault/db/password", "TOKENIZERS_PARALLELISM=false", "GIT_HASH=0f3a",
		}},
		{hidden, []string{ // by value
			"URL=postgres://u:p@db/x", "URL=redis://:p@redis:6379", "URL=https://0123456789abcdef0123@o1.ingest.sentry.io/1", "URL=https://api.example.org/?api_key=x", "URL=https://x.blob.core.windows.net/c?sv=1&sig=abc",
			"URL=jdbc:postgresql://db/x?user=u&password=p", "URL=jdbc:sqlserver://db;user=u;password=p", "URL=jdbc:mysql://u:p@db/x", "URL=jdbc:oracle:thin:u/p@//db:1521/x",
			"CONNECTION=Server=db;Database=x;User Id=sa;Password=p;", "CONNECTION=host=db user=u password=p dbname=x", "CONNECTION=u:p@tcp(db:3306)/x", "CONNECTION=u:p@unix(/run/mysql.sock)/x",
			"HOOK=https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXX", "HOOK=https://discord.com/api/webhooks/1/abc", "HOOK=https://x.webhook.office.com/webhookb2/abc", "HOOK=https://hooks.zapier.com/hooks/catch/1/abc",
			"USERS=admin:$apr1$ruca84Hq$mbjdMZBAG.KWn7vfN/SNK/", "USERS=admin:$$2y$$05$$C5iAGnBXKQyHHqCrDYwxAeVpBu6A5nRlqFfcVPRnNjKqyfMWJLVmW", "H=$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g", "H=$6$salt$aaaaaaaaaaaaaaaaaaaaaaaa",
			"H=pbkdf2_sha256$600000$salt$aGFzaA==", "H={SSHA}DkMTwBl+a/3DQTxCYEApdUtNXGgdUac3", "H=SCRAM-SHA-256$4096:c2FsdA==$a:b",
			"X=ghp_0123456789abcdefghijABCDEFGHIJ012345", "X=xoxb-0123456789-abc", "X=-----BEGIN RSA PRIVATE KEY-----", "X=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLW9mLWl0",
		}},
		{shown, []string{
			"URL=postgres://db/x", "URL=https://user@example.org/", "URL=jdbc:postgresql://db/x?ssl=true", "URL=https://example.org/?token=", "URL=https://example.org/oauth/token?grant=code", "CONNECTION=host=db dbname=x",
			"HOOK=https://example.org/hooks", "PRICE=$5", "ARGS=$1$2", "X=sk-short", "X=ey", "OPTIONS=password=",
		}},
	} {
		for _, text := range c.variables {
			name, value, _ := strings.Cut(text, "=")
			if policy.LooksSecret(policy.Variable{Name: name, Value: value}) != c.want {
				t.Errorf("%s: looks like a secret: %v", text, !c.want)
			}
		}
	}
}

func TestSecretArguments(t *testing.T) {
	for _, c := range []struct {
		words string
		want  []int
	}{
		{"app --password x --token=y --verbose", []int{3, 4}},
		{"app --token-endpoint https://id.example.org --auth-mode basic", nil},
		{"app -Dspring.datasource.password=x --password-file /run/secrets/p --encryption-key k", []int{2, 6}},
		{`redis-server --requirepass "$(cat`, []int{3}},
		{"app postgres://u:p@db/x", []int{2}},
		{"mysqladmin ping -uroot -phunter2", []int{4}},
		{"mysqladmin ping -p $X -p$X -p", nil},
		{"/usr/bin/redis-cli -a hunter2 ping", []int{3}},
		{"redis-cli -h cache -a $REDIS_PASSWORD ping", nil},
		{"curl -fsS -u admin:hunter2 http://x -u admin", []int{4}},
		{"ssh -p 22 host", nil},
	} {
		if got := policy.SecretArguments(strings.Fields(c.words)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", c.words, got)
		}
	}
	if got := policy.SecretArguments([]string{"sh", "-c", `requirepass="$(cat /run/secrets/p)"`, "PASSWORD=$(cat /run/secrets/p)"}); len(got) != 0 {
		t.Errorf("what a shell reads from a file is taken for a value: %v", got)
	}
}

// The patterns are compiled when they are first needed; here all are.
func TestKnownSecretsAreWellFormed(t *testing.T) {
	known := policy.KnownSecrets()
	for _, f := range known.Forms {
		if _, err := f.Pattern.Regexp(); err != nil {
			t.Errorf("%s: %v", f.ID, err)
		}
	}
	for name, pattern := range map[string]policy.Pattern{"elsewhere": known.Values.Elsewhere, "read": known.Values.Read, "placeholder": known.Placeholder} {
		if _, err := pattern.Regexp(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecretListThatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"as_of: today\nsources: [x]\n": "as_of must be a day",
		"as_of: 2026-11-30\nsources: [x]\nforms: [{id: a, title: A, keywords: [a]}]\n": "needs an id of its own",
		"unheard_of: 1\n": "unheard_of",
	} {
		if _, err := policy.ParseSecrets("secrets.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzLooksSecret(f *testing.F) {
	f.Add("DB_PASSWORD", "x")
	f.Add("dbPASSWORDFile", "postgres://u:p@db")
	f.Fuzz(func(_ *testing.T, name, value string) {
		policy.LooksSecret(policy.Variable{Name: name, Value: value})
		policy.SecretArguments([]string{name, value, name + "=" + value})
	})
}

package scan

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// rule finds one kind of credential. Every match contains one of the literal keywords: looking for them first is
// what makes it affordable to read every file.
type rule struct {
	id       string
	title    string
	keywords []string
	pattern  *regexp.Regexp
}

// The forms are those that the issuers publish. A rule is here only when its form is unlikely in anything else:
// a scan that cries wolf is switched off.
var rules = sync.OnceValue(func() []rule {
	return []rule{
		{"private-key", "private key", []string{"PRIVATE KEY-----"}, regexp.MustCompile(`-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/=:,\-\s]{64}`)},
		{"aws-access-key", "AWS access key", []string{"AKIA"}, regexp.MustCompile(`\bAKIA[A-Z2-7]{16}\b`)},
		{"aws-secret-key", "AWS secret access key", []string{"aws_secret_access_key"}, regexp.MustCompile(`aws_secret_access_key\s*[=:]\s*["']?[A-Za-z0-9/+]{40}\b`)},
		{"github-token", "GitHub token", []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_"}, regexp.MustCompile(`\bgh[pousr]_[A-Za-z0-9]{36,}\b`)},
		{"github-fine-token", "GitHub fine-grained token", []string{"github_pat_"}, regexp.MustCompile(`\bgithub_pat_[A-Za-z0-9_]{60,}\b`)},
		{"gitlab-token", "GitLab token", []string{"glpat-"}, regexp.MustCompile(`\bglpat-[A-Za-z0-9_\-]{20,}\b`)},
		{"slack-token", "Slack token", []string{"xoxa-", "xoxb-", "xoxp-", "xoxr-", "xoxs-"}, regexp.MustCompile(`\bxox[abprs]-[0-9]{8,}-[A-Za-z0-9\-]{12,}`)},
		{"slack-webhook", "Slack webhook", []string{"hooks.slack.com/services/"}, regexp.MustCompile(`hooks\.slack\.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{20,}`)},
		{"stripe-key", "Stripe live key", []string{"k_live_"}, regexp.MustCompile(`\b[rs]k_live_[A-Za-z0-9]{20,}\b`)},
		{"google-api-key", "Google API key", []string{"AIza"}, regexp.MustCompile(`\bAIza[A-Za-z0-9_\-]{35}\b`)},
		{"gcp-service-account", "Google Cloud service account key", []string{`"private_key_id"`}, regexp.MustCompile(`"private_key_id"\s*:\s*"[0-9a-f]{40}"`)},
		{"npm-token", "npm token", []string{"npm_"}, regexp.MustCompile(`\bnpm_[A-Za-z0-9]{36}\b`)},
		{"npmrc-auth", "npm registry credential", []string{"_authToken"}, regexp.MustCompile(`_authToken\s*=\s*["']?[A-Za-z0-9][A-Za-z0-9_\-./+=]{15,}`)},
		{"pypi-token", "PyPI token", []string{"pypi-AgE"}, regexp.MustCompile(`\bpypi-AgE[A-Za-z0-9_\-]{50,}`)},
		{"docker-auth", "registry credential of Docker", []string{`"auth"`}, regexp.MustCompile(`"auths"\s*:\s*\{[^}]*"auth"\s*:\s*"[A-Za-z0-9+/=]{8,}"`)},
		{"anthropic-key", "Anthropic API key", []string{"sk-ant-"}, regexp.MustCompile(`\bsk-ant-[a-z0-9]{3,8}-[A-Za-z0-9_\-]{40,}`)},
		{"openai-key", "OpenAI API key", []string{"T3BlbkFJ"}, regexp.MustCompile(`\bsk-[A-Za-z0-9_\-]{16,}T3BlbkFJ[A-Za-z0-9_\-]{16,}`)},
		{"sendgrid-key", "SendGrid API key", []string{"SG."}, regexp.MustCompile(`\bSG\.[A-Za-z0-9_\-]{22}\.[A-Za-z0-9_\-]{43}\b`)},
		{"digitalocean-token", "DigitalOcean token", []string{"dop_v1_"}, regexp.MustCompile(`\bdop_v1_[0-9a-f]{64}\b`)},
		{"vault-token", "Vault token", []string{"hvs."}, regexp.MustCompile(`\bhvs\.[A-Za-z0-9_\-]{24,}`)},
		{"azure-storage-key", "Azure storage key", []string{"AccountKey="}, regexp.MustCompile(`AccountKey=[A-Za-z0-9+/]{86}==`)},
		{"telegram-token", "Telegram bot token", []string{":AA"}, regexp.MustCompile(`\b[0-9]{8,10}:AA[A-Za-z0-9_\-]{33}\b`)},
		{"url-password", "password in an address", []string{"postgres://", "postgresql://", "mysql://", "mongodb://", "mongodb+srv://", "amqp://", "amqps://", "redis://", "rediss://"}, regexp.MustCompile(`\b(?:postgres(?:ql)?|mysql|mongodb(?:\+srv)?|amqps?|rediss?)://[^\s:/@"'${}<>]{1,64}:[^\s@"'${}<>*]{6,128}@[A-Za-z0-9][A-Za-z0-9.\-]+`)},
		{"age-key", "age identity", []string{"AGE-SECRET-KEY-1"}, regexp.MustCompile(`\bAGE-SECRET-KEY-1[0-9A-Z]{58}\b`)},
	}
})

// placeholder matches what documentation and tests write where a credential would be.
var placeholder = regexp.MustCompile(`(?i)example|placeholder|changeme|dummy|your[_-]|user:pass|username:password|:password@|localhost|127\.0\.0\.1|(?:x{6}|\*{3}|0{10}|1234567)`)

// FindSecrets returns the credentials in a file: at most one of each kind, because one is enough to rotate. The value
// is never kept.
func FindSecrets(name string, data []byte) []Secret {
	var out []Secret
	for _, r := range rules() {
		if !slices.ContainsFunc(r.keywords, func(k string) bool { return bytes.Contains(data, []byte(k)) }) {
			continue
		}
		for _, at := range r.pattern.FindAllIndex(data, maxMatches) {
			if placeholder.Match(data[at[0]:at[1]]) {
				continue
			}
			out = append(out, Secret{Rule: r.id, Title: r.title, Path: name, Line: 1 + bytes.Count(data[:at[0]], []byte("\n"))})
			break
		}
	}
	if title := byName(name); title != "" && len(bytes.TrimSpace(data)) > 0 && len(out) == 0 {
		out = append(out, Secret{Rule: "credential-file", Title: title, Path: name})
	}
	return out
}

// maxMatches bounds how many placeholders of one kind are looked past in one file.
const maxMatches = 64

// byName tells files that hold credentials by what they are called.
func byName(name string) string {
	base, dir := path.Base(name), path.Base(path.Dir(name))
	switch {
	case base == ".git-credentials" || base == ".netrc" || base == ".pgpass" || base == ".my.cnf":
		return "stored credentials"
	case dir == ".ssh" && strings.HasPrefix(base, "id_") && !strings.HasSuffix(base, ".pub"):
		return "SSH identity"
	case dir == ".aws" && base == "credentials":
		return "AWS credentials"
	case base == ".vault-token":
		return "Vault token"
	}
	return ""
}

// skipped are paths whose files hold keys and tokens for show.
var skipped = []string{"usr/share/doc/", "usr/share/man/", "usr/share/locale/", "usr/share/zoneinfo/", "proc/", "sys/"}

// testPath matches where the packages of languages keep the keys that their tests use.
var testPath = regexp.MustCompile(`(?:node_modules|site-packages|dist-packages|vendor|gems|pkg/mod)/.*(?:^|/)(?:tests?|__tests__|testdata|fixtures?|examples?|spec)/`)

// manual matches what packages of languages explain themselves with.
var manual = regexp.MustCompile(`(?:node_modules|site-packages|dist-packages|vendor|gems|pkg/mod)/.*\.(?:md|markdown|rst|map)$`)

// mayHoldSecrets leaves out what is certain to be noise.
func mayHoldSecrets(name string) bool {
	for _, prefix := range skipped {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	if manual.MatchString(name) {
		return false
	}
	switch path.Ext(name) {
	case ".so", ".a", ".o", ".gz", ".xz", ".zst", ".png", ".jpg", ".woff2", ".mo", ".pyc", ".class", ".jar":
		return false
	}
	return !strings.Contains(path.Base(name), ".so.") && !testPath.MatchString(name)
}

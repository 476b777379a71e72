package scan

import (
	"bytes"
	"path"
	"regexp"
	"strings"

	"github.com/hsectl/hsectl/internal/policy"
)

// FindSecrets returns the credentials in a file: at most one of each kind, because one is enough to rotate. The value
// is never kept.
func FindSecrets(name string, data []byte) []Secret {
	var out []Secret
	known := policy.KnownSecrets()
	for _, form := range known.Forms {
		if !form.Files || !form.In(data) {
			continue
		}
		for _, at := range form.Pattern.Find(data, maxMatches) {
			if known.Placeholder.Matches(data[at[0]:at[1]]) {
				continue
			}
			out = append(out, Secret{Rule: form.ID, Title: form.Title, Path: name, Line: 1 + bytes.Count(data[:at[0]], []byte("\n"))})
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

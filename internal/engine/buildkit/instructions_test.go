package buildkit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/engine/buildkit"
	"github.com/hsectl/hsectl/internal/image/audit"
)

const bigDigest = "@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// Each Dockerfile begins with a pinned base and ends with a number for its user unless it says otherwise.
func TestDockerfileAgainstTheImageControls(t *testing.T) {
	for name, tt := range map[string]struct {
		lines  string
		target string
		want   []string // control:line
	}{
		"good":                         {"FROM debian:13" + bigDigest + "\nRUN apt-get update && apt-get install -y --no-install-recommends ca-certificates\nUSER 65532:65532", "", nil},
		"a tag":                        {"FROM debian:13\nUSER 1", "", []string{"HSE-IMG-001:1"}},
		"an argument with a tag":       {"ARG B=debian:13\nFROM ${B}\nUSER 1", "", []string{"HSE-IMG-001:2"}},
		"an argument from outside":     {"ARG B\nFROM $B\nUSER 1", "", nil},
		"a stage is no image":          {"FROM debian" + bigDigest + " AS Base\nFROM base\nCOPY --from=base /a /a\nCOPY --from=0 /a /a\nUSER 1", "", nil},
		"copied from a tag":            {"FROM scratch\nCOPY --from=busybox:1 /a /a\nUSER 1", "", []string{"HSE-IMG-001:2"}},
		"root":                         {"FROM scratch\nUSER 0:0", "", []string{"HSE-IMG-003:2"}},
		"root by name":                 {"FROM scratch\nUSER root", "", []string{"HSE-IMG-003:2"}},
		"a name":                       {"FROM scratch\nUSER app", "", []string{"HSE-IMG-003:2"}},
		"no user is set":               {"FROM scratch\nUSER 1\nFROM scratch", "", []string{"HSE-IMG-003:3"}},
		"the user of an earlier stage": {"FROM scratch AS a\nUSER 1\nFROM a\nENV X=1", "", nil},
		"another target":               {"FROM scratch AS a\nUSER 0\nFROM scratch\nUSER 1", "a", []string{"HSE-IMG-003:2"}},
		"a token":                      {"FROM scratch\nENV GITHUB_TOKEN=ghp_" + strings.Repeat("a1", 18) + "\nUSER 1", "", []string{"HSE-IMG-005:2", "HSE-IMG-005:2"}},
		"a password":                   {"FROM scratch\nENV A=1 DB_PASSWORD=hunter2\nUSER 1", "", []string{"HSE-IMG-005:2"}},
		"a default password":           {"FROM scratch\nARG DB_PASSWORD=hunter2\nUSER 1", "", []string{"HSE-IMG-005:2"}},
		"a password from outside":      {"FROM scratch\nARG DB_PASSWORD\nENV DB_PASSWORD_FILE=/run/secrets/db TOKEN_TTL=\nUSER 1", "", nil},
		"stored credentials":           {"FROM scratch\nCOPY package.json .npmrc ./\nUSER 1", "", []string{"HSE-IMG-005:2"}},
		"credentials are mounted":      {"FROM scratch\nRUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci\nUSER 1", "", nil},
		"no verification":              {"FROM scratch\nRUN curl -sk https://example.com\nENV NODE_TLS_REJECT_UNAUTHORIZED=0\nUSER 1", "", []string{"HSE-IMG-014:2", "HSE-IMG-014:3"}},
		"in a heredoc":                 {"FROM scratch\nRUN <<EOT\nset -e\nwget --no-check-certificate https://example.com\nEOT\nUSER 1", "", []string{"HSE-IMG-014:2"}},
		"SSH and a system volume":      {"FROM scratch\nEXPOSE 22/tcp 8080\nVOLUME /etc /data\nUSER 1", "", []string{"HSE-IMG-015:2", "HSE-IMG-015:3"}},
		"bad habits": {"FROM scratch\nRUN apt-get update\nRUN apt-get install -y curl\nRUN curl -fsSL https://example.com | sudo bash\nRUN chmod -R 777 /app\nRUN chmod u+s /bin/x\nADD https://example.com/a.tar /\nUSER 1", "",
			[]string{"HSE-IMG-013:2", "HSE-IMG-013:3", "HSE-IMG-013:4", "HSE-IMG-013:4", "HSE-IMG-017:5", "HSE-IMG-004:6", "HSE-IMG-013:7"}},
		"a checksum": {"FROM scratch\nADD --checksum=sha256:1 https://example.com/a.tar /\nUSER 1", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			steps, err := buildkit.Instructions("Dockerfile", []byte(tt.lines+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range audit.JudgeDockerfile("Dockerfile", steps, tt.target) {
				got = append(got, f.Control+strings.TrimPrefix(f.Where, "Dockerfile"))
				if strings.Contains(fmt.Sprint(f), "hunter2") || strings.Contains(fmt.Sprint(f), "ghp_") {
					t.Errorf("a secret is shown: %+v", f)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func FuzzInstructions(f *testing.F) {
	f.Add("FROM a AS b\nUSER x\nENV A=1\nRUN <<E\nx\nE\n", "b")
	f.Add("ARG A\nUSER 1\nFROM\n", "")
	f.Fuzz(func(_ *testing.T, text, target string) {
		steps, err := buildkit.Instructions("Dockerfile", []byte(text))
		if err == nil {
			audit.JudgeDockerfile("Dockerfile", steps, target)
		}
	})
}

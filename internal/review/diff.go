package review

import (
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/hsectl/hsectl/internal/policy"
)

// assignment finds a line of a rendered Compose file that gives a value to a name.
var assignment = regexp.MustCompile(`^(\s+)("?)([A-Za-z_][A-Za-z0-9_.-]*)("?): (.+)$`)

func (c *comparison) diff() string {
	file := "docker-compose.yml"
	if c.watching() {
		file = "docker-compose.monitoring.yml"
	}
	return string(diff.Diff("base/"+file, discreet(c.base.Rendered), "head/"+file, discreet(c.head.Rendered)))
}

// discreet leaves out the values that look like secrets, so that a comment on a pull request cannot show them.
func discreet(rendered []byte) []byte {
	lines := strings.Split(string(rendered), "\n")
	for i, line := range lines {
		m := assignment.FindStringSubmatch(line)
		switch {
		case m != nil && policy.LooksSecret(policy.Variable{Name: m[3], Value: strings.Trim(m[5], `"'`)}):
			lines[i] = m[1] + m[3] + ": (looks like a secret; left out)"
		case m == nil && policy.SecretArgument([]string{strings.Trim(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "- ")), `"'`)}):
			lines[i] = line[:len(line)-len(strings.TrimLeft(line, " "))] + "(looks like a secret; left out)"
		}
	}
	return []byte(strings.Join(lines, "\n"))
}

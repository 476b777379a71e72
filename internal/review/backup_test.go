package review_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/review"
)

const (
	keptData = `volumes:
  db-data:
    backup: {to: /backups, dump: [pg_dump], restore: [pg_restore], check: [psql], schedule: "@daily", keep: 7, max_age: 26h, max_untested: 720h}
  logs: {ephemeral: old logs are not read}
`
	dataKey = `{to: /backups, dump: [pg_dump], restore: [pg_restore], check: [psql], schedule: "@daily", keep: 7, max_age: 26h, max_untested: 720h}`
)

// What changes about the backups of a volume is told, and never only that a file differs.
func TestBackupChanges(t *testing.T) {
	base := shop + keptData
	for name, c := range map[string]struct {
		from, to string
		want     string
	}{
		"nothing":               {"@daily", "@daily", ""},
		"no backup any more":    {"    backup: " + dataKey, "    external: false", "weaker high backup of volume db-data"},
		"the data may be lost":  {"backup: " + dataKey, "ephemeral: it is a copy", "weaker high backup of volume db-data"},
		"an outside system":     {dataKey, "{by: restic, reason: one for all}", "neutral medium backup of volume db-data|weaker medium longest time without a restore of volume db-data|stronger low number of backups of volume db-data|neutral low schedule of the backup of volume db-data|weaker medium check of the restored data of volume db-data|neutral medium programs of the backup of volume db-data"},
		"an older one will do":  {"max_age: 26h", "max_age: 50h", "weaker medium greatest age of the backup of volume db-data"},
		"a younger one":         {"max_age: 26h", "max_age: 2h", "stronger low greatest age of the backup of volume db-data"},
		"restored more seldom":  {"max_untested: 720h", "max_untested: 1440h", "weaker medium longest time without a restore of volume db-data"},
		"fewer kept":            {"keep: 7", "keep: 3", "weaker low number of backups of volume db-data"},
		"all kept":              {", keep: 7", "", "stronger low number of backups of volume db-data"},
		"another check":         {"check: [psql]", `check: ["true"]`, "neutral low check of the restored data of volume db-data"},
		"another program":       {"dump: [pg_dump]", "dump: [pg_dump, -a]", "neutral medium programs of the backup of volume db-data"},
		"another time":          {"@daily", "@weekly", "neutral low schedule of the backup of volume db-data"},
		"encrypted":             {"keep: 7", "keep: 7, encrypt: [" + alice + "]", "stronger medium readers of the backup of volume db-data"},
		"what was lost is kept": {"{ephemeral: old logs are not read}", "{backup: {to: /backups}}", "stronger medium backup of volume logs"},
		"no longer declared":    {"{ephemeral: old logs are not read}", "{}", "neutral low backup of volume logs"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, c := range review.Compare(side(t, base), side(t, base, edit{c.from, c.to}), today).Changes {
				if c.Control == "HSE-OPS-001" && strings.Contains(c.What, " of volume ") {
					got = append(got, fmt.Sprint(c.Direction, " ", c.Severity, " ", c.What))
				}
			}
			for _, want := range strings.Split(c.want, "|") {
				if !strings.Contains(strings.Join(got, "|"), want) || want == "" && len(got) > 0 {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
}

// Two people who may read backups; the keys of their identities were thrown away.
const (
	alice = "age1cqyajf670yxrt9yxvsesaa484cx5a47fm9rlu23qqc3gcjwkepgqz3r72t"
	bob   = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
)

// Who can decrypt a backup is a matter of the review in both directions.
func TestReadersOfABackup(t *testing.T) {
	with := func(recipients string) edit { return edit{"keep: 7", "keep: 7, encrypt: [" + recipients + "]"} }
	for name, c := range map[string]struct {
		from, to edit
		want     string
	}{
		"none any more": {with(alice), edit{"keep: 7", "keep: 7"}, "weaker high"},
		"one more":      {with(alice), with(alice + ", " + bob), "weaker medium"},
		"another one":   {with(alice), with(bob), "weaker medium"},
		"one less":      {with(alice + ", " + bob), with(bob), "stronger low"},
	} {
		t.Run(name, func(t *testing.T) {
			base := shop + keptData
			var got []string
			for _, c := range review.Compare(side(t, base, c.from), side(t, base, c.to), today).Changes {
				if strings.HasPrefix(c.What, "readers of the backup") {
					got = append(got, fmt.Sprint(c.Direction, " ", c.Severity))
				}
			}
			if strings.Join(got, "|") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

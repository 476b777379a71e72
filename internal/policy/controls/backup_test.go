package controls_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
)

// kept is a volume that is backed up every day and restored every quarter, as its declaration says and as was seen.
func kept() policy.Kept {
	return policy.Kept{Volume: "data", Declared: true, MaxAge: 26 * time.Hour, MaxUntested: 2160 * time.Hour, Looked: true,
		Age:      seen(8760 * time.Hour),
		Last:     policy.Seen(policy.Past{Ago: 3 * time.Hour}, finding.Applied),
		Restored: policy.Seen(policy.Past{Ago: 240 * time.Hour}, finding.Behaved)}
}

func TestBackups(t *testing.T) {
	const pass, fail, unknown, advice = finding.Pass, finding.Fail, finding.Unknown, finding.Advice
	for _, tt := range []struct {
		name   string
		change func(*policy.Keeping)
		want   finding.Status
		tier   finding.Tier
		detail string
	}{
		{"both are young enough", func(*policy.Keeping) {}, pass, finding.Applied, "data: last backup 3 hours ago; data: last tested restore 10 days ago"},
		{"only declared", func(k *policy.Keeping) { k.Volumes[0] = policy.Kept{Volume: "data", Declared: true} }, pass, finding.Declared, "data is backed up by hsectl"},
		{"declared for another system", func(k *policy.Keeping) { k.Volumes[0] = policy.Kept{Volume: "data", Declared: true, By: "restic"} }, pass, finding.Declared, "backed up by restic"},
		{"may be lost", func(k *policy.Keeping) { k.Volumes[0] = policy.Kept{Volume: "data", Ephemeral: "a cache"} }, pass, finding.Declared, "data may be lost: a cache"},
		{"not declared, of this one", func(k *policy.Keeping) { k.Volumes = append(k.Volumes, policy.Kept{Volume: "other"}) }, fail, finding.Declared, "other: no backup is declared"},
		{"not declared, of any", func(k *policy.Keeping) { k.Silent, k.Volumes[0] = true, policy.Kept{Volume: "data"} }, advice, finding.Declared, "no backup is declared for data"},
		{"too old", func(k *policy.Keeping) { k.Volumes[0].Last.Value.Ago = 50 * time.Hour }, fail, finding.Applied, "the last backup is 2 days old, more than 26 hours"},
		{"none", func(k *policy.Keeping) { k.Volumes[0].Last.Value.Never = true }, fail, finding.Applied, "no backup"},
		{"damaged", func(k *policy.Keeping) { k.Volumes[0].Last.Value.Bad = "it is gone" }, fail, finding.Applied, "the last backup is unusable: it is gone"},
		{"it could not be checked", func(k *policy.Keeping) { k.Volumes[0].Last = policy.Unseen[policy.Past]("another machine") }, unknown, finding.None, "the last backup: another machine"},
		{"never restored", func(k *policy.Keeping) { k.Volumes[0].Restored.Value.Never = true }, fail, finding.Behaved, "no tested restore"},
		{"restored too long ago", func(k *policy.Keeping) { k.Volumes[0].Restored.Value.Ago = 2161 * time.Hour }, fail, finding.Behaved, "more than 90 days"},
		{"the restore failed", func(k *policy.Keeping) { k.Volumes[0].Restored.Value.Bad = "no rows" }, fail, finding.Behaved, "is unusable: no rows"},
		{"a new volume owes nothing yet", func(k *policy.Keeping) {
			k.Volumes[0].Age.Value = time.Hour
			k.Volumes[0].Last, k.Volumes[0].Restored = policy.Unseen[policy.Past]("no directory"), policy.Seen(policy.Past{Never: true}, finding.Behaved)
		}, pass, finding.Applied, "the first backup is due in 25 hours"},
		{"a new volume with a damaged backup", func(k *policy.Keeping) { k.Volumes[0].Age.Value, k.Volumes[0].Last.Value.Bad = time.Hour, "cut off" }, fail, finding.Applied, "cut off"},
		{"a volume of unknown age owes everything", func(k *policy.Keeping) {
			k.Volumes[0].Age, k.Volumes[0].Last.Value.Never = policy.Unseen[time.Duration]("no such volume"), true
		}, fail, finding.Applied, "no backup"},
		{"one wrong, one unseen", func(k *policy.Keeping) {
			k.Volumes[0].Last.Value.Never, k.Volumes[0].Restored = true, policy.Unseen[policy.Past]("")
		}, fail, finding.Applied, "it could not be checked"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keeping := policy.Keeping{Volumes: []policy.Kept{kept()}}
			tt.change(&keeping)
			f := controls.CheckOne("HSE-OPS-001", policy.Facts{Service: "db", Keeping: policy.Seen(keeping, finding.Declared)}, policy.Intent{})
			if f.Status != tt.want || f.Tier != tt.tier || !strings.Contains(f.Detail, tt.detail) {
				t.Errorf("%s (%s): %s\nwant %s (%s): %s", f.Status, f.Tier, f.Detail, tt.want, tt.tier, tt.detail)
			}
		})
	}
	if f := controls.CheckOne("HSE-OPS-001", policy.Facts{Service: "db"}, policy.Intent{}); f.Status != unknown {
		t.Errorf("without evidence it is %s", f.Status)
	}
	for _, f := range controls.Check(policy.Facts{Service: "db", Keeping: seen(policy.Keeping{})}, policy.Intent{}, false) {
		if f.Control == "HSE-OPS-001" {
			t.Error("a service without volumes is asked for backups")
		}
	}
}

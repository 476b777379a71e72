package records

import (
	"errors"
	"testing"

	"github.com/moby/moby/api/types/volume"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/record"
)

// A release is that of a deployer only when both of its records are signed, each for this stack and this number.
func TestForeignReleases(t *testing.T) {
	t.Parallel()
	signing := record.Signing{
		Sign: func(message []byte) (record.Signature, error) {
			return record.Signature{Key: "mine", Value: message}, nil
		},
		Verify: func(message []byte, s record.Signature) error {
			if string(message) != string(s.Value) {
				return errors.New("not of a known key")
			}
			return nil
		},
	}
	seven := record.Release{Stack: "shop", Number: 7}
	encoded := func(data []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	ended := record.Outcome{Status: record.Deployed}
	release, outcome := encoded(signing.Release(seven)), encoded(signing.Outcome(seven, ended))
	for name, c := range map[string]struct {
		release, outcome []byte
		signed, foreign  bool
	}{
		"both signed":                  {release, outcome, true, false},
		"not ended":                    {release, nil, true, false},
		"an unsigned release":          {encoded(record.EncodeRelease(seven)), outcome, false, true},
		"an unsigned outcome":          {release, encoded(record.EncodeOutcome(ended)), true, true},
		"the outcome of another one":   {release, encoded(signing.Outcome(record.Release{Stack: "shop", Number: 6}, ended)), true, true},
		"the outcome of another stack": {release, encoded(signing.Outcome(record.Release{Stack: "other", Number: 7}, ended)), true, true},
	} {
		at := keptAt + RoleRelease + "/v"
		s := Contents{stack: "shop", signing: signing, files: map[string][]byte{at + "/" + releaseFile: c.release},
			volumes: map[string]volume.Volume{at: {Name: "v", Labels: map[string]string{engine.LabelRole: RoleRelease, engine.LabelVersion: "7"}}}}
		if c.outcome != nil {
			s.files[at+"/"+outcomeFile] = c.outcome
		}
		got := s.History()
		if len(got) != 1 || got[0].Err != nil || got[0].Signed != c.signed || (got[0].Foreign != nil) != c.foreign {
			t.Errorf("%s: %+v", name, got)
		}
		s.signing = record.Signing{}
		if got := s.History(); got[0].Foreign != nil {
			t.Errorf("%s: where nothing is asked: %v", name, got[0].Foreign)
		}
	}
}

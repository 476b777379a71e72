package probe

import "testing"

// Rules that do nothing must not be taken for rules that do: an old nft names a table that sleeps in words only, or ends in the
// middle of its JSON.
func TestActiveTables(t *testing.T) {
	const asleep = "table inet mine {\n\tflags dormant\n}\n"
	for name, c := range map[string]struct {
		json, words string
		refused     bool
	}{
		"none sleeps":        {`{"nftables": [{"table": {"family": "inet", "name": "mine"}}]}`, "table inet mine {\n}\n", false},
		"one is said to":     {`{"nftables": [{"table": {"family": "inet", "name": "mine", "flags": ["dormant"]}}]}`, asleep, false},
		"one is not said to": {`{"nftables": [{"table": {"family": "inet", "name": "mine"}}]}`, asleep, true},
		"cut off":            {`{"nftables": [{"table": {"family": "inet", "name": "mine", "flags": `, asleep, true},
		"a comment":          {`{"nftables": []}`, "table inet mine {\n\tchain c {\n\t\tcounter comment \"flags dormant\"\n\t}\n}\n", false},
	} {
		if err := activeTables(c.json, c.words); (err != nil) != c.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}

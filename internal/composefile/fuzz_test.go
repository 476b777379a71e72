package composefile

import "testing"

// FuzzInterpolation wants every text with variables to be replaced or refused, and what is provided never to be unset.
func FuzzInterpolation(f *testing.F) {
	for _, seed := range []string{"$A", "${A}", "${A:-b}", "${A-${B:-$C}}", "${A:?no}", "${A?${B}}", "${A:+b}", "$$A", "$", "${", "${A:-$", "${A:?${A:?${A}}}", "${EMPTY:?no}", "${a.b}", "\x00${A}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<12 {
			t.Skip()
		}
		p := &Project{}
		_, _ = p.substitute(text, func(name string) (string, bool) { return "", name == "EMPTY" })
		for _, name := range p.Unset {
			if name == "EMPTY" {
				t.Errorf("%q: a variable that is set counts as unset", text)
			}
		}
	})
}

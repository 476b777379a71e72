package composefile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/policy/controls"
)

// FuzzRead wants every text to be refused or read to the end, with each service judged and each key in its place.
func FuzzRead(f *testing.F) {
	matches, err := filepath.Glob("../../testdata/compose/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range matches {
		data, err := os.ReadFile(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("x-b: &b {novelty: [*b]}\nservices: {a: {<<: [*b, {novel: 1}], image: x, extends: a}, b: {extends: {service: a}}}\n---\nnovel: {}\nservices: {a: {deploy: {novel: ~}}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<14 {
			t.Skip()
		}
		p, err := Read(t.Context(), "x.yml", data, Environment{Dir: "/srv"})
		if err != nil {
			return
		}
		for _, s := range p.Services() {
			controls.Check(p.Facts(s), p.Intent(s), false)
			if at := p.Place("services", s); !strings.HasPrefix(at.String(), "x.yml") {
				t.Errorf("%s is at %s", s, at)
			}
		}
		p.Check()
		p.Fix()
	})
}

// FuzzInterpolation wants every text with variables to be replaced or refused, and what is provided never to be unset.
func FuzzInterpolation(f *testing.F) {
	for _, seed := range []string{"$A", "${A}", "${A:-b}", "${A-${B:-$C}}", "${A:?no}", "${A?${B}}", "${A:+b}", "$$A", "$", "${", "${A:-$", "${A:?${A:?${A}}}", "${EMPTY:?no}", "${a.b}", "\x00${A}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<12 {
			t.Skip()
		}
		p := &reader{}
		_, _ = p.substitute(text, func(name string) (string, bool) { return "", name == "EMPTY" })
		for _, name := range p.unset {
			if name == "EMPTY" {
				t.Errorf("%q: a variable that is set counts as unset", text)
			}
		}
	})
}

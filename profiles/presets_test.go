package profiles_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/lifecycle"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/witness"
	"github.com/hsectl/hsectl/profiles"
)

var controlID = regexp.MustCompile(`HSE-[A-Z]+-\d{3}`)

// excepted are the controls for which a preset says that a profile needs an exception.
func excepted(p parser.Preset) []string {
	ids := controlID.FindAllString(strings.Join(append(p.Service.Notes, p.Facts), " "), -1)
	slices.Sort(ids)
	return slices.Compact(ids)
}

// minimal returns the smallest profile that uses a preset: the preset's name, a health test where the image cannot know
// one, one secret for each variable that names a file, and the exceptions that the preset's notes ask for.
func minimal(t *testing.T, p parser.Preset, more string) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: hsectl/v1\nkind: Profile\nname: minimal\nservices:\n  %s:\n    preset: %s\n%s", p.Name, p.Name, more)
	if _, ok := p.Service.ProbeCommand(); !ok && !slices.Contains(excepted(p), "HSE-HLT-001") && p.Service.Health.None == "" && p.Service.Health.Shell == "" && p.Service.Health.Command == nil {
		b.WriteString("    health: {http: {port: 3000, path: /up}}\n")
	}
	if len(p.Service.SecretFiles) > 0 {
		fmt.Fprintf(&b, "    secrets: [{name: password, env: %s}]\nsecrets: {password: {env: PASSWORD}}\n", p.Service.SecretFiles[0])
	}
	b.WriteString("exceptions:\n")
	for _, id := range excepted(p) {
		fmt.Fprintf(&b, "  - {control: %s, service: %s, reason: said by the preset, owner: tests, expires: 2030-01-01}\n", id, p.Name)
	}
	return b.String()
}

func parse(t *testing.T, text string) stack.Stack {
	t.Helper()
	p, err := parser.Parse([]byte(text), parser.Options{
		File: "minimal.yaml", Library: profiles.Library{}, CheckImage: image.Check,
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return known(t, stack.New(p))
}

func presets(t *testing.T) []parser.Preset {
	t.Helper()
	var out []parser.Preset
	for _, name := range (profiles.Library{}).Presets() {
		p, err := parser.ReadPreset(name, profiles.Library{})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// TestPresetsHold: a service that says only which preset it is passes every static control. What a preset cannot give
// without an exception is said in its notes, and nothing else is excepted.
func TestPresetsHold(t *testing.T) {
	for _, p := range presets(t) {
		t.Run(p.Name, func(t *testing.T) {
			s := parse(t, minimal(t, p, ""))
			findings, err := witness.Check(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range findings {
				if !f.Proven() {
					t.Errorf("%s %s: %s", f.Control, f.Status, f.Detail)
				}
				if id := f.Control; f.Status != finding.Waived && slices.Contains(excepted(p), id) {
					t.Errorf("the notes ask for an exception for %s, which holds", id)
				}
			}
			if p.Purpose == "" || p.Facts == "" {
				t.Error("the comment at the top must begin with what the image is and where it comes from, and say the facts")
			}
			for _, w := range p.Service.Writable {
				if w.Why == "" {
					t.Errorf("%s: say what is written there", w.Path)
				}
			}
		})
	}
}

// TestPresetsWithoutException: nothing is waived in a profile without exceptions, for all presets but the few whose
// image leaves no choice.
func TestPresetsWithoutException(t *testing.T) {
	var weak []string
	for _, p := range presets(t) {
		if len(excepted(p)) > 0 {
			weak = append(weak, p.Name)
		}
	}
	for _, name := range weak {
		if !slices.Contains([]string{"elasticsearch", "keycloak", "promtail", "grafana", "cadvisor", "alloy", "container-exporter", "tempo", "otel-collector"}, name) {
			t.Errorf("%s asks for an exception; look again whether the image can do without", name)
		}
	}
}

// TestPresetsFollowLimits: formulas hold for small and large limits, and never ask for more than there is.
func TestPresetsFollowLimits(t *testing.T) {
	for _, p := range presets(t) {
		for _, limits := range []string{`{cpus: "0.25", memory: 256M, pids: 100}`, `{cpus: "4", memory: 16G, pids: 2000}`} {
			t.Run(p.Name, func(t *testing.T) {
				small := ""
				if strings.Contains(limits, "256M") {
					small = "    reservations: {memory: 32M}\n"
				}
				s := parse(t, minimal(t, p, "    limits: "+limits+"\n"+small)).Services[0]
				words := append(slices.Clone(s.Command), s.Shutdown.Signal)
				for _, v := range s.Environment {
					words = append(words, v.Value)
				}
				for _, word := range words {
					if strings.Contains(word, "{{") || strings.Contains(word, "-0") || strings.Contains(word, "=0M") {
						t.Errorf("%q is not a value", word)
					}
				}
				if s.ShmSize.Bytes >= s.Limits.Memory.Bytes {
					t.Errorf("shared memory of %s in %s of memory", s.ShmSize.Text, s.Limits.Memory.Text)
				}
			})
		}
	}
}

// TestPresetsLoad: what is rendered loads with compose-go as docker compose would load it.
func TestPresetsLoad(t *testing.T) {
	for _, p := range presets(t) {
		t.Run(p.Name, func(t *testing.T) {
			files, err := generate.Render(parse(t, minimal(t, p, "")), generate.Source{Profile: "minimal.yaml", Generator: "test"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := generate.Load(context.Background(), files[0].Data, nil); err != nil {
				t.Errorf("%v\n%s", err, files[0].Data)
			}
		})
	}
}

// TestTwoOfAPreset: two services with one preset share nothing.
func TestTwoOfAPreset(t *testing.T) {
	s := parse(t, `apiVersion: hsectl/v1
kind: Profile
name: two
services:
  one: {preset: redis}
  other: {preset: redis}
`)
	if len(s.Volumes) != 2 {
		t.Errorf("two services have the volumes %v", s.Volumes)
	}
}

// known is what hsectl knows of the life of images, on the day as of which it knows that.
func known(t testing.TB, s stack.Stack) stack.Stack {
	t.Helper()
	data, err := lifecycle.Parse("lifecycles.yaml", profiles.Lifecycles())
	if err != nil {
		t.Fatal(err)
	}
	return s.Knowing(data, data.Images.Data.AsOf.Time)
}

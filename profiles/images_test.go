package profiles_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hsectl/hsectl/internal/policy/images"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/profiles"
)

// knownImage is what profiles/data/images.yaml says of an image and its preset must agree with.
type knownImage struct {
	Repositories []string
	Capability   string `yaml:"file_capability"`
	NoFiles      bool   `yaml:"no_files"`
	RunsTmp      bool   `yaml:"runs_tmp"`
	Grace        string
	Hostname     bool
	Variable     string
}

// TestImagesAndPresetsAgree: what is known of an image that is used without its preset is what its preset does about it.
func TestImagesAndPresetsAgree(t *testing.T) {
	var table struct{ Images map[string]knownImage }
	if err := yaml.Unmarshal(profiles.Images(), &table); err != nil || len(table.Images) == 0 {
		t.Fatal(len(table.Images), err)
	}
	for _, p := range presets(t) {
		k, ok := table.Images[p.Name]
		if !ok {
			continue
		}
		delete(table.Images, p.Name)
		s := parse(t, minimal(t, p, "")).Services[0]
		if found := images.Recognise(s.Image); len(k.Repositories) > 0 && found != p.Name {
			t.Errorf("%s: its image %s is known as %q", p.Name, s.Image, found)
		}
		for what, agrees := range map[string]bool{
			"grace":           k.Grace == "" || duration(t, k.Grace) <= s.Shutdown.Grace,
			"hostname":        k.Hostname == (s.Hostname != ""),
			"no_files":        !k.NoFiles || len(p.Service.SecretFiles) == 0,
			"runs_tmp":        k.RunsTmp == slices.ContainsFunc(s.Writable, func(w stack.Writable) bool { return w.Path == "/tmp" && w.Exec }),
			"variable":        k.Variable == "" || sets(s, k.Variable),
			"file_capability": carries(s, k.Capability) || k.Capability == "IPC_LOCK" && sets(s, "SKIP_SETCAP"),
		} {
			if !agrees {
				t.Errorf("%s: profiles/data/images.yaml and the preset do not agree about %s", p.Name, what)
			}
		}
	}
	for name := range table.Images {
		t.Errorf("%s is known, and has no preset", name)
	}
}

// carries reports whether a service is given a file capability, and no other one.
func carries(s stack.Service, capability string) bool {
	var names []string
	for _, c := range s.Capabilities {
		if c.File {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, " ") == capability
}

func sets(s stack.Service, variable string) bool {
	return slices.ContainsFunc(s.Environment, func(v stack.Variable) bool { return v.Name == variable })
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

package monitoring_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/monitoring"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/profiles"
)

const referenceProfile = "../../profiles/hse-digital.yaml"

// parse reads a profile as the program does, on a day on which its exceptions hold.
func parse(t *testing.T, data []byte) *profile.Profile {
	t.Helper()
	p, err := parser.Parse(data, parser.Options{File: "profile.yaml",
		Library: profiles.Library{}, CheckImage: image.Check})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func reference(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(referenceProfile)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// watch returns the monitoring stack of the reference profile, after replacing words in it.
func watch(t *testing.T, replacements ...string) (*profile.Profile, stack.Stack) {
	t.Helper()
	text := strings.NewReplacer(replacements...).Replace(string(reference(t)))
	p := parse(t, []byte(text))
	s, err := monitoring.New(p, stack.New(p))
	if err != nil {
		t.Fatal(err)
	}
	return p, s
}

// file returns a configuration file of a part.
func file(t *testing.T, s stack.Stack, part, path string) []byte {
	t.Helper()
	service, ok := s.Service(part)
	if !ok {
		t.Fatalf("there is no part %s", part)
	}
	for _, c := range service.Configs {
		if c.Path == path {
			return c.Data
		}
	}
	t.Fatalf("%s reads no file %s", part, path)
	return nil
}

// board is what the tests read of a dashboard.
type board struct {
	UID    string `json:"uid"`
	Title  string `json:"title"`
	Panels []struct {
		ID          int    `json:"id"`
		Type        string `json:"type"`
		Title       string `json:"title"`
		Description string `json:"description"`
		GridPos     struct{ X, Y, W, H int }
		Targets     []struct {
			RefID, Expr string
			Datasource  struct{ UID string }
		}
		FieldConfig struct {
			Defaults struct {
				Unit       string
				Thresholds struct {
					Steps []struct{ Value *float64 }
				}
			}
		}
	} `json:"panels"`
}

func boards(t *testing.T, s stack.Stack) map[string]board {
	t.Helper()
	grafana, ok := s.Service("grafana")
	if !ok {
		t.Fatal("there is no grafana")
	}
	out := map[string]board{}
	for _, c := range grafana.Configs {
		name, ok := strings.CutPrefix(c.Path, "dashboards/")
		if !ok {
			continue
		}
		var b board
		if err := json.Unmarshal(c.Data, &b); err != nil {
			t.Fatalf("%s: %v", c.Path, err)
		}
		out[name] = b
	}
	return out
}

package deploy_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/record"
)

// olderRecord is what an hsectl recorded that knew neither several containers of a service nor an edge that loads: the bytes of
// a release of commit 3f0e279, as they were in their volume.
func olderRecord(t *testing.T) record.Entry {
	t.Helper()
	read := func(name string) []byte {
		data, err := os.ReadFile("../record/testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	release, err := record.DecodeRelease(read("release-before-replicas.json"))
	if err != nil {
		t.Fatal(err)
	}
	outcome, err := record.DecodeOutcome(read("outcome-before-replicas.json"))
	if err != nil {
		t.Fatal(err)
	}
	return record.Entry{Number: 1, Release: release, Outcome: outcome}
}

// A release that an older hsectl recorded is understood as it was meant: its stack is seen to be as it left it, and it can be
// returned to, with the edge that is replaced for each change.
func TestAnOlderRecord(t *testing.T) {
	r := olderRecord(t)
	observed := deploy.Observed{Images: map[string]string{}, Volumes: map[string]deploy.Volume{}, Running: map[string][]deploy.Running{}, Delivered: map[string]deploy.SecretState{}}
	for reference, image := range r.Release.Images {
		observed.Images[reference] = image.ID
	}
	for _, s := range r.Release.Model().Services {
		if s.Wanted() != 1 {
			t.Errorf("%s has %d containers", s.Name, s.Wanted())
		}
		observed.Running[s.Name] = []deploy.Running{{ID: r.Outcome.Containers[s.Name][0], Image: observed.Images[s.Image], Well: true, State: "healthy"}}
		for _, w := range s.Volumes() {
			observed.Volumes[deploy.VolumeName(r.Release.Model(), w.Volume)] = deploy.Volume{Owner: w.Owner, Mode: w.Mode}
		}
	}
	for _, c := range conditions(t, r, observed) {
		if !c.Well || len(c.Drift) > 0 {
			t.Errorf("%+v", c)
		}
	}
	if gate, ok := deploy.GateOf(r.Release); !ok || gate.Volume != "deptry_edge_config_1" {
		t.Errorf("its gate is %+v", gate)
	}
	if _, err := deploy.NewReturn(r.Release, observed, time.Minute); err == nil || !strings.Contains(err.Error(), "deptry_edge_secrets_1") {
		t.Errorf("its secrets are gone: %v", err)
	}
	for _, volume := range []string{"deptry_edge_config_1", "deptry_edge_secrets_1"} {
		observed.Delivered[volume] = deploy.SecretState{Volume: volume}
	}
	back, err := deploy.NewReturn(r.Release, observed, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := named(back), []string{"converge deptry", "roll web", "converge deptry"}; !slices.Equal(got, want) {
		t.Errorf("the way back is %q", got)
	}
	again, err := record.EncodeRelease(r.Release)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := record.DecodeRelease(again); err != nil {
		t.Errorf("written again: %v", err)
	}
}

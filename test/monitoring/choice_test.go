package monitoring_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/monitoring"
	"github.com/hsectl/hsectl/internal/stack"
)

// What is not chosen is not watched, and those that are keep their exporters under the same names: another name would be
// another container, another secret and another dashboard.
func TestOnlyTheChosenAreWatched(t *testing.T) {
	p, whole := watch(t, "services:\n", "services:\n  queue: {preset: redis, profiles: [nightly]}\n")
	chosen, err := p.Choose(nil)
	if err != nil {
		t.Fatal(err)
	}
	some, err := monitoring.New(chosen, stack.New(chosen))
	if err != nil {
		t.Fatal(err)
	}
	for name, wanted := range map[string]bool{"redis-exporter-redis": true, "redis-exporter-queue": false, "redis-exporter": false} {
		if _, ok := some.Service(name); ok != wanted {
			t.Errorf("%s is there: %t", name, ok)
		}
	}
	if _, ok := whole.Service("redis-exporter-queue"); !ok {
		t.Error("without a choice the other one has no exporter")
	}
	for _, s := range some.Services {
		if text := fmt.Sprintf("%+v", s); strings.Contains(text, "queue") || strings.Contains(text, "redis://:") {
			t.Errorf("%s knows of a service that is not chosen", s.Name)
		}
	}
}

// The exporter of a service that is not chosen goes with it.
func TestTheOnlyOneIsNotChosen(t *testing.T) {
	p, _ := watch(t, "    preset: redis\n", "    preset: redis\n    profiles: [nightly]\n", "depends_on: [postgres, redis]", "depends_on: [postgres]")
	chosen, err := p.Choose(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := monitoring.New(chosen, stack.New(chosen))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Service("redis-exporter"); ok {
		t.Error("there is an exporter of nothing")
	}
}

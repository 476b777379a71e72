package deploy_test

import (
	"errors"
	"testing"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/deploy/datadir"
	"github.com/hsectl/hsectl/internal/stack"
)

// Data of another major version of PostgreSQL stops a plan before anything changes.
func TestDataOfAnotherVersion(t *testing.T) {
	for name, c := range map[string]struct {
		brings, data string
		refused      bool
	}{
		"the same version":       {"16", "16", false},
		"an older one":           {"17", "16", true},
		"a newer one":            {"15", "16", true},
		"the image says nothing": {"", "16", false},
		"nothing is known of it": {"17", "", false},
	} {
		s := stack.Stack{Name: "shop", Services: []stack.Service{{Name: "db", Image: "example/db:1", Writable: []stack.Writable{{Path: "/var/lib/postgresql/data", Volume: "pg"}}}}, Volumes: []stack.Volume{{Name: "pg"}}}
		_, err := deploy.NewPlan(deploy.Desired{Stack: s}, deploy.Observed{Images: map[string]string{"example/db:1": "sha256:1"}, Databases: map[string]string{"example/db:1": c.brings},
			Volumes: map[string]deploy.Volume{"shop_pg": {Filled: true, Version: c.data}}})
		var refused *datadir.VersionError
		if errors.As(err, &refused) != c.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A snapshot that a server with a log of changes would not read stops a plan: the server would start empty, and save that.
func TestSnapshotWithoutLog(t *testing.T) {
	for name, c := range map[string]struct {
		command  []string
		snapshot bool
		refused  bool
	}{
		"with a log":             {[]string{"redis-server", "--appendonly", "yes"}, true, true},
		"the last setting":       {[]string{"redis-server", "--appendonly", "yes", "--appendonly", "no"}, true, false},
		"the image's own":        {nil, true, false},
		"a log is there already": {[]string{"redis-server", "--appendonly", "yes"}, false, false},
	} {
		s := stack.Stack{Name: "shop", Services: []stack.Service{{Name: "queue", Image: "redis:8", Command: c.command, Writable: []stack.Writable{{Path: "/data", Volume: "queue"}}}}, Volumes: []stack.Volume{{Name: "queue"}}}
		_, err := deploy.NewPlan(deploy.Desired{Stack: s}, deploy.Observed{Images: map[string]string{"redis:8": "sha256:1"}, Volumes: map[string]deploy.Volume{"shop_queue": {Filled: true, Snapshot: c.snapshot}}})
		var refused *datadir.SnapshotError
		if errors.As(err, &refused) != c.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}

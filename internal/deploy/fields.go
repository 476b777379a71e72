package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/record"
)

// applied is a Compose file as deploy applies it, read back.
type applied struct {
	nodes   generate.Nodes
	project *types.Project
}

// readApplied reads a Compose file that deploy applies, with the values of its variables.
func readApplied(file []byte, environment map[string]string) (applied, error) {
	nodes, err := generate.ReadNodes(file)
	if err != nil {
		return applied{}, err
	}
	p, err := generate.Load(context.Background(), file, environment) // in memory: there is nothing to wait for
	return applied{nodes, p}, err
}

// readRelease reads the file of a release.
func readRelease(r record.Release) (applied, error) {
	out, err := readApplied(r.Compose, r.Environment)
	if err != nil {
		return out, &record.DamagedError{What: fmt.Sprintf("release %d of %s", r.Number, r.Stack), Err: err}
	}
	return out, nil
}

// outside are the keys of a service that are no part of its containers: Compose leaves them out when it decides whether a
// container has to be made anew (pkg/compose/hash.go of docker/compose: build, pull policy, scale, dependencies, profiles).
func outside(path string) bool {
	key, _, _ := strings.Cut(path, ".")
	return slices.Contains([]string{"build", "depends_on", "profiles", "pull_policy", "scale"}, key) || path == "deploy.replicas"
}

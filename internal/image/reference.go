package image

import (
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
)

// Repository returns registry and repository of a reference in full, such as index.docker.io/library/redis. Docker's
// own name for its registry is docker.io, which is what people write in rules.
func Repository(reference string) (string, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return "", fmt.Errorf("image %q is not a reference: %w", reference, err)
	}
	registry := ref.Context().RegistryStr()
	if registry == name.DefaultRegistry {
		registry = "docker.io"
	}
	return registry + "/" + ref.Context().RepositoryStr(), nil
}

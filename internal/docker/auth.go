package docker

import (
	"github.com/docker/cli/cli/config/types"
	"github.com/moby/moby/api/types/registry"
)

// registryAuthConfig turns the credentials of Docker's configuration into those of the engine's API.
func registryAuthConfig(a types.AuthConfig) registry.AuthConfig {
	return registry.AuthConfig{Username: a.Username, Password: a.Password, Auth: a.Auth, ServerAddress: a.ServerAddress,
		IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken}
}

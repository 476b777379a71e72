package generate

import (
	"context"
	"fmt"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// Load reads a rendered Compose file strictly, with compose-go, as docker compose would. Environment holds the values
// of its variables; nothing else is read.
func Load(ctx context.Context, file []byte, environment map[string]string) (*types.Project, error) {
	return LoadIn(ctx, "/", file, environment)
}

// LoadIn does the same for a file in a directory, next to which it names others.
func LoadIn(ctx context.Context, dir string, file []byte, environment map[string]string) (*types.Project, error) {
	details := types.ConfigDetails{
		ConfigFiles: []types.ConfigFile{{Filename: ComposeFile, Content: file}},
		Environment: types.Mapping(environment),
		WorkingDir:  dir,
	}
	project, err := loader.LoadWithContext(ctx, details, func(o *loader.Options) {
		o.SkipResolveEnvironment = true
		o.SkipInclude = true
		o.Profiles = []string{"*"} // services are chosen before a file is rendered
	})
	if err != nil {
		return nil, fmt.Errorf("loading the rendered Compose file: %w", err)
	}
	for _, service := range project.Services { // a variable without a value has that of its name, or is none
		for name, value := range service.Environment {
			if value != nil {
				continue
			}
			if from, ok := environment[name]; ok {
				service.Environment[name] = &from
			} else {
				delete(service.Environment, name)
			}
		}
	}
	return project, nil
}

package app

import (
	"fmt"
	"path/filepath"

	"github.com/hsectl/hsectl/generate"
)

// Render makes paths in the files relative to the directory they will be in.
func Render(l Loaded, out string) ([]generate.File, error) {
	absOut, err := filepath.Abs(out)
	if err != nil {
		return nil, fmt.Errorf("finding the output directory: %w", err)
	}
	absDir, err := filepath.Abs(l.Dir())
	if err != nil {
		return nil, fmt.Errorf("finding the profile's directory: %w", err)
	}
	root, err := filepath.Rel(absOut, absDir)
	if err != nil {
		root = absDir // another drive on Windows: no relative path exists
	}
	source := generate.Source{
		Profile: filepath.ToSlash(filepath.Base(l.Path)), Data: l.Data, BuildRoot: filepath.ToSlash(root), Generator: "hsectl",
		Inputs: l.Inputs, Choices: l.Choices, EnvFiles: l.Own.Files,
	}
	monitor, ok, err := l.MonitoringStack()
	if err != nil {
		return nil, err
	}
	if ok {
		source.Monitoring = &monitor.Stack
		source.Verify = l.Profile.Monitoring.Verify.D
	}
	return generate.Render(l.Stack, source)
}

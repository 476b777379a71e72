// Package sources reads what a stack takes from next to its profile: values of variables, files of variables, and files and
// directories that its services only read. It is pure: reading is the work of the functions that it is given.
package sources

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/composefile/variable"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/stack"
)

// Machine is where the files are.
type Machine struct {
	Read  func(path string, limit int64) ([]byte, error)
	Files func(path string, limit int64) ([]File, error) // a file, or all files below a directory, of so many bytes at most
}

// File is a file, or one of a directory.
type File struct {
	Path    string // below the directory, with forward slashes; empty for a file that was named itself
	Data    []byte
	Program bool // it may be executed
}

// maxVariables bounds a file of variables.
const maxVariables = 1 << 20

// EnvFile is the file of variables that Compose reads by itself.
const EnvFile = ".env"

// Variables are values of variables, and the files that they are from.
type Variables struct {
	Values map[string]string
	Files  []string // relative to the profile
}

// VariablesError is a file of variables that cannot be read. It holds no line of the file.
type VariablesError struct {
	Profile string
	Err     error
}

// Error implements error.
func (e *VariablesError) Error() string {
	return fmt.Sprintf("reading the variables of %s: %v", e.Profile, e.Err)
}

// Unwrap returns the cause.
func (e *VariablesError) Unwrap() error { return e.Err }

// OwnVariables reads the files with values of variables that a profile names, or the .env next to it, as Compose does. The last file
// counts. The environment is what lines may refer to.
func OwnVariables(path string, data []byte, m Machine, environment map[string]string) (Variables, error) {
	files, named := parser.EnvFiles(data)
	if !named {
		files = []string{EnvFile}
	}
	out := Variables{Values: map[string]string{}}
	for _, name := range files {
		file := below(filepath.Dir(path), name)
		text, err := m.Read(file, maxVariables)
		if errors.Is(err, fs.ErrNotExist) && !named {
			continue
		}
		var read map[string]string
		if err == nil {
			read, err = composefile.Variables(file, text, environment)
		}
		if err != nil {
			return Variables{}, &VariablesError{path, err}
		}
		maps.Copy(out.Values, read)
		out.Files = append(out.Files, filepath.ToSlash(name))
	}
	return out, nil
}

func below(dir, path string) string {
	if path = filepath.FromSlash(path); filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// Taken are the variables that the rendered file of a stack takes from the environment. Most stacks pass nothing through, and name
// all of them as variables of their services.
func Taken(s stack.Stack) ([]generate.Variable, error) {
	passes := len(s.Extra) > 0
	for _, service := range s.Services {
		passes = passes || len(service.Extra) > 0
	}
	if passes {
		return generate.Variables(s)
	}
	var out []generate.Variable
	for _, service := range s.Services {
		for _, v := range service.Environment {
			if v.Required || v.Default != nil {
				out = append(out, generate.Variable{Name: v.Name, Required: v.Required, Services: []string{service.Name}})
			}
		}
	}
	return out, nil
}

// rawVariables reads lines of NAME=VALUE whose values are taken as they are: the format raw of env_file. A name alone has the value
// that it has elsewhere.
func rawVariables(data []byte, lookup func(string) (string, bool)) map[string]string {
	out := map[string]string{}
	for line := range bytes.Lines(data) {
		text := strings.TrimRight(string(line), "\r\n")
		if bare := strings.TrimSpace(text); bare == "" || bare[0] == '#' {
			continue
		}
		name, value, assigned := strings.Cut(text, "=")
		if name = strings.TrimSpace(name); !assigned {
			if value, assigned = lookup(name); !assigned {
				continue
			}
		}
		out[name] = value
	}
	return out
}

// envFile is an entry of env_file.
type envFile struct {
	path     string
	optional bool
	raw      bool
}

// envFiles are the files of variables of a service that are passed through, in order.
func envFiles(extra map[string]any) []envFile {
	var list []any
	switch v := extra["env_file"].(type) {
	case string:
		list = []any{v}
	case []any:
		list = v
	}
	var out []envFile
	for _, item := range list {
		switch item := item.(type) {
		case string:
			out = append(out, envFile{path: item})
		case map[string]any:
			path, _ := item["path"].(string)
			format, _ := item["format"].(string)
			required, written := item["required"].(bool)
			out = append(out, envFile{path, written && !required, format == "raw"})
		}
	}
	return out
}

// fromFiles returns the variables that a service takes from files, without those that it has otherwise.
func (a attaching) fromFiles(service stack.Service) (map[string]string, error) {
	out := map[string]string{}
	lookup := a.lookup
	for _, file := range envFiles(service.Extra) {
		path, err := variable.Substitute(file.path, lookup)
		if err != nil {
			return nil, err
		}
		data, err := a.machine.Read(below(a.dir, path), maxVariables)
		if errors.Is(err, fs.ErrNotExist) && file.optional {
			continue
		}
		if err != nil {
			return nil, err
		}
		var read map[string]string
		if file.raw {
			read = rawVariables(data, lookup)
		} else if read, err = composefile.VariablesWith(path, data, lookup); err != nil {
			return nil, err
		}
		maps.Copy(out, read)
	}
	environment, _ := service.Extra["environment"].(map[string]any)
	for _, v := range service.Environment {
		delete(out, v.Name)
	}
	for _, use := range service.Secrets {
		delete(out, use.Env)
	}
	for name := range environment {
		delete(out, name)
	}
	return out, nil
}

// namesOf returns the names of variables, sorted.
func namesOf(values map[string]string) []string { return slices.Sorted(maps.Keys(values)) }

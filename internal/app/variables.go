package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/sources"
	"github.com/hsectl/hsectl/internal/stack"
)

// machine is this one, as sources reads it.
func machine() sources.Machine {
	return sources.Machine{Read: host.ReadFile, Files: func(path string, limit int64) ([]sources.File, error) {
		found, err := host.Files(path, limit)
		var out []sources.File
		for _, f := range found {
			out = append(out, sources.File(f))
		}
		return out, err
	}}
}

// environ is the environment of this process.
func environ() map[string]string {
	out := map[string]string{}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		out[name] = value
	}
	return out
}

// Lookup returns the value of a variable: that of the environment, or else that of the files of the profile.
func (l Loaded) Lookup(name string) (string, bool) {
	if value, ok := os.LookupEnv(name); ok {
		return value, true
	}
	value, ok := l.Own.Values[name]
	return value, ok
}

// Variables are those that the stack takes from the environment, as far as they are set.
func Variables(l Loaded) (map[string]string, error) {
	out := map[string]string{}
	all, err := sources.Taken(l.Stack)
	for _, v := range all {
		if value, ok := l.Lookup(v.Name); ok {
			out[v.Name] = value
		}
	}
	return out, err
}

// Attached returns the stack as deploy brings it to an engine, with the values that its services take from files, and what is missing.
func (l Loaded) Attached() (s stack.Stack, values map[string]string, missing []string) {
	dir, err := filepath.Abs(l.Dir())
	if err != nil {
		return l.Stack, nil, []string{fmt.Sprintf("%s: %v", l.Path, err)}
	}
	s, values, problems := sources.Attach(l.Stack, dir, machine(), l.Lookup)
	for _, p := range problems {
		at := l.Root + "services." + p.Service + ".passthrough." + p.Key
		missing = append(missing, fmt.Sprintf("%s: service %s: %v", l.Profile.Written(at), p.Service, p.Err))
	}
	return s, values, missing
}

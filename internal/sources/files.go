package sources

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/composefile/variable"
	"github.com/hsectl/hsectl/internal/stack"
)

// maxDelivered bounds what a service gets from next to the profile: it becomes part of each release.
const maxDelivered = 4 << 20

// errEmpty is a directory that is to be delivered and has no file.
var errEmpty = errors.New("the directory has no file to deliver")

// Problem is something that a service needs and that is not there.
type Problem struct {
	Service string // empty for what stands next to the services
	Key     string // that is passed through
	Err     error
}

// attaching turns what services pass through into what deploy delivers.
type attaching struct {
	dir      string
	machine  Machine
	lookup   func(name string) (string, bool)
	problems []Problem
}

// Attach returns the stack as deploy brings it to an engine, which knows no directory of a profile: the files and directories that its
// services only read become part of their configuration, and what they take from files of variables becomes variables, whose values
// are returned. Lookup finds the variables that paths and texts have.
func Attach(s stack.Stack, dir string, m Machine, lookup func(string) (string, bool)) (stack.Stack, map[string]string, []Problem) {
	a := attaching{dir: dir, machine: m, lookup: lookup}
	values := map[string]string{}
	services := slices.Clone(s.Services)
	for i, service := range services {
		if len(service.Extra) == 0 {
			continue
		}
		taken, err := a.fromFiles(service)
		if err != nil {
			a.problems = append(a.problems, Problem{service.Name, "env_file", err})
		}
		for name, value := range taken {
			values[stack.TakenAs(service.Name, name)] = value
		}
		services[i].Taken = namesOf(taken)
		a.files(&services[i], s.Extra)
	}
	s.Services = services
	return s, values, a.problems
}

// files adds what a service mounts or is configured by.
func (a *attaching) files(s *stack.Service, top map[string]any) {
	mounts, _ := s.Extra["volumes"].([]any)
	for _, item := range mounts {
		m, _ := item.(map[string]any)
		source, _ := m["source"].(string)
		target, _ := m["target"].(string)
		if m["type"] == "bind" && m["read_only"] == true && relative(source) && target != "" {
			a.add(s, "volumes", target, "", func() ([]File, error) { return a.found(source) })
		}
	}
	all, _ := top["configs"].(map[string]any)
	uses, _ := s.Extra["configs"].([]any)
	for _, item := range uses {
		name, short := item.(string)
		m, _ := item.(map[string]any)
		if !short {
			name, _ = m["source"].(string)
		}
		target, _ := m["target"].(string)
		if target == "" {
			target = "/" + name
		}
		config, _ := all[name].(map[string]any)
		a.config(s, target, name, config)
	}
}

// config adds an entry of configs. One that the engine has is not delivered.
func (a *attaching) config(s *stack.Service, target, name string, config map[string]any) {
	if file, ok := config["file"].(string); ok {
		a.add(s, "configs", target, name, func() ([]File, error) { return a.found(file) })
		return
	}
	if content, ok := config["content"].(string); ok {
		a.add(s, "configs", target, name, func() ([]File, error) {
			text, err := variable.Substitute(content, a.lookup)
			return []File{{Data: []byte(text)}}, err
		})
		return
	}
	if variable, ok := config["environment"].(string); ok {
		a.add(s, "configs", target, name, func() ([]File, error) {
			text, set := a.lookup(variable)
			if !set {
				return nil, fmt.Errorf("config %s needs the variable %s, which is not set", name, variable)
			}
			return []File{{Data: []byte(text)}}, nil
		})
	}
}

func relative(source string) bool {
	return strings.HasPrefix(source, "./") || strings.HasPrefix(source, "../") || source == "." || source == ".."
}

func (a *attaching) found(source string) ([]File, error) {
	source, err := variable.Substitute(source, a.lookup)
	if err != nil {
		return nil, err
	}
	files, err := a.machine.Files(below(a.dir, source), maxDelivered)
	if err == nil && len(files) == 0 {
		err = errEmpty
	}
	return files, err
}

// add delivers what is found, unless something else is at its place already.
func (a *attaching) add(s *stack.Service, key, target, config string, find func() ([]File, error)) {
	if slices.ContainsFunc(s.Delivered, func(d stack.Delivered) bool { return d.Target == target }) {
		return
	}
	files, err := find()
	if err != nil {
		a.problems = append(a.problems, Problem{s.Name, key, err})
		return
	}
	at := fmt.Sprintf("%s%d", stack.MountDir, len(s.Delivered))
	total := 0
	for _, f := range s.Configs {
		total += len(f.Data)
	}
	s.Configs = slices.Clone(s.Configs)
	for _, f := range files {
		total += len(f.Data)
		s.Configs = append(s.Configs, stack.ConfigFile{Path: path.Join(at, f.Path), Data: f.Data, Program: f.Program})
	}
	if total > maxDelivered {
		a.problems = append(a.problems, Problem{s.Name, key, fmt.Errorf("its files have more than %d MiB; put them into the image", maxDelivered>>20)})
	}
	slices.SortFunc(s.Configs, func(x, y stack.ConfigFile) int { return strings.Compare(x.Path, y.Path) })
	s.Delivered = append(slices.Clone(s.Delivered), stack.Delivered{Path: at, Target: target, Config: config})
}

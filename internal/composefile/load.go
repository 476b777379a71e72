// Package composefile reads Compose files that hsectl did not write: it judges them by the controls, and
// adds what is safe to add. It knows no profile and no stack. Loading is the work of compose-go, which reads the files that a file refers to
// (include, extends, env_file); nothing else is read, and nothing remote. All the rest of the package is pure.
package composefile

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"
	"go.yaml.in/yaml/v3"

	"github.com/hsectl/hsectl/internal/composefile/specification"
	"github.com/hsectl/hsectl/internal/composefile/variable"
	"github.com/hsectl/hsectl/internal/lifecycle"
	"github.com/hsectl/hsectl/internal/policy"
)

// Source says what to load.
type Source struct {
	Files     []string          // Compose files, each laid over the ones before it
	Variables map[string]string // values of variables; there are no others
	AsWritten bool              // leave env_file and label_file unread
	Keep      bool              // keep variables where any text may stand; see Project.Kept

	// Read reads a file that was named, or that one refers to. What it refuses ends the load.
	Read func(path string, limit int64) ([]byte, error)
	// Public reports whether a file of variables is as public as the Compose files, so that its values may be shown. nil for none.
	Public func(path string) bool
}

// Project is a Compose project with everything it refers to, and all its profiles on.
type Project struct {
	Name  string
	Unset []string // variables without a value, sorted; texts keep them as written, elsewhere they are empty, or 1 where required
	Blind string   // why env_file or label_file could not be read; empty when they were

	Images lifecycle.Images // what is known of the life of images
	Today  time.Time        // day of the check

	types *types.Project
	*variable.Texts
	catalogue specification.Catalogue
	novel     []specification.Novelty // what is written and this version does not know
	written
}

// reader turns files into a project.
type reader struct {
	catalogue specification.Catalogue
	novel     []specification.Novelty
	unset     []string
	blind     string
	typed     map[string]bool   // texts in which variables must not stay as written; nil where none may
	keeps     *variable.Texts   // keeps variables of other texts; nil where none are kept
	variables map[string]string // all that may be put in, where discreet
	discreet  bool              // files of variables are read whose values are not to be shown
	written
}

// maxFile bounds one Compose file.
const maxFile = 8 << 20

// placeholder stands in for a variable that must be set and is not. It reads as a string, a number and a port.
const placeholder = "1"

// Load reads the files as docker compose would, with every profile on.
func Load(ctx context.Context, from Source) (*Project, error) {
	r := &reader{catalogue: specification.NewCatalogue(), variables: from.Variables}
	if from.Keep {
		r.keeps = variable.NewTexts(from.Variables)
	}
	for _, name := range from.Files {
		data, err := from.Read(name, maxFile)
		if err != nil {
			return nil, fmt.Errorf("reading the Compose file: %w", err)
		}
		if err := r.parse(name, data); err != nil {
			return nil, err
		}
	}
	if err := r.follow(from); err != nil {
		return nil, err
	}
	loaded, err := r.project(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("loading the Compose file: %w", discreetly(err, from.Variables))
	}
	return r.complete(loaded), nil
}

// discreetly returns an error in which the names of variables stand for their values, except for short ones, which are words of
// their own.
func discreetly(err error, variables map[string]string) error {
	const short = 4
	text := err.Error()
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if value := variables[name]; len(value) >= short {
			text = strings.ReplaceAll(text, value, "${"+name+"}")
		}
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

// Environment says where a file is, and what its variables are.
type Environment struct {
	Dir       string            // absolute directory that relative paths begin at; where it is empty they stay relative
	Variables map[string]string // values of the variables that the file names
}

// Read reads one Compose file that is in memory. No other file is read: one that includes or extends another is refused,
// and what is in files of variables and labels is unknown.
func Read(ctx context.Context, name string, data []byte, in Environment) (*Project, error) {
	r := &reader{catalogue: specification.NewCatalogue()}
	if err := r.parse(name, data); err != nil {
		return nil, err
	}
	for _, d := range r.written {
		if err := specification.Bounded(name, d.root); err != nil {
			return nil, err
		}
		if others := references(d.root); len(others) > 0 {
			return nil, fmt.Errorf("reading %s: it includes or extends %s, but must be self-contained", name, others[0].path)
		}
		r.note(d.root)
	}
	files, err := r.files()
	if err != nil {
		return nil, err
	}
	variables := types.Mapping{}
	maps.Copy(variables, in.Variables)
	details := types.ConfigDetails{WorkingDir: cmp.Or(in.Dir, "/"), Environment: variables, ConfigFiles: files}
	loaded, err := r.load(ctx, details, func(o *loader.Options) {
		o.SkipResolveEnvironment, o.SkipResolveLabels, o.SkipInclude, o.ResolvePaths = true, true, true, in.Dir != ""
	})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	r.blind = "the file must be self-contained"
	return r.complete(loaded), nil
}

// parse keeps the documents of a file with the places of what is written.
func (r *reader) parse(name string, data []byte) error {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for n := 0; ; n++ {
		var root yaml.Node
		switch err := decoder.Decode(&root); {
		case errors.Is(err, io.EOF) && n > 0:
			return nil
		case errors.Is(err, io.EOF): // Compose says that it is empty
		case err != nil:
			return fmt.Errorf("reading %s: %w", name, err)
		}
		r.written = append(r.written, document{path: name, root: &root, data: data})
		if root.IsZero() {
			return nil
		}
	}
}

func (r *reader) complete(loaded *types.Project) *Project {
	slices.Sort(r.unset)
	return &Project{Name: loaded.Name, Unset: slices.Compact(r.unset), Blind: r.blind, types: loaded, Texts: r.keeps, catalogue: r.catalogue, novel: r.novel, written: r.written}
}

// project reads files of variables last, so that one that is missing does not hide all the rest.
func (r *reader) project(ctx context.Context, from Source) (*types.Project, error) {
	details, err := r.details(from)
	if err != nil {
		return nil, err
	}
	loaded, err := r.load(ctx, details, func(o *loader.Options) { o.SkipResolveEnvironment, o.SkipResolveLabels = true, true })
	if err != nil || from.AsWritten {
		return loaded, err
	}
	if err := readableFiles(loaded, from); err != nil {
		r.blind = err.Error()
		return loaded, nil
	}
	resolved, err := loaded.WithServicesEnvironmentResolved(false)
	if err == nil {
		resolved, err = resolved.WithServicesLabelsResolved(false)
	}
	if err != nil { // of one of the files, whose text it may show
		r.blind = "one of the files cannot be read"
		return loaded, nil
	}
	return resolved, nil
}

// readableFiles reads the files of variables and labels of all services as Source allows: compose-go reads whatever it is given.
func readableFiles(p *types.Project, from Source) error {
	read := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		s := p.Services[name]
		files := slices.Clone(s.LabelFiles)
		for _, f := range s.EnvFiles {
			files = append(files, f.Path)
		}
		for i, path := range files {
			if read[path] {
				continue
			}
			read[path] = true
			optional := i >= len(s.LabelFiles) && !bool(s.EnvFiles[i-len(s.LabelFiles)].Required)
			data, err := from.Read(path, maxVariables)
			switch {
			case errors.Is(err, fs.ErrNotExist) && optional:
				continue
			case err != nil:
				return err
			case i >= len(s.LabelFiles) && s.EnvFiles[i-len(s.LabelFiles)].Format != "":
				continue
			}
			if _, err := Variables(path, data, from.Variables); err != nil {
				return err
			}
		}
	}
	return nil
}

// details are the files with the variables that were named.
func (r *reader) details(from Source) (types.ConfigDetails, error) {
	out := types.ConfigDetails{Environment: types.Mapping{}}
	if r.keeps != nil { // otherwise compose-go gives a variable without a value that of its name
		if name, ok := from.Variables[nameVariable]; ok {
			out.Environment[nameVariable] = name
		}
	} else {
		maps.Copy(out.Environment, from.Variables)
	}
	var err error
	if out.WorkingDir, err = filepath.Abs(filepath.Dir(from.Files[0])); err != nil {
		return out, err
	}
	if out.ConfigFiles, err = r.files(); err != nil {
		return out, err
	}
	for i, file := range out.ConfigFiles {
		if out.ConfigFiles[i].Filename, err = filepath.Abs(file.Filename); err != nil {
			return out, err
		}
	}
	return out, nil
}

// files are what compose-go gets to read: the files as they are, but for keys that this version does not know, which are noted.
func (r *reader) files() ([]types.ConfigFile, error) {
	var out []types.ConfigFile
	for i, d := range r.written {
		r.written[i].entries = entries(d.root) // not before its size is known to be bounded
		novel := r.catalogue.Novelties(d.root)
		r.novel = append(r.novel, novel...)
		if i == 0 || r.written[i-1].path != d.path { // otherwise another document of the same file
			out = append(out, types.ConfigFile{Filename: d.path, Content: d.data})
		}
		if len(novel) > 0 {
			data, err := r.catalogue.Stripped(d.data)
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", d.path, err)
			}
			out[len(out)-1].Content = data
		}
	}
	return out, nil
}

func (r *reader) load(ctx context.Context, details types.ConfigDetails, more ...func(*loader.Options)) (*types.Project, error) {
	logrus.SetOutput(io.Discard) // compose-go logs what is returned as an error or noted in the project
	options := append([]func(*loader.Options){func(o *loader.Options) {
		o.Profiles = []string{"*"}
		o.ResourceLoaders = append(o.ResourceLoaders, remote{})
		o.Interpolate.Substitute = r.substitute
		if name := details.Environment[nameVariable]; name != "" {
			o.SetProjectName(name, true)
		} else if !r.named() {
			o.SetProjectName(loader.NormalizeProjectName(filepath.Base(details.WorkingDir)), false)
		}
	}}, more...)
	return loader.LoadWithContext(ctx, details, options...)
}

// nameVariable names a project, whatever its file says.
const nameVariable = "COMPOSE_PROJECT_NAME"

// named reports whether one of the files names the project.
func (w written) named() bool {
	return slices.ContainsFunc(w, func(d document) bool {
		if len(d.root.Content) == 0 {
			return false
		}
		_, name := specification.LookUp(d.root.Content[0], "name")
		return name != nil && name.Value != ""
	})
}

// substitute replaces variables. What is not set is noted, and never a reason to stop looking.
func (r *reader) substitute(text string, lookup template.Mapping) (string, error) {
	if strings.Contains(text, "$") && policy.PasswordHash(text) { // parts of it are taken for variables, and are no names to show
		defer func(unset []string) { r.unset = unset }(slices.Clone(r.unset))
	}
	if given := lookup; r.keeps != nil {
		lookup = func(name string) (string, bool) {
			if v, ok := given(name); ok {
				return v, true
			}
			v, ok := r.variables[name]
			return v, ok
		}
	}
	if r.discreet { // compose-go adds the variables of files to those that may be shown
		lookup = func(name string) (string, bool) { v, ok := r.variables[name]; return v, ok }
	}
	if r.keeps != nil && !r.typed[text] && strings.Contains(text, "$") {
		plain := *r
		plain.keeps = nil
		out, err := r.keeps.Keep(text, func(found string) (string, error) { return plain.substitute(found, lookup) })
		r.unset = plain.unset
		return out, err
	}
	options := []template.Option{template.WithoutLogging}
	if r.typed != nil && !r.typed[text] {
		options = append(options, template.WithReplacementFunction(func(found string, lookup template.Mapping, c *template.Config) (string, error) {
			before := len(r.unset)
			out, err := template.DefaultReplacementFunc(found, lookup, c)
			var missing *template.MissingRequiredError
			if errors.As(err, &missing) {
				if _, set := lookup(missing.Variable); !set {
					r.unset = append(r.unset, missing.Variable)
					return found, nil
				}
			}
			if len(r.unset) > before {
				return found, nil
			}
			return out, err
		}))
	}
	stand := map[string]string{}
	mapping := func(name string) (string, bool) {
		if v, ok := lookup(name); ok {
			return v, true
		}
		if v, ok := stand[name]; ok {
			return v, true
		}
		if !provided(text, name) {
			r.unset = append(r.unset, name)
		}
		return "", false
	}
	for {
		out, err := template.SubstituteWithOptions(text, mapping, options...)
		var missing *template.MissingRequiredError
		if !errors.As(err, &missing) || stand[missing.Variable] != "" {
			return out, err
		}
		if _, set := lookup(missing.Variable); set {
			return out, err // set, but empty: nothing can stand in for it
		}
		r.unset = append(r.unset, missing.Variable)
		stand[missing.Variable] = placeholder
	}
}

// provided reports whether a text says itself what an unset variable stands for: ${NAME:-default}, ${NAME-default}, and
// ${NAME:+value} or ${NAME+value}, which mean nothing without it.
func provided(text, name string) bool {
	for _, form := range []string{":-", "-", ":+", "+"} {
		if strings.Contains(text, "${"+name+form) {
			return true
		}
	}
	return false
}

// remote refuses what would have to be fetched.
type remote struct{}

// Accept reports whether a path is not one of this machine.
func (remote) Accept(path string) bool {
	return strings.Contains(path, "://") || strings.HasPrefix(path, "git@") || strings.HasPrefix(path, "oci:")
}

// Load refuses it.
func (remote) Load(_ context.Context, path string) (string, error) {
	return "", fmt.Errorf("%s is not on this machine; hsectl fetches nothing: copy it here and name the copy", path)
}

// Dir is never asked.
func (remote) Dir(path string) string { return path }

// IsCompose tells a Compose file from a profile: it has no apiVersion, and names services, an include or volumes.
func IsCompose(data []byte) bool {
	var top map[string]yaml.Node
	if err := yaml.Unmarshal(data, &top); err != nil {
		return false
	}
	if _, ok := top["apiVersion"]; ok {
		return false
	}
	for _, key := range []string{"services", "include", "version", "jobs"} {
		if _, ok := top[key]; ok {
			return true
		}
	}
	return false
}

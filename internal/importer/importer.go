// Package importer turns Compose files that hsectl did not write, and what their running containers show, into our terms: a
// profile with the differences and the questions that remain, and a stack that a review compares. It is pure.
package importer

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/image/facts"
	"github.com/hsectl/hsectl/internal/policy/images"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/yamldoc"
)

// Draft is a profile made from a Compose project.
type Draft struct {
	Text      []byte
	Presets   map[string]string   // the preset of each service that has one
	Passed    map[string][]string // the keys of each service that are passed through; "" is the stack itself
	Filed     []string            // variables that became secrets, as in the comments: SERVICE: WHAT IS NOW
	Open      []string            // what must be answered before it is rendered, as in the exceptions: SERVICE: QUESTION
	Questions []string            // what else could not be decided, as in the comments: SERVICE: QUESTION
	Problems  []*yamldoc.Problem  // what must be fixed before the profile is valid
}

// Target is what a profile is made for.
type Target struct {
	Dir      string // absolute directory of the profile; paths are written relative to it
	Source   string // name of the Compose file, for comments
	Today    time.Time
	Library  parser.Library
	Observed map[string]Observation // what running containers show, by service; empty without --running
	Excepts  []Except               // further exceptions, each for the time of an import

	Strict   bool                                    // guess what is not known, instead of asking
	Images   map[string]*facts.Facts                 // what the images of services show; none for one that could not be had
	Owner    func(path string) (uid int, known bool) // whose a path of this machine is; nil where that cannot be told
	EnvFiles []string                                // absolute paths of the files that variables had their values from
}

// Except lets a control of a service fail for the time of an import.
type Except struct{ Control, Service, Reason string }

// Question begins a comment that asks.
const Question = "TODO(hsectl): "

// How careful the import is with a service, after problems: a preset; a preset, with colliding volumes as they are; none;
// none, with all volumes as they are.
const (
	noPreset    = 2
	keepVolumes = 3
)

// waiverDays is how long the exceptions of an import last: time to decide, and an end.
const waiverDays = 30

// importer turns one project into one profile.
type importer struct {
	p       *composefile.Project
	t       Target
	caution map[string]int // how little of a service is changed
	draft   *Draft
	extra   map[string]any // keys of the stack that are passed through
	waivers []waiver
	passing []passage
	shared  map[string]string // the user of each volume
	several map[string]bool   // volumes that several containers of a service write
	presets map[string]map[string]any
	files   map[string]fromVariable // secrets that were variables, by name
	within  string                  // the service that passes something through, or "stack"
}

type waiver struct{ control, service, reason, question string }

// Profile turns the project into a profile that says the same, plus the hardening that can be justified. Nothing is
// lost: what has no place is passed through, and what could not be decided is asked in comments.
func Profile(p *composefile.Project, t Target) (Draft, error) {
	caution := map[string]int{}
	for {
		d, err := draft(p, t, caution)
		if err != nil {
			return Draft{}, err
		}
		_, err = parser.Parse(d.Text, parser.Options{File: "hsectl.yaml", Library: t.Library, Unset: func(string) {}})
		d.Problems = yamldoc.Problems(err)
		if !moreCareful(d, caution) {
			return d, nil
		}
	}
}

// moreCareful changes less of every service that has a problem. It is false when nothing is left to try.
func moreCareful(d Draft, caution map[string]int) bool {
	lines := strings.Split(string(d.Text), "\n")
	more := false
	for _, problem := range d.Problems {
		if name := serviceAt(lines, problem.At.Line); name != "" && caution[name] < keepVolumes {
			caution[name]++
			more = true
		}
	}
	return more
}

var serviceLine = regexp.MustCompile(`^  "?([A-Za-z0-9._-]+)"?:`)

// serviceAt returns the service whose text holds a line of a draft.
func serviceAt(lines []string, line int) string {
	for i := min(line, len(lines)) - 1; i >= 0; i-- {
		if m := serviceLine.FindStringSubmatch(lines[i]); m != nil {
			return m[1]
		}
		if lines[i] != "" && lines[i][0] != ' ' && lines[i][0] != '#' {
			return ""
		}
	}
	return ""
}

func draft(p *composefile.Project, t Target, caution map[string]int) (Draft, error) {
	written, err := p.Values()
	if err != nil {
		return Draft{}, err
	}
	i := &importer{p: p, t: t, caution: caution, draft: &Draft{Presets: map[string]string{}, Passed: map[string][]string{}}, extra: written, shared: map[string]string{}, several: map[string]bool{}, presets: map[string]map[string]any{}, files: map[string]fromVariable{}}
	services, _ := written["services"].(map[string]any)
	delete(written, "services")
	delete(written, "name")

	out := newOrdered()
	out.set("apiVersion", profile.APIVersion, "Made from "+t.Source+" by hsectl init. Lines with TODO(hsectl) ask for what the file does not define.")
	out.set("kind", "Profile")
	out.set("name", p.Name)
	if files := i.envFiles(); len(files) > 0 {
		out.set("env_files", flow(files), "Values of variables: those of the environment come first.")
	}
	all := newOrdered()
	for _, s := range p.ServiceConfigs() {
		if raw, ok := services[s.Name].(map[string]any); ok {
			all.set(clean(s.Name), i.service(s, raw))
		}
	}
	if err := i.judgePassed(); err != nil {
		return Draft{}, err
	}
	out.set("services", all)
	i.stack(out)
	data, err := out.bytes()
	if err != nil {
		return Draft{}, err
	}
	i.draft.Text = data
	return *i.draft, nil
}

var unclean = regexp.MustCompile(`[^a-z0-9_-]`)

// clean returns a name that a profile takes; Compose takes capitals and dots, too.
func clean(name string) string {
	out := unclean.ReplaceAllString(strings.ToLower(name), "-")
	return cmp.Or(strings.TrimLeft(out, "-_"), "unnamed")
}

// Name returns the name that a service or a network of a Compose file has in a profile.
func Name(name string) string { return clean(name) }

// ask notes a question and returns the comment that asks it.
func (i *importer) ask(service, format string, args ...any) string {
	question := fmt.Sprintf(format, args...)
	i.draft.Questions = append(i.draft.Questions, service+": "+question)
	return Question + question
}

// waive adds an exception, once.
func (i *importer) waive(control, service, reason string) {
	if !slices.ContainsFunc(i.waivers, func(w waiver) bool { return w.control == control && w.service == service }) {
		i.waivers = append(i.waivers, waiver{control: control, service: service, reason: reason})
	}
}

// open leaves controls as they were, each under an exception that asks.
func (i *importer) open(service, question string, controls ...string) {
	for _, control := range controls {
		if !slices.ContainsFunc(i.waivers, func(w waiver) bool { return w.control == control && w.service == service }) {
			i.waivers = append(i.waivers, waiver{control: control, service: service, question: question})
		}
	}
	if asked := service + ": " + question; !slices.Contains(i.draft.Open, asked) {
		i.draft.Open = append(i.draft.Open, asked)
	}
}

// stack writes what stands next to the services: secrets, networks, volumes, exceptions, and what is passed through.
func (i *importer) stack(out ordered) {
	i.secrets(out)
	i.networks(out)
	i.volumes(out)
	for _, e := range i.t.Excepts {
		i.waive(e.Control, e.Service, "imported: "+e.Reason)
	}
	if len(i.waivers) > 0 {
		list := []any{}
		for _, w := range i.waivers {
			one := newOrdered()
			one.set("control", w.control)
			one.set("service", w.service)
			if w.question != "" {
				one.set("question", w.question)
			} else {
				one.set("reason", w.reason)
			}
			one.set("expires", (&yaml.Node{Kind: yaml.ScalarNode, Value: i.t.Today.AddDate(0, 0, waiverDays).Format(time.DateOnly)}))
			list = append(list, flow(one))
		}
		out.set("exceptions", list, Question+"each of these is a setting of "+i.t.Source+" that is weaker than it should be: fix it, or give the reason why it is needed. A question is answered by that, too")
	}
	if i.within = "stack"; len(i.extra) > 0 {
		out.set("passthrough", i.verbatim(i.extra), "Keys of Compose that have no place in a profile.")
		i.draft.Passed[""] = slices.Sorted(maps.Keys(i.extra))
	}
}

// verbatim returns values as a Compose file has them: dollar signs doubled, and paths below the profile relative to it.
func (i *importer) verbatim(v any) any { return i.verbatimKey("", v) }

// asWritten is a text that is already as a Compose file has it.
type asWritten string

func (i *importer) verbatimKey(key string, v any) any {
	switch v := v.(type) {
	case asWritten:
		return string(v)
	case string:
		if slices.Contains([]string{"source", "path", "file", "env_file", "label_file", "device", "context"}, key) {
			return strings.ReplaceAll(i.mounted(v), "$", "$$")
		}
		if hidden, ok := (discretion{i}).unsaid(key, v); ok {
			return string(hidden)
		}
		return i.p.Written(v)
	case []any:
		out := make([]any, len(v))
		for n, item := range v {
			out[n] = i.verbatimKey(key, item)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, item := range v {
			if key == "additional_contexts" {
				out[k] = strings.ReplaceAll(i.place(fmt.Sprint(item)), "$", "$$")
				continue
			}
			out[k] = i.verbatimKey(k, item)
		}
		return out
	}
	return v
}

// drop takes an empty section out of what is passed through.
func (i *importer) drop(section string, all map[string]any) {
	if len(all) == 0 {
		delete(i.extra, section)
	}
}

func (i *importer) networks(out ordered) {
	all, _ := i.extra["networks"].(map[string]any)
	mine := newOrdered()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		n := i.p.Types().Networks[name]
		options := map[string]any{}
		comment := ""
		switch {
		case bool(n.External):
			options["external"] = true
		case !i.p.Closed(name):
			options["egress"] = true
			comment = i.ask("networks."+name, "does anything on this network need to connect to the outside? If not, write publish: true or {}")
		case !n.Internal:
			options["publish"] = true
		}
		mine.set(clean(name), flow(options), comment)
		rest, _ := all[name].(map[string]any)
		for _, key := range []string{"external", "internal"} {
			delete(rest, key)
		}
		i.unnamed(rest, name)
		delete(all, name)
		if len(rest) > 0 {
			all[clean(name)] = rest
		}
	}
	if len(mine.n.Content) > 0 {
		out.set("networks", mine)
	}
	i.drop("networks", all)
}

// unnamed drops the name that Compose would give anyway, and empty settings.
func (i *importer) unnamed(rest map[string]any, name string) {
	if rest["name"] == i.p.Name+"_"+name && clean(name) == name {
		delete(rest, "name")
	}
	for key, v := range rest {
		if m, ok := v.(map[string]any); v == nil || ok && len(m) == 0 {
			delete(rest, key)
		}
	}
}

func (i *importer) volumes(out ordered) {
	all, _ := i.extra["volumes"].(map[string]any)
	named := slices.Sorted(maps.Keys(all))
	mine := newOrdered()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		rest, _ := all[name].(map[string]any)
		options, comment := map[string]any{}, ""
		if bool(i.p.Types().Volumes[name].External) {
			options["external"] = true
			if _, written := i.shared[name]; written {
				delete(rest, "external")
			}
		}
		if i.several[name] {
			options["shared"] = true
			comment = i.ask("volumes."+name, "may several containers write it at once? %s lets them", i.t.Source)
		}
		if len(options) > 0 {
			mine.set(name, flow(options), comment)
		}
		i.unnamed(rest, name)
		if _, written := i.shared[name]; written && len(rest) == 0 {
			delete(all, name)
		} else {
			all[name] = rest
		}
		if rest == nil {
			all[name] = map[string]any{}
		}
	}
	if len(named) > 0 {
		out.set("volumes", mine, i.ask("volumes", "how is %s backed up? Write NAME: {backup: {to: DIRECTORY}}, or NAME: {ephemeral: why it may be lost}", display.Some(named)))
	}
	i.drop("volumes", all)
}

// presetOf returns the preset for an image, and whether it has a health test, when the library has one that may be used.
func (i *importer) presetOf(service, image string) (name string, values map[string]any) {
	if i.caution[clean(service)] >= noPreset {
		return "", nil
	}
	name = images.Recognise(image)
	if known := images.Lookup(image); known.Runtime && !i.t.Strict {
		return "", nil // what runs in it is not known
	}
	if values, ok := i.presets[name]; ok && name != "" {
		return name, values
	}
	data, ok := i.t.Library.Preset(name)
	if name == "" || !ok {
		return "", nil
	}
	values = map[string]any{}
	if err := yaml.Unmarshal(data, &values); err != nil {
		return "", nil
	}
	i.presets[name] = values
	return name, values
}

// place returns a path of the Compose file as the profile has it: relative to it, also where that leads upwards.
func (i *importer) place(path string) string {
	if !filepath.IsAbs(path) {
		return path
	}
	rel, err := filepath.Rel(i.t.Dir, path)
	if err != nil {
		return path
	}
	if filepath.IsLocal(rel) {
		return "./" + filepath.ToSlash(rel)
	}
	return filepath.ToSlash(rel)
}

// envFiles are the files with values of variables, as the profile has them.
func (i *importer) envFiles() []any {
	var out []any
	for _, file := range i.t.EnvFiles {
		out = append(out, i.place(file))
	}
	return out
}

// mounted returns the path of a file that is mounted or read. One beyond the project keeps its place on the host.
func (i *importer) mounted(path string) string {
	if inside, err := filepath.Rel(i.p.Types().WorkingDir, path); err == nil && filepath.IsAbs(path) && filepath.IsLocal(inside) {
		return i.place(path)
	}
	return relative(i.t.Dir, path)
}

// relative returns a path of this machine as it would be written in a file of dir.
func relative(dir, path string) string {
	if !filepath.IsAbs(path) {
		return path
	}
	rel, err := filepath.Rel(dir, path)
	if err != nil || !filepath.IsLocal(rel) {
		return path
	}
	return "./" + filepath.ToSlash(rel)
}

package importer

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/composefile/resources"
	"github.com/hsectl/hsectl/internal/composefile/variable"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/profiles"
)

var today = time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)

func fromDisk(path string, _ int64) ([]byte, error) { return os.ReadFile(path) }

// callingEnvironment is the environment in which the corpus is read.
var callingEnvironment = map[string]string{"REGION": "north", "BARE": "bare", "CERT": "cert", "FROM_SHELL": "shell", "CONF": "conf"}

// variablesOf are the values for a case of the corpus: the environment over its .env, which git tracks.
func variablesOf(t *testing.T, file string) map[string]string {
	t.Helper()
	path := filepath.Join(filepath.Dir(file), ".env")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return callingEnvironment
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := composefile.Variables(path, data, callingEnvironment)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(out, callingEnvironment)
	return out
}

// corpus returns the Compose files of each case: a file, or a directory with compose.yml and its override.
func corpus(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, pattern := range []string{"../../testdata/compose/*.yml", "../../testdata/compose/*/compose.yml"} {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range matches {
			name := strings.TrimSuffix(filepath.Base(m), ".yml")
			files := []string{m}
			if name == "compose" {
				name = filepath.Base(filepath.Dir(m))
				if override := filepath.Join(filepath.Dir(m), "compose.override.yml"); fileExists(override) {
					files = append(files, override)
				}
			}
			out[name] = files
		}
	}
	if len(out) < 40 {
		t.Fatalf("%d cases", len(out))
	}
	return out
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Every file of the corpus becomes a profile; what that renders is the same project, plus hardening: nothing is lost.
func TestRoundTrip(t *testing.T) {
	for name, files := range corpus(t) {
		for _, strict := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s strict %v", name, strict), func(t *testing.T) { roundTrip(t, files, strict) })
		}
	}
}

func roundTrip(t *testing.T, files []string, strict bool) {
	t.Helper()
	variables := maps.Clone(variablesOf(t, files[0]))
	first, err := composefile.Load(t.Context(), composefile.Source{Files: files, Variables: variables, Read: fromDisk, AsWritten: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range first.Unset { // a secret must be set
		if policy.LooksSecret(policy.Variable{Name: name, Value: "unset"}) {
			variables[name] = "unset"
		}
	}
	before, err := composefile.Load(t.Context(), composefile.Source{Files: files, Variables: variables, Read: fromDisk, AsWritten: true})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs(filepath.Dir(files[0]))
	if err != nil {
		t.Fatal(err)
	}
	target := Target{Dir: dir, Source: filepath.Base(files[0]), Today: today, Library: profiles.Library{}, Strict: strict}
	kept, err := composefile.Load(t.Context(), composefile.Source{Files: files, Variables: variables, Read: fromDisk, AsWritten: true, Keep: true})
	if err != nil {
		t.Fatal(err)
	}
	draft, err := Profile(kept, target)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range draft.Problems {
		t.Errorf("%s (%s)", p.Error(), p.Hint)
	}
	if t.Failed() {
		t.Fatalf("the profile is\n%s", draft.Text)
	}
	after := rendered(t, before, variables, draft, dir)
	compareProjects(t, before, after, strict)
	if t.Failed() {
		t.Logf("the profile is\n%s", draft.Text)
	}
	if strings.Contains(string(draft.Text), "hunter2") {
		t.Error("a secret was copied")
	}
	again, err := Profile(kept, target)
	if err != nil || string(again.Text) != string(draft.Text) {
		t.Errorf("two imports differ, or: %v", err)
	}
}

// rendered loads what the profile renders, with the values that were left where they were.
func rendered(t *testing.T, before *composefile.Project, variables map[string]string, draft Draft, dir string) *composefile.Project {
	t.Helper()
	p, err := parser.Parse(draft.Text, parser.Options{File: "hsectl.yaml", Library: profiles.Library{}, Variables: func(name string) (string, bool) { v, ok := variables[name]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := generate.Compose(stack.New(p), generate.Source{Profile: "hsectl.yaml", BuildRoot: ".", Generator: "hsectl"})
	if err != nil {
		t.Fatal(err)
	}
	environment := maps.Clone(variables)
	for _, s := range before.ServiceConfigs() {
		for name, value := range s.Environment {
			if e := p.Services[clean(s.Name)].Environment[name]; value != nil && e.Required {
				environment[name] = cmp.Or(*value, "unset")
			}
		}
	}
	file := filepath.Join(dir, ".rendered-"+clean(t.Name())+".yml")
	for _, v := range variable.In(string(rendered)) {
		if v.Required() && environment[v.Name] == "" { // it took the place of a value that looks like a secret
			environment[v.Name] = "hidden"
		}
	}
	if err := os.WriteFile(file, rendered, 0o644); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(file)
	after, err := composefile.Load(t.Context(), composefile.Source{Files: []string{file}, Variables: environment, Read: fromDisk, AsWritten: true})
	if err != nil {
		t.Fatalf("%v in\n%s", err, rendered)
	}
	return after
}

// compareProjects wants everything of the one in the other, but for what hardening changes on purpose.
func compareProjects(t *testing.T, before, after *composefile.Project, strict bool) {
	t.Helper()
	old, err := before.Values()
	if err != nil {
		t.Fatal(err)
	}
	now, err := after.Values()
	if err != nil {
		t.Fatal(err)
	}
	if old["name"] != now["name"] {
		t.Errorf("name %v, was %v", now["name"], old["name"])
	}
	services, _ := now["services"].(map[string]any)
	for _, s := range before.ServiceConfigs() {
		was, _ := old["services"].(map[string]any)[s.Name].(map[string]any)
		is, _ := services[clean(s.Name)].(map[string]any)
		softened(before, s.Name, was, is)
		delete(was, "scale") // the same as deploy.replicas, and as nothing where it is one
		if d, ok := was["deploy"].(map[string]any); ok {
			delete(d, "replicas")
		}
		if other := after.Types().Services[clean(s.Name)]; s.GetScale() != other.GetScale() {
			t.Errorf("%s: had %d containers, has %d", s.Name, s.GetScale(), other.GetScale())
		}
		for _, key := range slices.Sorted(maps.Keys(was)) {
			if lost := missing(was[key], is[key]); lost != "" {
				t.Errorf("%s.%s: lost %s; is %v", s.Name, key, lost, is[key])
			}
		}
		limitsKept(t, before, after, s.Name, strict)
	}
	for _, section := range []string{"networks", "volumes", "configs", "models", "x-top", "x-base"} {
		for name, was := range sectionOf(old, section) {
			is := sectionOf(now, section)[name]
			if section == "networks" {
				is = sectionOf(now, section)[clean(name)]
			}
			text, _ := was.(map[string]any)
			if file, _ := is.(map[string]any); section == "configs" && text["content"] != nil && file["file"] != nil {
				delete(text, "content") // it is rendered as a file, which Compose brings into a read-only container, too
			}
			if lost := missing(was, is); lost != "" {
				t.Errorf("%s.%s: lost %s; is %v", section, name, lost, is)
			}
		}
	}
	for name := range sectionOf(old, "secrets") {
		if sectionOf(now, "secrets")[name] == nil {
			t.Errorf("secret %s is lost", name)
		}
	}
}

func sectionOf(p map[string]any, name string) map[string]any {
	m, _ := p[name].(map[string]any)
	return m
}

// softened takes out of the old service what hardening changes, after checking that it did.
func softened(before *composefile.Project, name string, was, is map[string]any) {
	for _, key := range []string{"cap_drop", "read_only", "user", "mem_limit", "memswap_limit", "mem_reservation", "cpus", "cpu_quota", "cpu_period", "pids_limit"} {
		delete(was, key) // judged apart, or replaced by something stronger
	}
	s := before.Types().Services[name]
	for _, key := range []string{"labels", "environment"} {
		all, _ := was[key].(map[string]any)
		for k, v := range all {
			secret := policy.LooksSecret(policy.Variable{Name: k, Value: fmt.Sprint(v)})
			if v == "" || secret && key == "labels" { // it must be set now; secrets stay where they are
				delete(all, k)
			}
		}
	}
	if was["restart"] == "on-failure" {
		was["restart"] = "on-failure:5"
	}
	if was["image"] == nil {
		delete(was, "image")
	}
	for _, key := range []string{"command", "entrypoint"} {
		if was[key] == nil {
			delete(was, key)
		}
	}
	if list, ok := was["security_opt"].([]any); ok {
		was["security_opt"] = slices.DeleteFunc(list, func(o any) bool { return strings.HasPrefix(fmt.Sprint(o), "no-new-privileges") })
	}
	if len(s.CapAdd) > 0 {
		was["cap_add"] = anys(composefile.CapabilityNames(s.CapAdd))
	}
	if h, ok := was["healthcheck"].(map[string]any); ok && h["interval"] == "10s" {
		delete(h, "interval") // raised to the time-out, which the engine lets be longer
	}
	if l, ok := was["ulimits"].(map[string]any); ok {
		delete(l, "core")
		for name, v := range l {
			if both, ok := v.(map[string]any); ok && both["soft"] == both["hard"] {
				if is, ok := is["ulimits"].(map[string]any); ok && fmt.Sprint(is[name]) == fmt.Sprint(both["soft"]) {
					delete(l, name) // one number means both
				}
			}
		}
	}
	if d, ok := was["deploy"].(map[string]any); ok {
		if r, ok := d["resources"].(map[string]any); ok {
			delete(r, "limits")
		}
	}
	movedToFiles(was, is)
	tmpfsByPath(was, is)
	for _, service := range []map[string]any{was, is} {
		for _, port := range asList(service["ports"]) {
			if p, ok := port.(map[string]any); ok && p["host_ip"] == nil {
				p["host_ip"] = "0.0.0.0"
			}
			if p, ok := port.(map[string]any); ok && p["mode"] == nil {
				p["mode"] = "ingress"
			}
		}
		for _, v := range asList(service["volumes"]) {
			if m, ok := v.(map[string]any); ok {
				if b, ok := m["bind"].(map[string]any); ok && m["type"] == "volume" && m["read_only"] == nil {
					delete(b, "selinux") // asked about: the engine labels its own volumes
				}
				Prune(m, "volume")
				Prune(m, "bind")
			}
		}
		for _, v := range asList(service["secrets"]) {
			if m, ok := v.(map[string]any); ok && m["target"] == "/run/secrets/"+fmt.Sprint(m["source"]) {
				delete(m, "target")
			}
		}
	}
	if n, ok := was["networks"].(map[string]any); ok {
		for key, v := range n {
			delete(n, key)
			n[clean(key)] = v
		}
	}
}

// movedToFiles takes out the variables that are read from the file of a secret now, after checking that they can be.
func movedToFiles(was, is map[string]any) {
	old, now := sectionOf(was, "environment"), sectionOf(is, "environment")
	for name := range old {
		for _, use := range asList(is["secrets"]) {
			source, _ := use.(map[string]any)["source"].(string)
			if now[name+"_FILE"] == "/run/secrets/"+source && old[name+"_FILE"] == nil {
				delete(old, name)
			}
		}
	}
}

// tmpfsByPath compares places in memory by their path: how they are written changes.
func tmpfsByPath(was, is map[string]any) {
	var paths []any
	for _, service := range []map[string]any{is, was} {
		paths = nil
		for _, t := range asList(service["tmpfs"]) {
			target, _, _ := strings.Cut(fmt.Sprint(t), ":")
			paths = append(paths, target)
		}
		var volumes []any
		for _, v := range asList(service["volumes"]) {
			if m, ok := v.(map[string]any); ok && m["type"] == "tmpfs" {
				paths = append(paths, m["target"])
				continue
			}
			volumes = append(volumes, v)
		}
		service["tmpfs"], service["volumes"] = paths, volumes
	}
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

// missing returns what of the old value is not in the new one; empty when everything is.
func missing(was, is any) string {
	switch w := was.(type) {
	case nil:
		return ""
	case map[string]any:
		m, ok := is.(map[string]any)
		if !ok && len(w) > 0 {
			return fmt.Sprint(was)
		}
		for k, v := range w {
			if _, has := m[k]; !has && v != nil {
				return fmt.Sprintf("%s: %v", k, v)
			}
			if lost := missing(v, m[k]); lost != "" {
				return k + "." + lost
			}
		}
		return ""
	case []any:
		list := asList(is)
		for _, item := range w {
			if !slices.ContainsFunc(list, func(o any) bool { return missing(item, o) == "" }) {
				return fmt.Sprint(item)
			}
		}
		return ""
	}
	if reflect.DeepEqual(was, is) || fmt.Sprint(was) == fmt.Sprint(is) {
		return ""
	}
	return fmt.Sprint(was)
}

// The comparison itself sees what is lost.
func TestMissing(t *testing.T) {
	old := map[string]any{"a": 1, "b": []any{"x", map[string]any{"c": "d"}}}
	for name, now := range map[string]any{
		"a key": map[string]any{"b": old["b"]}, "a value": map[string]any{"a": 2, "b": old["b"]}, "an item": map[string]any{"a": 1, "b": []any{"x"}},
		"everything": nil, "the inside": map[string]any{"a": 1, "b": []any{"x", map[string]any{"c": "e"}}},
	} {
		if missing(old, now) == "" {
			t.Errorf("%s is lost, and that was not reported", name)
		}
	}
	if lost := missing(old, map[string]any{"a": 1, "b": []any{map[string]any{"c": "d", "more": 1}, "x"}, "z": 1}); lost != "" {
		t.Errorf("lost %s", lost)
	}
}

// limitsKept wants written limits as they were.
func limitsKept(t *testing.T, before, after *composefile.Project, name string, strict bool) {
	t.Helper()
	old, ok := before.Types().Services[name]
	now := after.Types().Services[clean(name)]
	if !ok {
		return
	}
	if m := resources.Memory(old); m > 0 && resources.Memory(now) != m {
		t.Errorf("%s: memory %d, was %d", name, resources.Memory(now), m)
	}
	if c := resources.CPUs(old); c > 0 && fmt.Sprintf("%.3f", resources.CPUs(now)) != fmt.Sprintf("%.3f", c) {
		t.Errorf("%s: cpus %v, was %v", name, resources.CPUs(now), c)
	}
	if n := resources.PIDs(old); n > 0 && resources.PIDs(now) != n {
		t.Errorf("%s: pids %d, was %d", name, resources.PIDs(now), n)
	}
	if strict && (!now.ReadOnly || !slices.Contains(now.CapDrop, "ALL") || !policy.SecurityOptions(now.SecurityOpt).NoNewPrivileges()) {
		t.Errorf("%s is not hardened", name)
	}
}

package author

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/profiles"
)

// Presets lists the presets, or shows one.
func Presets(w io.Writer, args []string, raw bool) error {
	library := profiles.Library{}
	if len(args) == 1 {
		data, ok := library.Preset(args[0])
		if !ok {
			return &app.UsageError{Err: fmt.Errorf("unknown preset %q", args[0]), Hint: "list them with: hsectl presets"}
		}
		if raw {
			_, err := w.Write(data)
			return err
		}
	}
	presets, err := readPresets(library, args)
	if err != nil {
		return err
	}
	if len(args) == 1 {
		presetText(w, presets[0])
		return nil
	}
	return presetList(w, presets)
}

func readPresets(library profiles.Library, names []string) ([]parser.Preset, error) {
	if len(names) == 0 {
		names = library.Presets()
	}
	var out []parser.Preset
	for _, name := range names {
		p, err := parser.ReadPreset(name, library)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

func presetList(w io.Writer, presets []parser.Preset) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range presets {
		purpose, _, _ := strings.Cut(p.Purpose, ": ")
		fmt.Fprintf(table, "%s\t%s\t%s\n", p.Name, p.Service.Image, purpose)
	}
	return table.Flush()
}

func presetText(w io.Writer, p parser.Preset) {
	fmt.Fprintf(w, "%s\n\n%s\n\n", p.Name, wrap(p.Purpose, 100, "  "))
	for _, part := range presetParts(p) {
		for i, text := range part.lines {
			title := part.title
			if i > 0 {
				title = ""
			}
			fmt.Fprintf(w, "  %-13s%s\n", title, strings.TrimLeft(wrap(text, 87, strings.Repeat(" ", 15)), " "))
		}
	}
}

// presetsPage is the reference of all presets.
func presetsPage() ([]byte, error) {
	presets, err := readPresets(profiles.Library{}, nil)
	if err != nil {
		return nil, err
	}
	w := &bytes.Buffer{}
	fmt.Fprint(w, "# Presets\n\nWhat hsectl knows about images. [How presets work](../presets.md).\n\n| preset | image | what it is |\n|---|---|---|\n")
	for _, p := range presets {
		purpose, _, _ := strings.Cut(p.Purpose, ": ")
		fmt.Fprintf(w, "| [%s](#%s) | `%s` | %s |\n", p.Name, p.Name, p.Service.Image, purpose)
	}
	for _, p := range presets {
		fmt.Fprintf(w, "\n## %s\n\n%s.\n\n", p.Name, p.Purpose)
		for _, part := range presetParts(p) {
			markdownPart(w, part)
		}
	}
	return w.Bytes(), nil
}

func markdownPart(w io.Writer, part part) {
	quote := func(text string) string {
		if part.code {
			return "`" + text + "`"
		}
		return text
	}
	if len(part.lines) == 1 {
		fmt.Fprintf(w, "- **%s**: %s\n", part.title, quote(part.lines[0]))
		return
	}
	fmt.Fprintf(w, "- **%s**:\n", part.title)
	for _, text := range part.lines {
		fmt.Fprintf(w, "  - %s\n", quote(text))
	}
}

// wrap breaks text into lines of at most width, each after the indent.
func wrap(text string, width int, indent string) string {
	var lines []string
	current := ""
	for _, word := range strings.Fields(text) {
		if current != "" && len(current)+1+len(word) > width {
			lines = append(lines, indent+current)
			current = ""
		}
		current = strings.TrimLeft(current+" "+word, " ")
	}
	return strings.Join(append(lines, indent+current), "\n")
}

// part is one subject of a preset, for text and for Markdown.
type part struct {
	title string
	lines []string
	code  bool // the lines are code
}

// presetParts returns the settings of a preset, in the order in which a reviewer reads them.
func presetParts(p parser.Preset) []part {
	s := p.Service
	parts := []part{
		{"image", []string{s.Image}, true},
		{"user", []string{userLine(s)}, false},
		{"writable", writableLines(s), false},
		{"capabilities", capabilityLines(s), false},
		{"health", []string{healthTest(s)}, true},
		{"tested", []string{healthTimes(s)}, false},
		{"stop", []string{fmt.Sprintf("%s, then %s of grace", s.Shutdown.Signal, s.Shutdown.Grace)}, false},
		{"limits", []string{limitLine(s)}, false},
		{"containers", []string{singleLine(s)}, false},
		{"tuning", formulaLines(p), true},
		{"command", []string{strings.Join(s.Command, " ")}, true},
		{"environment", environmentLines(p), true},
		{"secrets", secretLines(s), false},
		{"breaks", s.Notes, false},
		{"facts", []string{p.Facts}, false},
	}
	return slices.DeleteFunc(parts, func(p part) bool { return len(p.lines) == 0 || p.lines[0] == "" })
}

func userLine(s profile.Service) string {
	out := s.User.String()
	if s.Hostname != "" {
		out += ", on a fixed host name"
	}
	if s.Init != nil && *s.Init {
		out += ", below the engine's init"
	}
	return out
}

func writableLines(s profile.Service) []string {
	if len(s.Writable) == 0 {
		return []string{"nothing"}
	}
	var out []string
	for _, w := range s.Writable {
		kind := "volume"
		if w.Volume == "" {
			kind = "tmpfs of " + w.Tmpfs.String()
		}
		if w.Exec {
			kind += ", programs may run"
		}
		out = append(out, fmt.Sprintf("%s (%s, %s): %s", w.Path, kind, w.Mode, w.Why))
	}
	return out
}

func capabilityLines(s profile.Service) []string {
	if len(s.Capabilities) == 0 {
		return []string{"none"}
	}
	var out []string
	for _, c := range s.Capabilities {
		out = append(out, c.Name+": "+c.Reason)
	}
	return out
}

// healthTest returns the command of the test, or nothing when the image has none of its own.
func healthTest(s profile.Service) string {
	command, probed := s.ProbeCommand()
	switch {
	case s.Health.Shell != "":
		return s.Health.Shell
	case probed:
		return strings.Join(command, " ")
	}
	return strings.Join(s.Health.Command, " ")
}

func healthTimes(s profile.Service) string {
	h := s.Health
	switch {
	case h.None != "":
		return "not at all: " + h.None
	case healthTest(s) == "" && s.Probes != nil:
		return "as you declare, such as health: {http: {port: 8080, path: /health}}; the preset knows the tool"
	case healthTest(s) == "":
		return "as you declare: health.command"
	}
	return fmt.Sprintf("every %s, at most %s, unhealthy after %d failures, %s to start", h.Interval, h.Timeout, h.Retries, h.StartPeriod)
}

func limitLine(s profile.Service) string {
	out := fmt.Sprintf("%s cpus, %s memory, %d processes, %d open files", s.Limits.CPUs, s.Limits.Memory, s.Limits.PIDs, s.OpenFiles)
	if s.Reservations.Memory.N > 0 {
		out += fmt.Sprintf("; %s memory reserved", s.Reservations.Memory)
	}
	return out
}

// singleLine returns why a service is limited to one container, or nothing when it may have several.
func singleLine(s profile.Service) string {
	if s.Single == "" {
		return ""
	}
	return "one: " + s.Single
}

// formulaLines leaves out the names that only repeat the service's.
func formulaLines(p parser.Preset) []string {
	var out []string
	for _, f := range p.Formulas {
		if strings.HasSuffix(f.Path, ".volume") || f.Path == "hostname" {
			continue
		}
		out = append(out, fmt.Sprintf("%s: %s = %s", f.Path, f.Text, f.Value))
	}
	return out
}

func environmentLines(p parser.Preset) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p.Service.Environment)) {
		out = append(out, name+"="+string(p.Service.Environment[name].Value))
	}
	return out
}

func secretLines(s profile.Service) []string {
	out := []string{"no variable names a file"}
	if len(s.SecretFiles) > 0 {
		out = []string{"files named by " + strings.Join(s.SecretFiles, ", ")}
	}
	for _, f := range s.FirstStart {
		about := "first_start: " + f.Name
		if len(f.Env) > 0 {
			about = strings.Join(f.Env, ", ")
		}
		what := "deploy refuses another value"
		if f.Change != "" {
			what = "deploy changes it in the program"
		}
		out = append(out, "read at the first start only: "+about+"; "+what)
	}
	return out
}

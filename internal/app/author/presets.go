package author

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/profiles"
)

// Presets lists the presets, or shows what one knows about its image.
func Presets(w io.Writer, args []string, raw bool) error {
	library := profiles.Library{}
	if len(args) == 1 {
		data, ok := library.Preset(args[0])
		if !ok {
			return &app.UsageError{Err: fmt.Errorf("there is no preset %q", args[0]), Hint: "list them with: hsectl presets"}
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

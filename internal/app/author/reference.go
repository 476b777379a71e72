package author

import (
	"fmt"
	"strings"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
	"github.com/hsectl/hsectl/internal/profile/validation"
)

// Reference returns the reference pages, made from the tables and types that the program itself uses.
func Reference() ([]generate.File, error) {
	schema, err := validation.Schema()
	if err != nil {
		return nil, err
	}
	presets, err := presetsPage()
	if err != nil {
		return nil, err
	}
	return []generate.File{
		{Path: "controls.md", Data: controlsPage()}, {Path: "profile.md", Data: profilePage()},
		{Path: "presets.md", Data: presets}, {Path: "profile.schema.json", Data: schema},
	}, nil
}

func controlsPage() []byte {
	var b strings.Builder
	b.WriteString("# Controls\n\nOne table of controls judges the rendered stack and the running containers. CIS numbers are those of docker-bench-security, which\nimplements CIS Docker Benchmark 1.6.0.\n")
	for _, c := range controls.Catalogue() {
		fmt.Fprintf(&b, "\n## %s — %s\n\n*%s; %s.* %s\n\n- **Fix:** %s\n- **See:** %s\n", c.ID, c.Title, c.Severity, "judged "+judgedBy(c), c.Rationale, c.Remedy, strings.Join(c.References, ", "))
	}
	return []byte(b.String())
}

func profilePage() []byte {
	var b strings.Builder
	b.WriteString("# The profile\n\nEvery key. `NAME` stands for any name, `[]` for an entry of a list. What a service does not set comes from the stack's\n`defaults`, then from its preset, then from the built-in baseline. [profile.schema.json](profile.schema.json) says the same to editors.\n\n| key | type | what it is |\n|---|---|---|\n")
	for _, k := range validation.Describe() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.Path, k.Type, strings.ReplaceAll(k.Doc, "|", "\\|"))
	}
	return []byte(b.String())
}

func explainControl(s app.Streams, c policy.Control) {
	fmt.Fprintf(s.Out, "%s  %s (%s)\n\n", c.ID, c.Title, c.Severity)
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(s.Out, "  %-8s %s\n", name, text)
		}
	}
	line("why", c.Rationale)
	line("fix", c.Remedy)
	line("judged", judgedBy(c))
	if c.Key != "" {
		line("profile", "services.NAME."+c.Key)
	}
	line("see", strings.Join(c.References, ", "))
}

func judgedBy(c policy.Control) string {
	switch {
	case c.By != "":
		return "by hsectl " + c.By
	case c.Deep:
		return "by hsectl verify --deep, on a throw-away copy of the container"
	case c.Runtime:
		return "by hsectl verify, on the running container"
	case c.Static:
		return "by hsectl lint, on the files"
	}
	return "by hsectl lint on the rendered stack, and by hsectl verify on the running container"
}

// Controls lists the controls, or explains one.
func Controls(s app.Streams, args []string) error {
	for _, c := range controls.Catalogue() {
		switch {
		case len(args) == 0:
			fmt.Fprintf(s.Out, "%-12s %-9s %s\n", c.ID, c.Severity, c.Title)
		case strings.EqualFold(c.ID, args[0]):
			explainControl(s, c)
			return nil
		}
	}
	if len(args) > 0 {
		return &app.UsageError{Err: fmt.Errorf("unknown control %q", args[0]), Hint: "list them with: hsectl controls"}
	}
	return nil
}

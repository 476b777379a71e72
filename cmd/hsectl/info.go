package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
	"github.com/hsectl/hsectl/internal/verify"
)

func newVersion(s app.Streams) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  hsectl version",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintf(s.Out, "hsectl %s %s/%s %s\n", app.Version(), runtime.GOOS, runtime.GOARCH, runtime.Version())
			return nil
		},
	}
}

func newControls(s app.Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "controls [ID]",
		Short: "List the controls, or explain one",
		Example: `  hsectl controls
  hsectl controls HSE-FS-001`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
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
				return &app.UsageError{Err: fmt.Errorf("there is no control %q", args[0]), Hint: "list them with: hsectl controls"}
			}
			return nil
		},
	}
}

func explainControl(s app.Streams, c policy.Control) {
	fmt.Fprintf(s.Out, "%s  %s (%s)\n\n", c.ID, c.Title, c.Severity)
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(s.Out, "  %-8s %s\n", name, text)
		}
	}
	line("why", c.Rationale)
	line("mend", c.Remedy)
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
		return "by hsectl lint, on what is written"
	}
	return "by hsectl lint on the rendered stack, and by hsectl verify on the running container"
}

// newProbeMachine is what runs inside a probe that looks at all containers of a machine.
func newProbeMachine(s app.Streams) *cobra.Command {
	return &cobra.Command{
		Use:    "probe-machine",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var subjects []verify.Subject
			if err := json.NewDecoder(s.In).Decode(&subjects); err != nil {
				return fmt.Errorf("reading the request: %w", err)
			}
			return host.Survey(cmd.Context(), subjects, json.NewEncoder(s.Out).Encode)
		},
	}
}

// newProbeContainer is what runs inside probes; people have no use for it.
func newProbeContainer(s app.Streams) *cobra.Command {
	return &cobra.Command{
		Use:    "probe-container REQUEST",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var r verify.Request
			if err := json.Unmarshal([]byte(args[0]), &r); err != nil {
				return fmt.Errorf("reading the request: %w", err)
			}
			if r.Take > 0 {
				lines := json.NewEncoder(s.Out)
				return host.TakeMemory(cmd.Context(), r.Take, func(t verify.Taken) error { return lines.Encode(t) })
			}
			if r.Ask != nil {
				answer := host.Ask(cmd.Context(), *r.Ask)
				return json.NewEncoder(s.Out).Encode(verify.Dump{Answer: &answer})
			}
			return json.NewEncoder(s.Out).Encode(host.Probe("/", r))
		},
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/verify"
)

func newVersion(s streams) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  hsectl version",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintf(s.Out, "hsectl %s %s/%s %s\n", version(), runtime.GOOS, runtime.GOARCH, runtime.Version())
			return nil
		},
	}
}

// version is what the Go toolchain recorded: the module's version for a release, the revision for a build from source.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func newControls(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "controls [ID]",
		Short: "List the controls, or explain one",
		Example: `  hsectl controls
  hsectl controls HSE-FS-001`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			for _, c := range policy.Controls() {
				if len(args) == 0 {
					fmt.Fprintf(s.Out, "%-12s %-9s %s\n", c.ID, c.Severity, c.Title)
				} else if strings.EqualFold(c.ID, args[0]) {
					fmt.Fprintf(s.Out, "%s  %s (%s)\n\n  why      %s\n  mend     %s\n  see      %s\n", c.ID, c.Title, c.Severity, c.Rationale, c.Remedy, strings.Join(c.References, ", "))
					return nil
				}
			}
			if len(args) > 0 {
				return &usageError{fmt.Errorf("there is no control %q", args[0]), "list them with: hsectl controls"}
			}
			return nil
		},
	}
}

// newProbeContainer is what runs inside probes; people have no use for it.
func newProbeContainer(s streams) *cobra.Command {
	return &cobra.Command{
		Use:    "probe-container REQUEST",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var r verify.Request
			if err := json.Unmarshal([]byte(args[0]), &r); err != nil {
				return fmt.Errorf("reading the request: %w", err)
			}
			return json.NewEncoder(s.Out).Encode(host.Probe("/", r))
		},
	}
}

package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/report"
)

// stackFlag lets a verb name the stack where the profile is not at hand.
func stackFlag(g *app.Settings, cmd *cobra.Command) {
	cmd.Flags().StringVar(&g.Stack, "stack", "", "name of the stack; no profile is read")
}

// reportFlags are those of every verb that reports findings.
func reportFlags(o *app.ReportOptions, cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.Format, "format", "text", strings.Join(report.Formats(), ", "))
	cmd.Flags().BoolVarP(&o.All, "all", "a", false, "list every control, also those that hold")
	cmd.Flags().StringVar(&o.Since, "since", "", "an earlier report in JSON, to show what changed")
}

// formatFlag is for verbs that print either a table for people or JSON. Verbs that report findings have reportOptions.
func formatFlag(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", "text", "text or json")
}

package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/report"
)

// stackFlag adds --stack, for verbs that can run without a profile.
func stackFlag(g *app.Settings, cmd *cobra.Command) {
	cmd.Flags().StringVar(&g.Stack, "stack", "", "name of the stack; the profile is not read")
}

// reportFlags adds the flags of every verb that reports findings.
func reportFlags(o *app.ReportOptions, cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.Format, "format", "text", strings.Join(report.Formats(), ", "))
	cmd.Flags().BoolVarP(&o.All, "all", "a", false, "list every control, including those that hold")
	cmd.Flags().StringVar(&o.Since, "since", "", "earlier report in JSON, to show what changed")
}

// formatFlag adds --format to verbs that print a table or JSON. Verbs that report findings use reportFlags.
func formatFlag(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", "text", "text or json")
}

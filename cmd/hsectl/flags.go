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

// inputFlags adds the flags of every verb that judges files of others: what it may read beyond them.
func inputFlags(in *app.Inputs, cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&in.EnvFrom, "env-from", nil, "variables of this machine that the files may use; no other one is read")
	f.StringArrayVar(&in.EnvFiles, "env-file", nil, "file with variables that the files may use (default: .env next to a Compose file, where git tracks it)")
	f.BoolVar(&in.AllowOutside, "allow-outside", false, "also read files outside the repository, or the directory, of the file")
}

// formatFlag adds --format to verbs that print a table or JSON. Verbs that report findings use reportFlags.
func formatFlag(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", "text", "text or json")
}

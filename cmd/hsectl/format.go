package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// formatFlag is for verbs that print either a table for people or JSON. Verbs that report findings have reportOptions.
func formatFlag(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", "text", "text or json")
}

// checkFormat finds a wrong format before anything is done.
func checkFormat(format string) error {
	if format != "text" && format != "json" {
		return &usageError{fmt.Errorf("there is no format %q", format), "write --format text or --format json"}
	}
	return nil
}

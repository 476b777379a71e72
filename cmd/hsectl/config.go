package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/hsectl/hsectl/internal/app"
)

// configure sets every flag that is not on the command line from HSECTL_NAME or from .hsectl.yaml, in that order. Only this
// function uses viper.
func configure(cmd *cobra.Command) error {
	v := viper.New()
	v.SetEnvPrefix("HSECTL")
	v.SetEnvKeyReplacer(strings.NewReplacer("-", "_"))
	v.AutomaticEnv()
	v.SetConfigFile(".hsectl.yaml")
	if err := v.ReadInConfig(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &app.UsageError{Err: fmt.Errorf("reading .hsectl.yaml: %w", err), Hint: "use the long names of flags as keys, such as: file: profiles/web.yaml"}
	}
	known := map[string]bool{}
	cmd.Root().PersistentFlags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
	collect(cmd.Root(), known)
	for key := range v.AllSettings() {
		if !known[key] {
			return &app.UsageError{Err: fmt.Errorf("reading .hsectl.yaml: unknown flag %q", key), Hint: "use the long names of flags as keys, such as: file: profiles/web.yaml"}
		}
	}
	var bad error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || !v.IsSet(f.Name) || bad != nil {
			return
		}
		if v.InConfig(f.Name) && slices.Contains(trusted(), f.Name) {
			bad = &app.UsageError{Err: fmt.Errorf("reading .hsectl.yaml: it cannot set --%s", f.Name), Hint: "give the flag, or export HSECTL_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_")) + ": a file that is judged must not choose what of this machine is read"}
			return
		}
		for _, value := range settings(v, f) {
			if err := cmd.Flags().Set(f.Name, value); err != nil {
				bad = &app.UsageError{Err: fmt.Errorf("setting --%s from the configuration: %w", f.Name, err)}
			}
		}
	})
	return bad
}

// trusted are the flags that only the caller sets: .hsectl.yaml may come with the change that is judged.
func trusted() []string { return []string{"env-from", "env-file", "allow-outside"} }

// collect adds the names of the flags of a command and its subcommands to known.
func collect(cmd *cobra.Command, known map[string]bool) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
	for _, sub := range cmd.Commands() {
		collect(sub, known)
	}
}

// settings returns the values of a flag: several when the file has a list, otherwise one.
func settings(v *viper.Viper, f *pflag.Flag) []string {
	if _, many := v.Get(f.Name).([]any); many {
		return v.GetStringSlice(f.Name)
	}
	return []string{v.GetString(f.Name)}
}

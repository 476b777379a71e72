package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/secret"
	"github.com/hsectl/hsectl/internal/stack"
)

func newSecrets(g *app.Settings, s app.Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secrets",
		Short: "List the stack's secrets, and make new values for those kept in the repository",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSecretsList(g, s), newSecretsGenerate(g, s), newSecretsRotate(g, s))
	return cmd
}

func newSecretsList(g *app.Settings, s app.Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Show where each secret comes from, who reads it, and whether its value is at hand",
		Long:  `List shows no value. A value that is not at hand makes it exit with 3.`,
		Example: `  hsectl secrets list
  HSECTL_AGE_IDENTITY=~/.config/age/key.txt hsectl secrets list`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := app.Load(g.File)
			if err != nil {
				return err
			}
			return listSecrets(cmd.Context(), g, s, l)
		},
	}
}

func listSecrets(ctx context.Context, g *app.Settings, s app.Streams, l app.Loaded) error {
	v := app.Vault{Dir: l.Dir(), Identity: g.Identity}
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SECRET\tSOURCE\tREAD BY\tVALUE")
	good := true
	for _, from := range l.Stack.Secrets {
		state := "at hand"
		if from.From == "" {
			if _, err := v.Value(ctx, from); err != nil {
				good, state = false, strings.TrimLeft(err.Error(), ": ")
			}
		} else {
			state = "made from " + from.From
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", from.Name, from.Source(), strings.Join(readers(l.Stack, from.Name), ", "), state)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if !good {
		return app.ErrFindings
	}
	return nil
}

// readers are the services that read a secret; changing it replaces these, and no other.
func readers(in stack.Stack, name string) []string {
	var out []string
	for _, s := range in.Services {
		if slices.ContainsFunc(s.Secrets, func(use stack.SecretFile) bool { return use.Name == name }) {
			out = append(out, s.Name)
		}
	}
	return out
}

func newSecretsGenerate(g *app.Settings, s app.Streams) *cobra.Command {
	var recipients []string
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Make values for the age-encrypted secrets that have no file yet",
		Long: `Generate writes a random value of 128 bits into each age file that the profile names and that does not exist. It is
encrypted for the recipients, or for the identity itself. No value is printed, and none is written in the clear.`,
		Example: `  age-keygen -o ~/key.txt
  hsectl secrets generate --age-identity ~/key.txt
  hsectl secrets generate --recipient age1… --recipient age1…`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			l, err := app.Load(g.File)
			if err != nil {
				return err
			}
			v := app.Vault{Dir: l.Dir(), Identity: g.Identity}
			for _, from := range l.Stack.Secrets {
				if from.Age == "" {
					continue
				}
				if _, err := host.ReadFile(v.Path(from.Age), 1); !errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if err := renew(v, s, from, recipients); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringSliceVarP(&recipients, "recipient", "r", nil, "public key that can decrypt the value; the identity's own unless given")
	return cmd
}

func newSecretsRotate(g *app.Settings, s app.Streams) *cobra.Command {
	var recipients []string
	var o deployOptions
	cmd := &cobra.Command{
		Use:   "rotate SECRET...",
		Short: "Give age-encrypted and generated secrets a new random value",
		Long: `Rotate writes a new random value into the age file of a secret; the next deploy delivers it. The value of a secret
that is generated is on the engine only: for such a one rotate deploys at once. Either way the services that read it are
replaced, and no other, and rollback brings the old value back.`,
		Example: `  hsectl secrets rotate session_key && hsectl deploy   # session_key: {age: …}
  hsectl secrets rotate queue_password                 # queue_password: {generate: true}`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := app.Load(g.File)
			if err != nil {
				return err
			}
			v := app.Vault{Dir: l.Dir(), Identity: g.Identity}
			var chosen []stack.Secret
			for _, name := range args {
				i := slices.IndexFunc(l.Stack.Secrets, func(from stack.Secret) bool { return from.Name == name })
				switch {
				case i < 0:
					return &app.UsageError{Err: fmt.Errorf("there is no secret %q", name), Hint: "list them with: hsectl secrets list"}
				case l.Stack.Secrets[i].Generate:
					o.rotate = append(o.rotate, name)
					continue
				case l.Stack.Secrets[i].Age == "":
					return &app.UsageError{Err: fmt.Errorf("secret %s comes from %s", name, l.Stack.Secrets[i].Source()), Hint: "change it there, and deploy"}
				}
				chosen = append(chosen, l.Stack.Secrets[i])
			}
			for _, from := range chosen {
				if err := renew(v, s, from, recipients); err != nil {
					return err
				}
				s.Say("the next deploy replaces: %s", strings.Join(readers(l.Stack, from.Name), ", "))
			}
			if len(o.rotate) == 0 {
				return nil
			}
			return runDeploy(cmd.Context(), g, s, o)
		},
	}
	o.session.flags(cmd)
	formatFlag(cmd, &o.format)
	cmd.Flags().StringSliceVarP(&recipients, "recipient", "r", nil, "public key that can decrypt the value; the identity's own unless given")
	return cmd
}

// renew writes a new random value into the age file of a secret.
func renew(v app.Vault, s app.Streams, from stack.Secret, recipients []string) error {
	if len(recipients) == 0 {
		identities, err := v.Identities()
		if err == nil {
			recipients, err = secret.Recipients(identities)
		}
		if err != nil {
			return &app.UsageError{Err: fmt.Errorf("encrypting secret %s: %w", from.Name, err), Hint: "name a --recipient, or an --age-identity"}
		}
	}
	file, err := secret.Encrypt(secret.New(), recipients)
	if err != nil {
		return &app.UsageError{Err: err, Hint: "a recipient begins with age1"}
	}
	path := v.Path(from.Age)
	if err := host.WriteTree(filepath.Dir(path), []generate.File{{Path: filepath.Base(path), Data: file}}); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "%s\t%s\n", from.Name, path)
	return nil
}

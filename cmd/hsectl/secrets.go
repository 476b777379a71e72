package main

import (
	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/release"
)

func newSecrets(g *app.Settings, s app.Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secrets",
		Short: "List the stack's secrets, and generate values for those encrypted in the repository",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSecretsList(g, s), newSecretsGenerate(g, s), newSecretsRotate(g, s))
	return cmd
}

func newSecretsList(g *app.Settings, s app.Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Show the source of each secret, the services that read it, and whether its value is available",
		Long:  `List never prints a value. Exit 3 when a value is not available.`,
		Example: `  hsectl secrets list
  HSECTL_AGE_IDENTITY=~/.config/age/key.txt hsectl secrets list`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return release.ListSecrets(cmd.Context(), g, s)
		},
	}
}

func newSecretsGenerate(g *app.Settings, s app.Streams) *cobra.Command {
	var recipients []string
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Generate values for the age-encrypted secrets that have no file yet",
		Long: `Generate writes a random value of 128 bits into each age file that the profile names and that does not exist. It is
encrypted for the recipients, or for the identity itself. Values are never printed or stored unencrypted.`,
		Example: `  age-keygen -o ~/key.txt
  hsectl secrets generate --age-identity ~/key.txt
  hsectl secrets generate --recipient age1… --recipient age1…`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return release.GenerateSecrets(g, s, recipients)
		},
	}
	cmd.Flags().StringSliceVarP(&recipients, "recipient", "r", nil, "public key whose owner can decrypt the value (default: the identity's own)")
	return cmd
}

func newSecretsRotate(g *app.Settings, s app.Streams) *cobra.Command {
	var recipients []string
	var o release.DeployOptions
	cmd := &cobra.Command{
		Use:   "rotate SECRET...",
		Short: "Give age-encrypted and generated secrets a new random value",
		Long: `Rotate writes a new random value into the age file of a secret; the next deploy delivers it. A generated secret exists
only on the engine, so rotate deploys it immediately. In both cases only the services that read the secret are replaced,
and rollback restores the old value. Where a program reads the secret at its first start only, as databases do, deploy changes
it in the program first, and proves with logins that the new value works and the former one is refused.`,
		Example: `  hsectl secrets rotate session_key && hsectl deploy   # session_key: {age: …}
  hsectl secrets rotate queue_password                 # queue_password: {generate: true}`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return release.RotateSecrets(cmd.Context(), g, s, o, args, recipients)
		},
	}
	sessionFlags(&o.Session, cmd)
	formatFlag(cmd, &o.Format)
	cmd.Flags().StringSliceVarP(&recipients, "recipient", "r", nil, "public key whose owner can decrypt the value (default: the identity's own)")
	return cmd
}

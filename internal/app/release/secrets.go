package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/secret"
	"github.com/hsectl/hsectl/internal/stack"
)

func listSecrets(ctx context.Context, g *app.Settings, s app.Streams, l app.Loaded) error {
	v := app.Vault{Dir: l.Dir(), Identity: g.Identity}
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SECRET\tSOURCE\tREAD BY\tVALUE")
	good := true
	for _, from := range l.Stack.Secrets {
		state := "available"
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
	if err := host.Rewrite(path, file); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "%s\t%s\n", from.Name, path)
	return nil
}

// ListSecrets shows where each secret comes from, and whether its value is at hand.
func ListSecrets(ctx context.Context, g *app.Settings, s app.Streams) error {
	l, err := app.Load(g.File)
	if err != nil {
		return err
	}
	return listSecrets(ctx, g, s, l)
}

// GenerateSecrets makes values for the encrypted secrets that have no file yet.
func GenerateSecrets(g *app.Settings, s app.Streams, recipients []string) error {
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
}

// RotateSecrets gives secrets a new random value, and deploys those that only the engine keeps.
func RotateSecrets(ctx context.Context, g *app.Settings, s app.Streams, o DeployOptions, names, recipients []string) error {
	l, err := app.Load(g.File)
	if err != nil {
		return err
	}
	v := app.Vault{Dir: l.Dir(), Identity: g.Identity}
	var chosen []stack.Secret
	for _, name := range names {
		i := slices.IndexFunc(l.Stack.Secrets, func(from stack.Secret) bool { return from.Name == name })
		switch {
		case i < 0:
			return &app.UsageError{Err: fmt.Errorf("secret %q not found", name), Hint: "list them with: hsectl secrets list"}
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
	return Deploy(ctx, g, s, o)
}

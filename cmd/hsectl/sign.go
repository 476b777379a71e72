package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/image/lock"
	"github.com/hsectl/hsectl/internal/image/signature"
	"github.com/hsectl/hsectl/internal/secret"
)

type signOptions struct {
	key       signingKey
	newKey    string
	check     bool
	predicate string
	content   string
	services  []string
}

// signingKey says where the private key is, and its password.
type signingKey struct {
	path, password string
	tag            bool
}

func (k *signingKey) flags(cmd *cobra.Command, name string) {
	cmd.Flags().StringVar(&k.path, name, "", "private key in PEM form, as cosign, openssl or hsectl sign --new-key writes it")
	cmd.Flags().StringVar(&k.password, "password-file", "", "file with the password of the key; COSIGN_PASSWORD unless written")
	cmd.Flags().BoolVar(&k.tag, "signature-tag", false, "sign in cosign's older form, at a tag beside the image")
}

func newSign(g *app.Settings, s app.Streams) *cobra.Command {
	var o signOptions
	cmd := &cobra.Command{
		Use:   "sign [SERVICE...]",
		Short: "Sign the images that were built, or verify who signed all of them",
		Long: `Sign puts a signature beside an image in its registry: a sigstore bundle that refers to the digest in the lock, which
cosign verifies, too. Without services, those that the profile builds are signed. An image that is in no registry
cannot be signed: push and lock it first.

With --check nothing is signed. Instead every image is verified as supply_chain.signatures asks, as deploy does.`,
		Example: `  hsectl sign --new-key release              # writes release.key and release.pub
  hsectl build --push && hsectl lock --update app && hsectl sign --key release.key
  hsectl sign --key release.key --predicate https://example.com/review/v1 --content review.json
  hsectl sign --check                        # exit 3 when an image is not signed as the profile asks`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.services = args
			return runSign(cmd.Context(), g, s, o)
		},
	}
	o.key.flags(cmd, "key")
	cmd.Flags().StringVar(&o.newKey, "new-key", "", "make a key pair: NAME.key and NAME.pub")
	cmd.Flags().BoolVar(&o.check, "check", false, "sign nothing; verify what the profile asks for")
	cmd.Flags().StringVar(&o.predicate, "predicate", "", "attest a statement of this type instead of signing")
	cmd.Flags().StringVar(&o.content, "content", "", "JSON file with what the statement says")
	cmd.MarkFlagsMutuallyExclusive("key", "new-key", "check")
	cmd.MarkFlagsOneRequired("key", "new-key", "check")
	return cmd
}

func runSign(ctx context.Context, g *app.Settings, s app.Streams, o signOptions) error {
	if o.newKey != "" {
		return makeKey(s, o)
	}
	l, err := app.Load(g.File)
	if err != nil {
		return err
	}
	for _, name := range o.services {
		if _, ok := l.Stack.Service(name); !ok {
			return &app.UsageError{Err: fmt.Errorf("there is no service %q in %s", name, l.Path)}
		}
	}
	locked, err := app.ReadLock(l)
	if err != nil {
		return err
	}
	l.Locked = locked
	if o.check {
		return checkSignatures(ctx, g, s, l, locked, o.services)
	}
	key, err := o.key.read()
	if err != nil {
		return err
	}
	content, err := o.statement()
	if err != nil {
		return err
	}
	signed := 0
	for _, service := range l.Stack.Services {
		if len(o.services) > 0 && !slices.Contains(o.services, service.Name) || len(o.services) == 0 && service.Build == nil {
			continue
		}
		e, ok := locked.Entry(service.Name)
		if !ok || e.Digest == "" {
			return &app.UsageError{Err: fmt.Errorf("service %s is not locked to a digest of a registry", service.Name),
				Hint: "push it and lock it: hsectl build --push && hsectl lock --update " + service.Name}
		}
		if err := o.key.sign(ctx, cmp.Or(e.Mirror, e.Reference), e.Digest, key, content); err != nil {
			return err
		}
		fmt.Fprintf(s.Out, "%s %s@%s\n", service.Name, e.Reference, e.Digest)
		signed++
	}
	s.Say("%s signed with %s", app.Count(signed, "image"), key)
	return nil
}

// statement is what is attested, or nothing when the image is only signed.
func (o signOptions) statement() (*signature.Statement, error) {
	if o.predicate == "" {
		if o.content != "" {
			return nil, &app.UsageError{Err: errors.New("--content says something, and nothing says what"), Hint: "write its type: --predicate https://slsa.dev/provenance/v1"}
		}
		return nil, nil
	}
	out := &signature.Statement{Predicate: o.predicate}
	if o.content != "" {
		data, err := host.ReadFile(o.content, app.MaxProfileBytes)
		if err != nil {
			return nil, &app.UsageError{Err: fmt.Errorf("reading what is attested: %w", err)}
		}
		out.Content = data
	}
	return out, nil
}

// sign signs, or attests a statement about, the content with a digest.
func (k signingKey) sign(ctx context.Context, reference, digest string, key signature.Key, s *signature.Statement) error {
	switch {
	case s != nil:
		return signature.Attest(ctx, reference, digest, key, *s)
	case k.tag:
		return signature.SignTag(ctx, reference, digest, key)
	}
	return signature.Sign(ctx, reference, digest, key)
}

// read opens the key. Its password comes from a file or the environment, and goes nowhere.
func (k signingKey) read() (signature.Key, error) {
	data, err := host.ReadFile(k.path, app.MaxProfileBytes)
	if err != nil {
		return signature.Key{}, &app.UsageError{Err: fmt.Errorf("reading the private key: %w", err), Hint: "make one with: hsectl sign --new-key release"}
	}
	key, err := signature.ParseKey(data, k.readPassword)
	if err != nil {
		return signature.Key{}, &app.UsageError{Err: fmt.Errorf("%s: %w", k.path, err), Hint: "give the password with --password-file or COSIGN_PASSWORD"}
	}
	return key, nil
}

func (k signingKey) readPassword() ([]byte, error) {
	if k.password == "" {
		return []byte(os.Getenv("COSIGN_PASSWORD")), nil
	}
	data, err := host.ReadFile(k.password, secret.MaxBytes)
	if err != nil {
		return nil, err
	}
	return []byte(strings.TrimRight(string(data), "\r\n")), nil
}

func makeKey(s app.Streams, o signOptions) error {
	password, err := o.key.readPassword()
	if err != nil {
		return &app.UsageError{Err: fmt.Errorf("reading the password: %w", err)}
	}
	private, public, err := signature.NewKey(password)
	if err != nil {
		return err
	}
	if err := host.WriteNew(o.newKey+".key", private, 0o600); err != nil {
		return &app.UsageError{Err: err, Hint: "choose another name; a key is never overwritten"}
	}
	if err := host.WriteNew(o.newKey+".pub", public, 0o644); err != nil {
		return &app.UsageError{Err: err, Hint: "choose another name; a key is never overwritten"}
	}
	fmt.Fprintf(s.Out, "%s.key\n%s.pub\n", o.newKey, o.newKey)
	if len(password) == 0 {
		s.Say("the key is not encrypted: COSIGN_PASSWORD was not set, and there is no --password-file")
	}
	return nil
}

// checkSignatures verifies as deploy does, and changes nothing.
func checkSignatures(ctx context.Context, g *app.Settings, s app.Streams, l app.Loaded, locked lock.File, services []string) error {
	engine, err := g.Connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	good, judged := true, 0
	for _, service := range l.Stack.Services {
		if len(services) > 0 && !slices.Contains(services, service.Name) {
			continue
		}
		c, err := candidate(ctx, l, engine, service.Name, service.Image)
		if err != nil {
			return err
		}
		got, err := signatureOf(ctx, l, locked, c)
		if err != nil {
			return err
		}
		word := "signed"
		switch {
		case got == nil:
			got, word = &audit.Signature{Detail: "nothing is asked of " + c.Reference}, "-"
		case !got.Verified:
			good, word = false, "refused"
		default:
			judged++
		}
		fmt.Fprintf(s.Out, "%-16s %-8s %s\n", service.Name, word, got.Detail)
	}
	if !good {
		return app.ErrFindings
	}
	s.Say("%s verified", app.Count(judged, "image"))
	return nil
}

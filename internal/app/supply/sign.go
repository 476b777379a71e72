package supply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/image/lock"
	"github.com/hsectl/hsectl/internal/image/signature"
	"github.com/hsectl/hsectl/internal/secret"
)

// SignOptions say what is signed or attested, and with which key.
type SignOptions struct {
	Key       SigningKey
	NewKey    string
	Check     bool
	Predicate string
	Content   string
	Services  []string
}

// SigningKey says where the private key is, and its password.
type SigningKey struct {
	Path, Password string
	Tag            bool
}

// Sign signs the images that were built, or verifies who signed all of them.
func Sign(ctx context.Context, g *app.Settings, s app.Streams, o SignOptions) error {
	if o.NewKey != "" {
		return makeKey(s, o)
	}
	l, err := app.Load(g.File)
	if err != nil {
		return err
	}
	for _, name := range o.Services {
		if _, ok := l.Stack.Service(name); !ok {
			return &app.UsageError{Err: fmt.Errorf("service %q not found in %s", name, l.Path)}
		}
	}
	locked, err := app.ReadLock(l)
	if err != nil {
		return err
	}
	l.Locked = locked
	if o.Check {
		return checkSignatures(ctx, g, s, l, locked, o.Services)
	}
	key, err := o.Key.read()
	if err != nil {
		return err
	}
	content, err := o.statement()
	if err != nil {
		return err
	}
	signed := 0
	for _, service := range l.Stack.Services {
		if len(o.Services) > 0 && !slices.Contains(o.Services, service.Name) || len(o.Services) == 0 && service.Build == nil {
			continue
		}
		e, ok := locked.Entry(service.Name)
		if !ok || e.Digest == "" {
			return &app.UsageError{Err: fmt.Errorf("service %s is not locked to a digest of a registry", service.Name),
				Hint: "push it and lock it: hsectl build --push && hsectl lock --update " + service.Name}
		}
		if err := o.Key.sign(ctx, cmp.Or(e.Mirror, e.Reference), e.Digest, key, content); err != nil {
			return err
		}
		fmt.Fprintf(s.Out, "%s %s@%s\n", service.Name, e.Reference, e.Digest)
		signed++
	}
	s.Say("%s signed with %s", display.Count(signed, "image"), key)
	return nil
}

// statement is what is attested, or nothing when the image is only signed.
func (o SignOptions) statement() (*signature.Statement, error) {
	if o.Predicate == "" {
		if o.Content != "" {
			return nil, &app.UsageError{Err: errors.New("--content needs a type"), Hint: "write its type: --predicate https://slsa.dev/provenance/v1"}
		}
		return nil, nil
	}
	out := &signature.Statement{Predicate: o.Predicate}
	if o.Content != "" {
		data, err := host.ReadFile(o.Content, app.MaxProfileBytes)
		if err != nil {
			return nil, &app.UsageError{Err: fmt.Errorf("reading what is attested: %w", err)}
		}
		out.Content = data
	}
	return out, nil
}

// sign signs, or attests a statement about, the content with a digest.
func (k SigningKey) sign(ctx context.Context, reference, digest string, key signature.Key, s *signature.Statement) error {
	switch {
	case s != nil:
		return signature.Attest(ctx, reference, digest, key, *s)
	case k.Tag:
		return signature.SignTag(ctx, reference, digest, key)
	}
	return signature.Sign(ctx, reference, digest, key)
}

// read opens the key. Its password comes from a file or the environment, and goes nowhere.
func (k SigningKey) read() (signature.Key, error) {
	data, err := host.ReadFile(k.Path, app.MaxProfileBytes)
	if err != nil {
		return signature.Key{}, &app.UsageError{Err: fmt.Errorf("reading the private key: %w", err), Hint: "make one with: hsectl sign --new-key release"}
	}
	key, err := signature.ParseKey(data, k.readPassword)
	if err != nil {
		return signature.Key{}, &app.UsageError{Err: fmt.Errorf("%s: %w", k.Path, err), Hint: "give the password with --password-file or COSIGN_PASSWORD"}
	}
	return key, nil
}

func (k SigningKey) readPassword() ([]byte, error) {
	if k.Password == "" {
		return []byte(os.Getenv("COSIGN_PASSWORD")), nil
	}
	data, err := host.ReadFile(k.Password, secret.MaxBytes)
	if err != nil {
		return nil, err
	}
	return []byte(strings.TrimRight(string(data), "\r\n")), nil
}

func makeKey(s app.Streams, o SignOptions) error {
	password, err := o.Key.readPassword()
	if err != nil {
		return &app.UsageError{Err: fmt.Errorf("reading the password: %w", err)}
	}
	private, public, err := signature.NewKey(password)
	if err != nil {
		return err
	}
	if err := host.WriteNew(o.NewKey+".key", private, 0o600); err != nil {
		return &app.UsageError{Err: err, Hint: "choose another name; a key is never overwritten"}
	}
	if err := host.WriteNew(o.NewKey+".pub", public, 0o644); err != nil {
		return &app.UsageError{Err: err, Hint: "choose another name; a key is never overwritten"}
	}
	fmt.Fprintf(s.Out, "%s.key\n%s.pub\n", o.NewKey, o.NewKey)
	if len(password) == 0 {
		s.Say("the key is not encrypted: neither COSIGN_PASSWORD nor --password-file is set")
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
			got, word = &audit.Signature{Detail: "no signature is required for " + c.Reference}, "-"
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
	s.Say("%s verified", display.Count(judged, "image"))
	return nil
}

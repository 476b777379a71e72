package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/secret"
	"github.com/hsectl/hsectl/internal/stack"
)

// vault reads the values of secrets from where the profile says they are.
type vault struct {
	dir      string // of the profile
	beside   string // where else its files may be; empty is nowhere
	identity string // file of the age identity, or the key itself
}

// value returns the value of a secret that is not made from another. Errors complete the sentence "secret NAME…", and
// never hold a value.
func (v vault) value(ctx context.Context, from stack.Secret) (value []byte, err error) {
	what := ""
	switch {
	case from.Env != "":
		if value = []byte(os.Getenv(from.Env)); len(value) == 0 {
			return nil, fmt.Errorf(" needs the variable %s, which is not set", from.Env)
		}
		return value, nil
	case from.Generate:
		return secret.New(), nil // used only when the engine keeps none
	case from.File != "":
		what = "the file " + v.path(from.File)
		value, err = host.ReadFile(v.path(from.File), secret.MaxBytes)
	case from.Age != "":
		what = "the file " + v.path(from.Age)
		value, err = v.decrypt(from.Age)
	default:
		what = "what " + from.Command[0] + " prints"
		value, err = host.Output(ctx, v.dir, from.Command, secret.MaxBytes)
		value = bytes.TrimSuffix(bytes.TrimSuffix(value, []byte("\n")), []byte("\r"))
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf(": %w", err)
	case len(bytes.TrimSpace(value)) == 0:
		return nil, fmt.Errorf(": %s is empty", what)
	}
	return value, nil
}

func (v vault) path(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	if v.beside != "" {
		if _, err := os.Stat(filepath.Join(v.dir, path)); err != nil {
			return filepath.Join(v.beside, path)
		}
	}
	return filepath.Join(v.dir, path)
}

func (v vault) decrypt(path string) ([]byte, error) {
	file, err := host.ReadFile(v.path(path), 2*secret.MaxBytes)
	if err != nil {
		return nil, err
	}
	identities, err := v.identities()
	if err != nil {
		return nil, err
	}
	value, err := secret.Decrypt(file, identities)
	if errors.Is(err, secret.ErrNoIdentity) {
		err = fmt.Errorf("%w: name its file with --age-identity or HSECTL_AGE_IDENTITY", err)
	}
	return value, err
}

// identities returns what decrypts the secrets: the content of the file that was named, or the key itself when the
// environment holds it, as it does in pipelines. A key on the command line is refused: everybody on the machine sees it.
func (v vault) identities() ([]byte, error) {
	if v.identity == "" {
		return nil, nil
	}
	if !strings.HasPrefix(v.identity, "AGE-SECRET-KEY-") {
		return host.ReadFile(v.identity, secret.MaxBytes)
	}
	if v.identity != os.Getenv("HSECTL_AGE_IDENTITY") {
		return nil, errors.New("a key does not belong on the command line: put it in a file, or in HSECTL_AGE_IDENTITY")
	}
	return []byte(v.identity), nil
}

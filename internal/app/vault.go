package app

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

// Vault reads the values of secrets from where the profile says they are.
type Vault struct {
	Dir       string // of the profile
	bundleDir string // where else its files may be; empty is nowhere
	Identity  string // file of the age identity, or the key itself

	lookup func(name string) (string, bool) // of variables; nil is the environment
}

// Value returns the value of a secret that is not made from another. Errors complete the sentence "secret NAME…", and
// never hold a value.
func (v Vault) Value(ctx context.Context, from stack.Secret) (value []byte, err error) {
	what := ""
	switch {
	case from.Env != "":
		lookup := v.lookup
		if lookup == nil {
			lookup = os.LookupEnv
		}
		text, _ := lookup(from.Env)
		if text == "" {
			return nil, fmt.Errorf(" needs the variable %s, which is not set", from.Env)
		}
		return []byte(text), nil
	case from.Generate:
		return secret.New(), nil // used only when the engine keeps none
	case from.File != "":
		what = "the file " + v.Path(from.File)
		value, err = host.ReadFile(v.Path(from.File), secret.MaxBytes)
		value = oneLine(value)
	case from.Age != "":
		what = "the file " + v.Path(from.Age)
		value, err = v.decrypt(from.Age)
		value = oneLine(value)
	default:
		what = "what " + from.Command[0] + " prints"
		value, err = host.Output(ctx, v.Dir, from.Command, secret.MaxBytes)
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

// oneLine takes the line break off the end of a value of one line, which editors add and programs do not expect. Keys and
// certificates of several lines stay as they are.
func oneLine(value []byte) []byte {
	line, ended := bytes.CutSuffix(value, []byte("\n"))
	if !ended || bytes.ContainsRune(line, '\n') {
		return value
	}
	return bytes.TrimSuffix(line, []byte("\r"))
}

// Path is where a file of a secret is.
func (v Vault) Path(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	if v.bundleDir != "" {
		if _, err := os.Stat(filepath.Join(v.Dir, path)); err != nil {
			return filepath.Join(v.bundleDir, path)
		}
	}
	return filepath.Join(v.Dir, path)
}

func (v Vault) decrypt(path string) ([]byte, error) {
	file, err := host.ReadFile(v.Path(path), 2*secret.MaxBytes)
	if err != nil {
		return nil, err
	}
	identities, err := v.Identities()
	if err != nil {
		return nil, err
	}
	value, err := secret.Decrypt(file, identities)
	if errors.Is(err, secret.ErrNoIdentity) {
		err = fmt.Errorf("%w: name its file with --age-identity or HSECTL_AGE_IDENTITY", err)
	}
	return value, err
}

// Identities returns what decrypts the secrets: the content of the file that was named, or the key itself when the
// environment holds it, as it does in pipelines. A key on the command line is refused: every user of the machine can read it.
func (v Vault) Identities() ([]byte, error) {
	if v.Identity == "" {
		return nil, nil
	}
	if !strings.HasPrefix(v.Identity, "AGE-SECRET-KEY-") {
		return host.ReadFile(v.Identity, secret.MaxBytes)
	}
	if v.Identity != os.Getenv("HSECTL_AGE_IDENTITY") {
		return nil, errors.New("a key does not belong on the command line: put it in a file, or in HSECTL_AGE_IDENTITY")
	}
	return []byte(v.Identity), nil
}

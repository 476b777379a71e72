// Package secret makes values of secrets, and reads and writes those that are kept in a repository, encrypted with age.
// It is pure but for randomness: files are read and written elsewhere.
package secret

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// MaxBytes bounds the value of a secret.
const MaxBytes = 1 << 20

// ErrNoIdentity is an encrypted secret without anything to decrypt it with.
var ErrNoIdentity = errors.New("no age identity was given")

// New returns a value that cannot be guessed: 26 letters and digits, 128 bits of randomness.
func New() []byte { return []byte(strings.ToLower(rand.Text())) }

// Decrypt returns the value in an age file, armoured or not. Identities is the content of an identity file: one
// AGE-SECRET-KEY-1… or AGE-SECRET-KEY-PQ-1… per line.
func Decrypt(file, identities []byte) ([]byte, error) {
	keys, err := parsed(identities)
	if err != nil {
		return nil, err
	}
	var in io.Reader = bytes.NewReader(file)
	if bytes.HasPrefix(bytes.TrimSpace(file), []byte(armor.Header)) {
		in = armor.NewReader(bytes.NewReader(bytes.TrimSpace(file)))
	}
	plain, err := age.Decrypt(in, keys...)
	if err != nil {
		return nil, fmt.Errorf("decrypting: %w", err)
	}
	value, err := io.ReadAll(io.LimitReader(plain, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("decrypting: %w", err)
	}
	if len(value) > MaxBytes {
		return nil, fmt.Errorf("decrypting: the value is longer than %d bytes", MaxBytes)
	}
	return value, nil
}

// Encrypt returns an armoured age file that each of the recipients can decrypt.
func Encrypt(value []byte, recipients []string) ([]byte, error) {
	var out bytes.Buffer
	text := armor.NewWriter(&out)
	w, err := Encrypting(text, recipients)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(value); err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	if err := errors.Join(w.Close(), text.Close()); err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	return append(out.Bytes(), '\n'), nil
}

// Encrypting returns a writer whose input reaches out encrypted for each of the recipients. Closing it is the end of the file,
// without which it does not decrypt.
func Encrypting(out io.Writer, recipients []string) (io.WriteCloser, error) {
	keys, err := age.ParseRecipients(strings.NewReader(strings.Join(recipients, "\n")))
	if err != nil {
		return nil, fmt.Errorf("reading the recipients: %w", err)
	}
	w, err := age.Encrypt(out, keys...)
	if err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	return w, nil
}

// Decrypting returns a reader of what Encrypting has written. A piece that was changed is an error before it is returned.
func Decrypting(in io.Reader, identities []byte) (io.Reader, error) {
	keys, err := parsed(identities)
	if err != nil {
		return nil, err
	}
	plain, err := age.Decrypt(in, keys...)
	if err != nil {
		return nil, fmt.Errorf("decrypting: %w", err)
	}
	return plain, nil
}

// parsed reads an identity file. What age says of one may quote the key, so that is not passed on.
func parsed(identities []byte) ([]age.Identity, error) {
	if len(bytes.TrimSpace(identities)) == 0 {
		return nil, ErrNoIdentity
	}
	keys, err := age.ParseIdentities(bytes.NewReader(identities))
	if err != nil {
		return nil, errors.New("the identity is not one of age")
	}
	return keys, nil
}

// Recipients returns the public halves of the identities in an identity file.
func Recipients(identities []byte) ([]string, error) {
	keys, err := parsed(identities)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, key := range keys {
		switch k := key.(type) {
		case *age.X25519Identity:
			out = append(out, k.Recipient().String())
		case *age.HybridIdentity:
			out = append(out, k.Recipient().String())
		default:
			return nil, fmt.Errorf("an identity of type %T has no recipient of its own: name one", key)
		}
	}
	return out, nil
}

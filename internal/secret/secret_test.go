package secret_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/hsectl/hsectl/internal/secret"
)

func identity(t *testing.T) []byte {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return []byte("# made by a test\n" + key.String() + "\n")
}

// What is encrypted for an identity comes back with it, and with no other.
func TestThereAndBack(t *testing.T) {
	mine, other := identity(t), identity(t)
	recipients, err := secret.Recipients(mine)
	if err != nil {
		t.Fatal(err)
	}
	value := secret.New()
	file, err := secret.Encrypt(value, recipients)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(file, value) {
		t.Error("the file shows the value")
	}
	if got, err := secret.Decrypt(file, mine); err != nil || !bytes.Equal(got, value) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	if _, err := secret.Decrypt(file, other); err == nil {
		t.Error("another identity decrypts it")
	}
	if _, err := secret.Decrypt(file, nil); !errors.Is(err, secret.ErrNoIdentity) {
		t.Errorf("without an identity: %v", err)
	}
	if _, err := secret.Decrypt(file[:len(file)/2], mine); err == nil {
		t.Error("half a file is decrypted")
	}
}

// A stream that was encrypted comes back for its recipient only, and whole or not at all.
func TestStreams(t *testing.T) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte("rows"), 100_000)
	var file bytes.Buffer
	w, err := secret.Encrypting(&file, []string{key.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(want); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	read := func(file []byte, identity string) ([]byte, error) {
		plain, err := secret.Decrypting(bytes.NewReader(file), []byte(identity))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(plain)
	}
	if got, err := read(file.Bytes(), key.String()); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
	flipped := bytes.Clone(file.Bytes())
	flipped[len(flipped)/2] ^= 1
	for name, c := range map[string]struct {
		file     []byte
		identity string
	}{
		"another identity": {file.Bytes(), other.String()},
		"no identity":      {file.Bytes(), ""},
		"without its end":  {file.Bytes()[:file.Len()-1], key.String()},
		"at a chunk's end": {file.Bytes()[:len(file.Bytes())/2], key.String()},
		"a flipped bit":    {flipped, key.String()},
	} {
		if _, err := read(c.file, c.identity); err == nil {
			t.Errorf("%s: it is decrypted", name)
		}
	}
	if _, err := secret.Encrypting(&file, []string{"age1invalid"}); err == nil {
		t.Error("it is encrypted without a recipient")
	}
}

// A wrong identity is not repeated in the error: it may be a real one with a slip in it.
func TestIdentitiesStaySecret(t *testing.T) {
	_, err := secret.Decrypt([]byte("x"), []byte("AGE-SECRET-KEY-1SLIPPED"))
	if err == nil || strings.Contains(err.Error(), "SLIPPED") {
		t.Error(err)
	}
}

func TestNewValuesDiffer(t *testing.T) {
	if a, b := secret.New(), secret.New(); bytes.Equal(a, b) || len(a) < 26 {
		t.Errorf("%d bytes, equal: %v", len(a), bytes.Equal(a, b))
	}
}

func FuzzDecrypt(f *testing.F) {
	f.Add([]byte("age-encryption.org/v1\n"), []byte("AGE-SECRET-KEY-1"))
	f.Add([]byte("-----BEGIN AGE ENCRYPTED FILE-----\n"), []byte("#"))
	f.Fuzz(func(t *testing.T, file, identities []byte) {
		if value, err := secret.Decrypt(file, identities); err != nil && value != nil {
			t.Error("a value in spite of an error")
		}
	})
}

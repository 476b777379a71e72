package supply

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/image/signature"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/record"
)

func put(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Records are signed by a deployer's key of any kind, and no other key's signature counts.
func TestRecordSigning(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("COSIGN_PASSWORD", "word")
	for _, name := range []string{"one", "other"} {
		private, public, err := signature.NewKey([]byte("word"))
		if err != nil {
			t.Fatal(err)
		}
		put(t, dir, name+".key", private)
		put(t, dir, name+".pub", public)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	open, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	closed, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "ed.pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: open}))
	put(t, dir, "ed.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: closed}))
	loaded := func(private string, public ...string) app.Loaded {
		return app.Loaded{Path: filepath.Join(dir, "hsectl.yaml"), Profile: &profile.Profile{ReleaseSigning: &profile.ReleaseSigning{PublicKeys: public, PrivateKey: private}}}
	}
	release := record.Release{Stack: "shop", Number: 1}
	written := func(l app.Loaded) []byte {
		t.Helper()
		signing, err := RecordSigning(l, true)
		if err != nil {
			t.Fatal(err)
		}
		data, err := signing.Release(release)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	both, err := RecordSigning(loaded("", "one.pub", "ed.pub"), false)
	if err != nil || both.Sign != nil {
		t.Fatalf("for reading: %v", err)
	}
	for key, known := range map[string]bool{"one": true, "ed": true, "other": false} {
		if err := both.Check("shop", 1, written(loaded(key+".key", key+".pub"))); (err == nil) != known {
			t.Errorf("signed by %s: %v", key, err)
		}
	}
	t.Setenv(keyVariable, filepath.Join(dir, "ed.key"))
	if err := both.Check("shop", 1, written(loaded("one.key", "one.pub", "ed.pub"))); err != nil {
		t.Errorf("signed by the key of the environment: %v", err)
	}
	t.Setenv(keyVariable, "")
	for want, l := range map[string]app.Loaded{
		"no private key is named": loaded("", "one.pub"), "is not one of release_signing": loaded("other.key", "one.pub"),
		"reading the private key": loaded("none.key", "one.pub"), "none.pub": loaded("one.key", "none.pub"), "public key": loaded("one.key", "one.key"),
	} {
		if _, err := RecordSigning(l, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if signing, err := RecordSigning(app.Loaded{Profile: &profile.Profile{}}, true); err != nil || signing.Sign != nil || signing.Verify != nil {
		t.Errorf("without the section: %v", err)
	}
}

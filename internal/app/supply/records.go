package supply

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image/signature"
	"github.com/hsectl/hsectl/internal/record"
)

// keyVariable names the private key that signs the records of releases, in the place of the one that the profile names.
const keyVariable = "HSECTL_RELEASE_KEY"

// RecordSigning is how the records of a profile's releases are signed and verified; nothing is asked of them without
// release_signing. The private key is read only where records are written.
func RecordSigning(l app.Loaded, write bool) (record.Signing, error) {
	rules := l.Profile.ReleaseSigning
	if rules == nil {
		return record.Signing{}, nil
	}
	keys := signature.Keys{}
	for _, path := range rules.PublicKeys {
		data, err := host.ReadFile(filepath.Join(l.Dir(), path), app.MaxProfileBytes)
		if err == nil {
			err = keys.Add(data)
		}
		if err != nil {
			return record.Signing{}, &app.UsageError{Err: fmt.Errorf("%s: %w", path, err), Hint: "name public keys in release_signing.public_keys, relative to the profile"}
		}
	}
	out := record.Signing{Verify: func(message []byte, s record.Signature) error { return keys.Verify(message, s.Key, s.Value) }}
	if !write {
		return out, nil
	}
	path := os.Getenv(keyVariable)
	if path == "" && rules.PrivateKey != "" {
		if path = rules.PrivateKey; !filepath.IsAbs(path) {
			path = filepath.Join(cmp.Or(bundleDir(l), l.Dir()), path)
		}
	}
	hint := "name the private key of a deployer in release_signing.private_key or " + keyVariable + "; nothing was changed"
	if path == "" {
		return out, &app.UsageError{Err: errors.New("records of releases are signed, and no private key is named"), Hint: hint}
	}
	key, err := SigningKey{Path: path}.read()
	if err != nil {
		return out, fmt.Errorf("signing the records of releases: %w", err)
	}
	if !keys.Has(key.GetPublicKey()) {
		return out, &app.UsageError{Err: fmt.Errorf("%s of %s is not one of release_signing.public_keys", key, path), Hint: hint}
	}
	out.Sign = func(message []byte) (record.Signature, error) {
		name, value, err := key.SignBytes(message)
		return record.Signature{Key: name, Value: value}, err
	}
	return out, nil
}

// bundleDir is where a bundle is: a private key is never in it.
func bundleDir(l app.Loaded) string {
	if l.Bundle == nil {
		return ""
	}
	return l.Bundle.Dir
}

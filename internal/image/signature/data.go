package signature

import (
	"bytes"
	"crypto"
	"fmt"

	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
)

// SignBytes signs data that is not an image, and names the key.
func (k Key) SignBytes(data []byte) (key string, value []byte, err error) {
	if key, err = Checksum(k.public); err != nil {
		return "", nil, err
	}
	if value, err = k.signer.SignMessage(bytes.NewReader(data)); err != nil {
		return "", nil, fmt.Errorf("signing with key %s: %w", key, err)
	}
	return key, value, nil
}

// Keys are public keys of which any may have signed, by their checksums.
type Keys map[string]signature.Verifier

// Add adds a public key in PEM form.
func (k Keys) Add(data []byte) error {
	public, err := cryptoutils.UnmarshalPEMToPublicKey(data)
	if err != nil {
		return fmt.Errorf("reading the public key: %w", err)
	}
	algorithm, err := signature.GetDefaultAlgorithmDetails(public)
	if err != nil {
		return fmt.Errorf("reading the public key: %w", err)
	}
	verifier, err := signature.LoadVerifierFromAlgorithmDetails(public, algorithm)
	if err != nil {
		return fmt.Errorf("reading the public key: %w", err)
	}
	name, err := Checksum(public)
	if err != nil {
		return err
	}
	k[name] = verifier
	return nil
}

// Has reports whether a private key belongs to one of them.
func (k Keys) Has(private crypto.PublicKey) bool {
	name, err := Checksum(private)
	return err == nil && k[name] != nil
}

// Verify refuses data that none of the keys has signed. The name of a key only says which one is tried.
func (k Keys) Verify(data []byte, key string, value []byte) error {
	verifier, ok := k[key]
	if !ok {
		return fmt.Errorf("it is signed by key %s, which is not one of the configured keys", key)
	}
	if err := verifier.VerifySignature(bytes.NewReader(value), bytes.NewReader(data)); err != nil {
		return fmt.Errorf("its signature by key %s is not valid: %w", key, err)
	}
	return nil
}

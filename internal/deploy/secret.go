package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// Secret is a secret value. It is kept behind a function, so that it prints as nothing wherever it ends up by mistake,
// also inside other values.
type Secret struct{ reveal func() []byte }

// NewSecret wraps a value.
func NewSecret(value []byte) Secret {
	kept := slices.Clone(value)
	return Secret{func() []byte { return kept }}
}

// Reveal returns the value, for delivery to the engine only.
func (s Secret) Reveal() []byte {
	if s.reveal == nil {
		return nil
	}
	return s.reveal()
}

// Digest returns the hex sha256 of the value, for comparing in memory.
func (s Secret) Digest() string {
	sum := sha256.Sum256(s.Reveal())
	return hex.EncodeToString(sum[:])
}

// String implements fmt.Stringer.
func (Secret) String() string { return "[secret]" }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return "[secret]" }

// MarshalText implements encoding.TextMarshaler.
func (Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

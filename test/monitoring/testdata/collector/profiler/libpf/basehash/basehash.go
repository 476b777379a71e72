// Package basehash stands for the one of the eBPF profiler; see package libpf.
package basehash

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// ErrNoProfiles is returned by what only profiles need.
var ErrNoProfiles = errors.New("profiles are not part of this test")

// Hash128 is a number of 128 bits.
type Hash128 struct{ hi, lo uint64 }

// New128 returns the number with these halves.
func New128(hi, lo uint64) Hash128 { return Hash128{hi, lo} }

// New128FromBytes is never reached.
func New128FromBytes([]byte) (Hash128, error) { return Hash128{}, ErrNoProfiles }

// IsZero reports whether all bits are zero.
func (h Hash128) IsZero() bool { return h == Hash128{} }

// Bytes returns the number, its highest byte first.
func (h Hash128) Bytes() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, h.hi), h.lo)
}

// Base64 returns the bytes for addresses.
func (h Hash128) Base64() string { return base64.RawURLEncoding.EncodeToString(h.Bytes()) }

// Package libpf stands for the one of the eBPF profiler, whose module is not always to be had. The exporter for Elasticsearch needs
// its types to be built, and uses them for profiles only, of which a test of logs sends none.
package libpf

import "go.opentelemetry.io/ebpf-profiler/libpf/basehash"

// FileID is the identity of a program.
type FileID struct{ basehash.Hash128 }

// NewFileID returns the identity with these halves.
func NewFileID(hi, lo uint64) FileID { return FileID{basehash.New128(hi, lo)} }

// FileIDFromBytes is never reached.
func FileIDFromBytes([]byte) (FileID, error) { return FileID{}, basehash.ErrNoProfiles }

// FileIDFromString is never reached.
func FileIDFromString(string) (FileID, error) { return FileID{}, basehash.ErrNoProfiles }

// FrameType is the kind of a frame.
type FrameType byte

// FrameTypeFromString is never reached.
func FrameTypeFromString(string) FrameType { return 0 }

// IsError is never reached.
func (FrameType) IsError() bool { return false }

// AddressOrLineno is a place in a program.
type AddressOrLineno uint64

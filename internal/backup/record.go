// Package backup is about what lies in a directory of backups: archives, and next to each a record that says what is in it.
// It is pure: bytes go in and come out; who reads and writes files, and who speaks to an engine, is not its business.
package backup

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// What an archive holds.
const (
	Files = "files" // the files of the volume itself
	Dump  = "dump"  // what a program of the service wrote
)

// Record says what an archive holds and how to know that it is whole. It holds no data.
type Record struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Stack      string    `json:"stack"`
	Volume     string    `json:"volume"`
	Service    string    `json:"service"`
	Form       string    `json:"form"` // Files or Dump
	Made       time.Time `json:"made"`
	Image      string    `json:"image"` // id of what the service ran
	Archive    string    `json:"archive"`
	Encrypted  bool      `json:"encrypted,omitempty"` // with age
	Bytes      int64     `json:"bytes"`
	SHA256     string    `json:"sha256"` // of the archive as it lies there
	Content
}

// Proof says that a restore was tried, and what came of it.
type Proof struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Stack      string    `json:"stack"`
	Volume     string    `json:"volume"`
	Archive    string    `json:"archive"`
	Made       time.Time `json:"made"`
	Passed     bool      `json:"passed"`
	Detail     string    `json:"detail"`
}

const apiVersion = "hsectl/v1"

// stamp is the time in the name of an archive: two backups of one second are two.
const stamp = "20060102T150405.000Z"

// NewRecord returns the record of an archive that was made at a time.
func NewRecord(stack, volume string, made time.Time) Record {
	made = made.UTC().Truncate(time.Millisecond)
	return Record{APIVersion: apiVersion, Kind: "Backup", Stack: stack, Volume: volume, Made: made, Archive: prefix(stack, volume) + made.Format(stamp) + ".tar.gz"}
}

// NewProof returns the proof of a restore.
func NewProof(r Record, made time.Time, passed bool, detail string) Proof {
	return Proof{apiVersion, "RestoreProof", r.Stack, r.Volume, r.Archive, made.UTC().Truncate(time.Second), passed, detail}
}

// Encrypt says that the archive will be encrypted, which its name tells.
func (r *Record) Encrypt() {
	r.Encrypted = true
	r.Archive += ".age"
}

func prefix(stack, volume string) string { return stack + "." + volume + "." }

// RecordName is the name of the record of an archive.
func RecordName(archive string) string {
	return strings.TrimSuffix(strings.TrimSuffix(archive, ".age"), ".tar.gz") + ".json"
}

// ProofName is the name of the file that holds the last proof of a volume.
func ProofName(stack, volume string) string { return prefix(stack, volume) + "restored.json" }

// IsRecord reports whether a file may be the record of a backup of a volume, by its name.
func IsRecord(name, stack, volume string) bool {
	rest, ok := strings.CutPrefix(name, prefix(stack, volume))
	made, isJSON := strings.CutSuffix(rest, ".json")
	_, err := time.Parse(stamp, made)
	return ok && isJSON && err == nil
}

// Text returns a record or a proof as its file holds it.
func Text(v any) ([]byte, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the record of a backup: %w", err)
	}
	return append(data, '\n'), nil
}

// ParseRecord reads a record. One that cannot be of this volume is an error: it is not looked at any further.
func ParseRecord(data []byte, stack, volume string) (Record, error) {
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return Record{}, fmt.Errorf("reading the record of a backup: %w", err)
	}
	switch sum, err := hex.DecodeString(r.SHA256); {
	case r.APIVersion != apiVersion || r.Kind != "Backup":
		return Record{}, errors.New("reading the record of a backup: it is not a record, or its version is unknown")
	case r.Stack != stack || r.Volume != volume:
		return Record{}, fmt.Errorf("reading the record of a backup: it is of volume %q of stack %q", r.Volume, r.Stack)
	case r.Form != Files && r.Form != Dump:
		return Record{}, fmt.Errorf("reading the record of a backup: its form is %q", r.Form)
	case err != nil || len(sum) != 32 || r.Bytes <= 0 || r.Made.IsZero():
		return Record{}, errors.New("reading the record of a backup: it has no digest, no size or no time")
	case r.Archive == "" || filepath.Base(r.Archive) != r.Archive || strings.HasPrefix(r.Archive, "."):
		return Record{}, fmt.Errorf("reading the record of a backup: %q is not a file in the same directory", r.Archive)
	}
	return r, nil
}

// ParseProof reads a proof of a volume.
func ParseProof(data []byte, stack, volume string) (Proof, error) {
	var p Proof
	if err := json.Unmarshal(data, &p); err != nil {
		return Proof{}, fmt.Errorf("reading the proof of a restore: %w", err)
	}
	if p.APIVersion != apiVersion || p.Kind != "RestoreProof" || p.Stack != stack || p.Volume != volume || p.Made.IsZero() {
		return Proof{}, fmt.Errorf("reading the proof of a restore: it is not of volume %q of stack %q", volume, stack)
	}
	return p, nil
}

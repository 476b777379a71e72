package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
)

// The versions of the records. Version is the one that is written; First is the oldest that is read. In version 1 a release held
// the hardened model of its day, by the names of its Go fields.
const (
	Version = "hsectl/v2"
	First   = "hsectl/v1"
)

// DamagedError is a record on the engine that is incomplete or was changed by hand.
type DamagedError struct {
	What string // such as "release 7 of shop"
	Err  error
}

// Error implements error.
func (e *DamagedError) Error() string {
	return "the record of " + e.What + " is damaged: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *DamagedError) Unwrap() error { return e.Err }

// NewerError is a record that a later hsectl wrote. Nothing of the stack may be changed by a program that cannot read it.
type NewerError struct {
	Kind    string // such as Release
	Version string // of the record
}

// Error implements error.
func (e *NewerError) Error() string {
	return fmt.Sprintf("a newer hsectl deployed this stack: its %s record has version %s, and this program reads versions up to %s", e.Kind, e.Version, Version)
}

// sealed is how a record is kept: a digest over its bytes tells half a record, or a changed one, from a whole one.
type sealed struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	SHA256     string          `json:"sha256"`
	Signature  *Signature      `json:"signature,omitempty"`
	Body       json.RawMessage `json:"body"`
}

// seal writes a record.
func seal(kind string, v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("writing a record of kind %s: %w", kind, err)
	}
	return json.Marshal(sealed{APIVersion: Version, Kind: kind, SHA256: Digest(body), Body: body})
}

// open checks the envelope of a record and returns its version and body. It refuses everything that seal did not write.
func open(kind string, data []byte) (version string, body []byte, err error) {
	var told struct{ APIVersion, Kind string } // an envelope of a later version may have other keys
	if err := json.Unmarshal(data, &told); err != nil {
		return "", nil, err
	}
	s := sealed{APIVersion: told.APIVersion, Kind: told.Kind}
	switch {
	case s.APIVersion == Version, s.APIVersion == First:
	case later(s.APIVersion):
		return "", nil, &NewerError{Kind: kind, Version: s.APIVersion}
	default:
		return "", nil, fmt.Errorf("it is a %s of %q, not a %s of %s", s.Kind, s.APIVersion, kind, Version)
	}
	if err := Strict(data, &s); err != nil {
		return "", nil, err
	}
	if s.Kind != kind {
		return "", nil, fmt.Errorf("it is a %s, not a %s", s.Kind, kind)
	}
	if s.SHA256 != Digest(s.Body) {
		return "", nil, errors.New("its digest does not match its content")
	}
	return s.APIVersion, s.Body, nil
}

// unseal reads a record of a kind that is the same in all versions.
func unseal(kind string, data []byte, v any) error {
	_, body, err := open(kind, data)
	if err != nil {
		return err
	}
	return Strict(body, v)
}

var numbered = regexp.MustCompile(`^hsectl/v([1-9][0-9]{0,5})$`)

// later tells whether a version is one that comes after ours.
func later(version string) bool {
	m, own := numbered.FindStringSubmatch(version), numbered.FindStringSubmatch(Version)
	if m == nil {
		return false
	}
	theirs, err := strconv.Atoi(m[1])
	ours, _ := strconv.Atoi(own[1]) // a constant
	return err == nil && theirs > ours
}

// Strict reads JSON into v and refuses keys that this hsectl does not know: it cannot keep a promise that it does not understand.
func Strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows its end")
	}
	return nil
}

// Digest returns the hex sha256 of data.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

package deploy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
)

// Version is that of the records on the engine.
const Version = "hsectl/v1"

// DamagedError is a record on the engine that is cut off, was changed by hand, or was written by a newer hsectl.
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

// sealed is how a record is kept: a digest over its bytes tells half a record, or a changed one, from a whole one.
type sealed struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	SHA256     string          `json:"sha256"`
	Body       json.RawMessage `json:"body"`
}

// seal writes a record.
func seal(kind string, v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("writing a record of kind %s: %w", kind, err)
	}
	return json.Marshal(sealed{Version, kind, digestOf(body), body})
}

// unseal reads a record into v and refuses everything that seal did not write.
func unseal(kind string, data []byte, v any) error {
	var s sealed
	if err := strict(data, &s); err != nil {
		return err
	}
	if s.APIVersion != Version || s.Kind != kind {
		return fmt.Errorf("it is a %s of %s, not a %s of %s", s.Kind, s.APIVersion, kind, Version)
	}
	if s.SHA256 != digestOf(s.Body) {
		return fmt.Errorf("its digest does not match its content")
	}
	return strict(s.Body, v)
}

// strict refuses keys that this hsectl does not know: it cannot keep a promise that it does not understand.
func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("something follows its end")
	}
	return nil
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

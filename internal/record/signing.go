package record

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Signature is that of a record.
type Signature struct {
	Key   string `json:"key"`   // the key by the checksum of its public half
	Value []byte `json:"value"` // by the algorithm of the key
}

// Signing signs records and verifies them. Without Sign they stay unsigned, and without Verify they are not verified.
type Signing struct {
	Sign   func(message []byte) (Signature, error)
	Verify func(message []byte, s Signature) error
}

// ErrUnsigned is a record without a signature where one is asked for.
var ErrUnsigned = errors.New("the record is not signed")

// Release returns the bytes of a release to keep, signed where that is configured.
func (s Signing) Release(r Release) ([]byte, error) {
	data, err := EncodeRelease(r)
	if err != nil {
		return nil, err
	}
	return s.sign(r.Stack, r.Number, data)
}

// Outcome returns the bytes of the outcome of a release to keep, signed where that is configured.
func (s Signing) Outcome(r Release, o Outcome) ([]byte, error) {
	data, err := EncodeOutcome(o)
	if err != nil {
		return nil, err
	}
	return s.sign(r.Stack, r.Number, data)
}

func (s Signing) sign(stack string, number int, data []byte) ([]byte, error) {
	if s.Sign == nil {
		return data, nil
	}
	var record sealed
	if err := json.Unmarshal(data, &record); err != nil {
		return nil, fmt.Errorf("signing release %d: %w", number, err)
	}
	signature, err := s.Sign(record.message(stack, number))
	if err != nil {
		return nil, fmt.Errorf("signing release %d: %w", number, err)
	}
	record.Signature = &signature
	return json.Marshal(record)
}

// Check says why a record of a release is not to be believed: it has no signature, or one that is not of a known key or of another
// record. Without keys nothing is said.
func (s Signing) Check(stack string, number int, data []byte) error {
	if s.Verify == nil {
		return nil
	}
	var record sealed
	if err := json.Unmarshal(data, &record); err != nil {
		return fmt.Errorf("reading the signature of release %d: %w", number, err)
	}
	if record.Signature == nil {
		return ErrUnsigned
	}
	return s.Verify(record.message(stack, number), *record.Signature)
}

// IsSigned reports whether a record carries a signature, whoever it is from.
func IsSigned(data []byte) bool {
	var record sealed
	return json.Unmarshal(data, &record) == nil && record.Signature != nil
}

// message is what is signed: the whole record, and which one it is, so that none can take the place of another.
func (s sealed) message(stack string, number int) []byte {
	return fmt.Appendf(nil, "hsectl record\n%s\n%s\n%s\n%d\n%s", s.APIVersion, s.Kind, stack, number, s.Body)
}

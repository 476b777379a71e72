package record_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/hsectl/hsectl/internal/record"
)

// marked signs with a copy of the message: what is signed can be seen.
func marked() record.Signing {
	return record.Signing{
		Sign: func(message []byte) (record.Signature, error) {
			return record.Signature{Key: "mine", Value: bytes.Clone(message)}, nil
		},
		Verify: func(message []byte, s record.Signature) error {
			if s.Key != "mine" || !bytes.Equal(message, s.Value) {
				return errors.New("not mine")
			}
			return nil
		},
	}
}

// A signature is that of one record: of its content, its kind, its stack and its number.
func TestSignedRecords(t *testing.T) {
	t.Parallel()
	signing := marked()
	release := record.Release{Stack: "shop", Number: 7, Compose: []byte("services: {}")}
	data, err := signing.Release(release)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := record.DecodeRelease(data); err != nil || r.Number != 7 || !record.IsSigned(data) {
		t.Errorf("got %+v, %v", r, err)
	}
	outcome, err := signing.Outcome(release, record.Outcome{Status: record.Deployed})
	if err != nil {
		t.Fatal(err)
	}
	if o, err := record.DecodeOutcome(outcome); err != nil || o.Status != record.Deployed {
		t.Errorf("got %+v, %v", o, err)
	}
	plain, err := record.Signing{}.Release(release)
	if err != nil || record.IsSigned(plain) {
		t.Errorf("signed without a key: %v", err)
	}
	changed, err := record.EncodeRelease(record.Release{Stack: "shop", Number: 7, Compose: []byte("services: {evil: {}}")})
	if err != nil {
		t.Fatal(err)
	}
	taken := bytes.Replace(changed, []byte(`"body":`), append(bytes.TrimPrefix(data[bytes.Index(data, []byte(`"signature":`)):bytes.Index(data, []byte(`"body":`))], nil), []byte(`"body":`)...), 1)
	for name, c := range map[string]struct {
		signing record.Signing
		stack   string
		number  int
		data    []byte
		good    bool
	}{
		"its own":                             {signing, "shop", 7, data, true},
		"its outcome":                         {signing, "shop", 7, outcome, true},
		"nothing asked":                       {record.Signing{}, "shop", 7, plain, true},
		"unsigned":                            {signing, "shop", 7, plain, false},
		"under another number":                {signing, "shop", 8, data, false},
		"of another stack":                    {signing, "other", 7, data, false},
		"another content, the same signature": {signing, "shop", 7, taken, false},
		"no record":                           {signing, "shop", 7, []byte("x"), false},
	} {
		if err := c.signing.Check(c.stack, c.number, c.data); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := signing.Check("shop", 7, plain); !errors.Is(err, record.ErrUnsigned) {
		t.Errorf("unsigned: %v", err)
	}
}

package signature

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
)

// Annotations in which cosign keeps what belongs to a signature.
const (
	annotationSignature   = "dev.cosignproject.cosign/signature"
	annotationCertificate = "dev.sigstore.cosign/certificate"
	annotationLog         = "dev.sigstore.cosign/bundle"
	annotationTimestamp   = "dev.sigstore.cosign/rfc3161timestamp"
)

// bundleType is the oldest form of bundles: the one that may hold a promise of the log instead of a proof, which is all
// that signatures at tags have.
const bundleType = "application/vnd.dev.sigstore.bundle+json;version=0.1"

// entity turns a candidate into sigstore's form.
func (c candidate) entity() (*bundle.Bundle, error) {
	if c.form == formBundle {
		var out bundle.Bundle
		if err := out.UnmarshalJSON(c.data); err != nil {
			return nil, fmt.Errorf("reading a bundle: %w", err)
		}
		return &out, nil
	}
	material, err := c.material()
	if err != nil {
		return nil, err
	}
	out := &protobundle.Bundle{MediaType: bundleType, VerificationMaterial: material}
	if c.attestation {
		out.Content, err = envelope(c.data)
	} else {
		out.Content, err = c.message()
	}
	if err != nil {
		return nil, err
	}
	b, err := bundle.NewBundle(out)
	if err != nil {
		return nil, fmt.Errorf("reading a signature: %w", err)
	}
	return b, nil
}

// material is what a signature is verified with: the certificate or the key, the log's entry and the time.
func (c candidate) material() (*protobundle.VerificationMaterial, error) {
	out := &protobundle.VerificationMaterial{Content: &protobundle.VerificationMaterial_PublicKey{PublicKey: &protocommon.PublicKeyIdentifier{}}}
	if text := c.annotations[annotationCertificate]; text != "" {
		block, _ := pem.Decode([]byte(text))
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, errors.New("reading a signature: its certificate is not in PEM form")
		}
		out.Content = &protobundle.VerificationMaterial_X509CertificateChain{X509CertificateChain: &protocommon.X509CertificateChain{
			Certificates: []*protocommon.X509Certificate{{RawBytes: block.Bytes}}}}
	}
	if text := c.annotations[annotationLog]; text != "" {
		entry, err := logEntry(text)
		if err != nil {
			return nil, fmt.Errorf("reading a signature's log entry: %w", err)
		}
		out.TlogEntries = []*protorekor.TransparencyLogEntry{entry}
	}
	if text := c.annotations[annotationTimestamp]; text != "" {
		var stamp struct{ SignedRFC3161Timestamp []byte }
		if err := json.Unmarshal([]byte(text), &stamp); err != nil {
			return nil, fmt.Errorf("reading a signature's timestamp: %w", err)
		}
		out.TimestampVerificationData = &protobundle.TimestampVerificationData{
			Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: stamp.SignedRFC3161Timestamp}}}
	}
	return out, nil
}

// logEntry reads what Rekor answered to cosign.
func logEntry(text string) (*protorekor.TransparencyLogEntry, error) {
	var log struct {
		SignedEntryTimestamp []byte
		Payload              struct {
			Body           []byte `json:"body"`
			IntegratedTime int64  `json:"integratedTime"`
			LogIndex       int64  `json:"logIndex"`
			LogID          string `json:"logID"`
		}
	}
	if err := json.Unmarshal([]byte(text), &log); err != nil {
		return nil, err
	}
	id, err := hex.DecodeString(log.Payload.LogID)
	if err != nil {
		return nil, fmt.Errorf("its log's name: %w", err)
	}
	var kind struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := json.Unmarshal(log.Payload.Body, &kind); err != nil {
		return nil, fmt.Errorf("its body: %w", err)
	}
	return &protorekor.TransparencyLogEntry{
		LogIndex: log.Payload.LogIndex, LogId: &protocommon.LogId{KeyId: id}, IntegratedTime: log.Payload.IntegratedTime,
		KindVersion:      &protorekor.KindVersion{Kind: kind.Kind, Version: kind.APIVersion},
		InclusionPromise: &protorekor.InclusionPromise{SignedEntryTimestamp: log.SignedEntryTimestamp}, CanonicalizedBody: log.Payload.Body,
	}, nil
}

func (c candidate) message() (*protobundle.Bundle_MessageSignature, error) {
	raw, err := base64.StdEncoding.DecodeString(c.annotations[annotationSignature])
	if err != nil || len(raw) == 0 {
		return nil, errors.New("reading a signature: it is not in base64 form")
	}
	sum := sha256.Sum256(c.data)
	return &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{Signature: raw,
		MessageDigest: &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: sum[:]}}}, nil
}

// envelope reads a DSSE envelope: https://github.com/secure-systems-lab/dsse.
func envelope(data []byte) (*protobundle.Bundle_DsseEnvelope, error) {
	var in struct {
		PayloadType string `json:"payloadType"`
		Payload     []byte `json:"payload"`
		Signatures  []struct {
			KeyID string `json:"keyid"`
			Sig   []byte `json:"sig"`
		} `json:"signatures"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, fmt.Errorf("reading an attestation: %w", err)
	}
	out := &protodsse.Envelope{Payload: in.Payload, PayloadType: in.PayloadType}
	for _, s := range in.Signatures {
		out.Signatures = append(out.Signatures, &protodsse.Signature{Sig: s.Sig, Keyid: s.KeyID})
	}
	return &protobundle.Bundle_DsseEnvelope{DsseEnvelope: out}, nil
}

// about returns the digest that the payload of a signature at a tag is about:
// https://github.com/containers/image/blob/main/docs/containers-signature.5.md.
func about(payload []byte) string {
	var simple struct {
		Critical struct {
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
		} `json:"critical"`
	}
	if json.Unmarshal(payload, &simple) != nil {
		return ""
	}
	return simple.Critical.Image.Digest
}

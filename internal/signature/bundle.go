package signature

import (
	"encoding/json"
	"fmt"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"boxer.dev/internal/intoto"
	"boxer.dev/oci"
)

// BundleType is the type of artifacts that hold a Sigstore bundle, and of their content.
const BundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"

// signPredicate is what cosign states of an image that it signs: nothing but its digest.
const signPredicate = "https://sigstore.dev/cosign/sign/v1"

// maxBundle bounds a bundle in bytes; a list of what is in a box may be in one.
const maxBundle = 32 << 20

// bundle is a signed statement (https://github.com/sigstore/protobuf-specs, sigstore_bundle.proto), as far as it concerns keys
// without certificates. In JSON, bytes are base64.
type bundle struct {
	MediaType            string   `json:"mediaType"`
	VerificationMaterial material `json:"verificationMaterial"`
	Envelope             envelope `json:"dsseEnvelope"`
}

type material struct {
	PublicKey publicKey `json:"publicKey"`
}

type publicKey struct {
	Hint string `json:"hint"`
}

// envelope holds what is signed together with signatures (https://github.com/secure-systems-lab/dsse, envelope.md).
type envelope struct {
	Payload     []byte              `json:"payload"`
	PayloadType string              `json:"payloadType"`
	Signatures  []envelopeSignature `json:"signatures"`
}

type envelopeSignature struct {
	Signature []byte `json:"sig"`
}

// signed is what the signature is of: type and payload with their lengths (DSSE, protocol.md, "PAE").
func (e *envelope) signed() []byte {
	message := "DSSEv1 " + strconv.Itoa(len(e.PayloadType)) + " " + e.PayloadType + " " + strconv.Itoa(len(e.Payload)) + " "
	return append([]byte(message), e.Payload...)
}

// Seal signs a statement and puts both into a bundle.
func (k *PrivateKey) Seal(statement *intoto.Statement) ([]byte, error) {
	payload, err := statement.Encode()
	if err != nil {
		return nil, err
	}
	b := bundle{MediaType: BundleType, Envelope: envelope{Payload: payload, PayloadType: intoto.MediaType}}
	if b.VerificationMaterial.PublicKey.Hint, err = k.Public().hint(); err != nil {
		return nil, err
	}
	made, err := k.sign(b.Envelope.signed())
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	b.Envelope.Signatures = []envelopeSignature{{made}}
	return json.Marshal(b)
}

// Open gives the statement that is in a bundle if the key signed it. The error is ErrSignature if it did not.
func (k *PublicKey) Open(raw []byte) (*intoto.Statement, error) {
	var b bundle
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, fmt.Errorf("%w: reading bundle: %w", oci.ErrCorrupt, err)
	}
	if b.Envelope.PayloadType != intoto.MediaType {
		return nil, fmt.Errorf("%w: a bundle with %q in it", ErrSignature, b.Envelope.PayloadType)
	}
	message := b.Envelope.signed()
	for _, s := range b.Envelope.Signatures[:min(len(b.Envelope.Signatures), maxEnvelopeSignatures)] {
		if k.verify(message, s.Signature) {
			return intoto.Parse(b.Envelope.Payload)
		}
	}
	return nil, ErrSignature
}

// maxEnvelopeSignatures bounds how many signatures of one statement are tried.
const maxEnvelopeSignatures = 32

// Attest makes an artifact of a signed statement about an image.
func (k *PrivateKey) Attest(subject v1.Descriptor, statement *intoto.Statement) (*oci.Artifact, error) {
	raw, err := k.Seal(statement)
	if err != nil {
		return nil, err
	}
	annotations := map[string]string{"dev.sigstore.bundle.content": "dsse-envelope", predicateAnnotation: statement.PredicateType}
	return oci.NewArtifact(subject, BundleType, annotations, oci.Content{MediaType: types.MediaType(BundleType), Data: raw})
}

// predicateAnnotation tells, in a list of referrers, what a bundle states.
const predicateAnnotation = "dev.sigstore.bundle.predicateType"

package signature

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"boxer.dev/internal/intoto"
	"boxer.dev/oci"
)

// Types are those of all artifacts in which signatures of an image may be.
var Types = []string{BundleType, oci.SignatureType}

const (
	payloadType         types.MediaType = "application/vnd.dev.cosign.simplesigning.v1+json"
	signatureAnnotation                 = "dev.cosignproject.cosign/signature"
	maxPayload                          = 64 << 10 // bytes
)

var (
	// ErrUnsigned says that an image has no signature at all.
	ErrUnsigned = errors.New("it is not signed")
	// ErrSignature says that a signature is not by the key, or not of this image.
	ErrSignature = errors.New("no signature of it is by this key")
)

// payload is what is signed (https://github.com/containers/image, docs/containers-signature.5.md, as cosign writes it).
type payload struct {
	Critical critical          `json:"critical"`
	Optional map[string]string `json:"optional"`
}

type critical struct {
	Identity identity `json:"identity"`
	Image    image    `json:"image"`
	Type     string   `json:"type"`
}

type identity struct {
	Reference string `json:"docker-reference"`
}

type image struct {
	Digest string `json:"docker-manifest-digest"`
}

const criticalType = "cosign container image signature"

// Sign signs an image: by a bundle, and by a document that says under which name, too. name may be empty.
func (k *PrivateKey) Sign(subject v1.Descriptor, name string) ([]*oci.Artifact, error) {
	statement, err := intoto.New(subject.Digest, signPredicate, struct{}{})
	if err != nil {
		return nil, err
	}
	sealed, err := k.Attest(subject, statement)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(payload{Critical: critical{identity{name}, image{subject.Digest.String()}, criticalType}})
	if err != nil {
		return nil, err
	}
	made, err := k.sign(raw)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	simple, err := oci.NewArtifact(subject, oci.SignatureType, nil, oci.Content{
		MediaType: payloadType, Data: raw, Annotations: map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(made)},
	})
	return []*oci.Artifact{sealed, simple}, err
}

// Checked is what a key vouches for.
type Checked struct {
	Names      []string            // under which the image was signed, where a signature tells; sorted
	Signatures int                 // of the image by the key
	Others     int                 // signatures by other keys, or damaged
	Statements []*intoto.Statement // about the image that the key signed, but for the signatures themselves
}

// Check looks at artifacts about an image, whatever they are. The error is ErrUnsigned or ErrSignature if the key has not signed
// the image, and Checked counts what there is; another error is about reading.
func (k *PublicKey) Check(subject v1.Hash, artifacts []*oci.Artifact) (*Checked, error) {
	checked := &Checked{}
	for _, a := range artifacts {
		if a.Subject() != subject {
			continue
		}
		var err error
		switch a.Type() {
		case BundleType:
			err = k.checkBundle(checked, subject, a)
		case oci.SignatureType:
			err = k.checkSimple(checked, subject, a)
		}
		if err != nil {
			return checked, err
		}
	}
	slices.Sort(checked.Names)
	checked.Names = slices.Compact(checked.Names)
	switch {
	case checked.Signatures > 0:
		return checked, nil
	case checked.Others > 0:
		return checked, ErrSignature
	}
	return checked, ErrUnsigned
}

func (k *PublicKey) checkBundle(checked *Checked, subject v1.Hash, a *oci.Artifact) error {
	if len(a.Manifest().Layers) != 1 {
		checked.Others++
		return nil
	}
	raw, err := a.Content(0, maxBundle)
	if err != nil {
		return err
	}
	statement, err := k.Open(raw)
	switch {
	case err != nil || !statement.About(subject): // of others; or good, and replayed for another image
		checked.Others++
	case statement.PredicateType == signPredicate:
		checked.Signatures++
	default:
		checked.Statements = append(checked.Statements, statement)
	}
	return nil
}

func (k *PublicKey) checkSimple(checked *Checked, subject v1.Hash, a *oci.Artifact) error {
	for n, layer := range a.Manifest().Layers {
		if layer.MediaType != payloadType {
			continue
		}
		raw, err := a.Content(n, maxPayload)
		if err != nil {
			return err
		}
		name, ok := k.checkPayload(subject, raw, layer.Annotations[signatureAnnotation])
		if !ok {
			checked.Others++
			continue
		}
		checked.Signatures++
		if name != "" {
			checked.Names = append(checked.Names, name)
		}
	}
	return nil
}

func (k *PublicKey) checkPayload(subject v1.Hash, raw []byte, encoded string) (name string, ok bool) {
	signature, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || !k.verify(raw, signature) {
		return "", false
	}
	var p struct {
		Critical critical `json:"critical"` // optional parts may be of any kind
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return "", false
	}
	return p.Critical.Identity.Reference, p.Critical.Image.Digest == subject.String() && p.Critical.Type == criticalType
}

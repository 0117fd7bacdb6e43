// Package signature signs boxes, and what is attached to them, and checks that, in the formats of cosign
// (https://github.com/sigstore/cosign): a signature made here is good there, and the other way round.
//
// Keys are ECDSA keys on P-256, in PEM; the private one is encrypted by a password. There are no certificates, no transparency
// log and no time: who has the private key is believed for ever. A signature is kept twice, as an artifact for cosign 3, a
// Sigstore bundle with an in-toto statement, and as one for cosign 2, a "simple signing" document.
//
// Signatures are deterministic (RFC 6979): signing the same again gives the same bytes.
package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
)

// Types of PEM blocks. The private key's is cosign's of today; that of its first versions is read, too.
const (
	privateType    = "ENCRYPTED SIGSTORE PRIVATE KEY"
	oldPrivateType = "ENCRYPTED COSIGN PRIVATE KEY"
	publicType     = "PUBLIC KEY"
)

// PrivateKey signs.
type PrivateKey struct{ key *ecdsa.PrivateKey }

// PublicKey checks signatures.
type PublicKey struct{ key *ecdsa.PublicKey }

// ErrPassword says that a private key could not be decrypted.
var ErrPassword = errors.New("the password is not that of the key")

// Generate makes a pair of keys, as the contents of cosign's files cosign.key and cosign.pub. An empty password is one, too.
func Generate(password []byte) (private, public []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	sealed, err := encrypted.Encrypt(der, password)
	if err != nil {
		return nil, nil, fmt.Errorf("encrypting private key: %w", err)
	}
	private = pem.EncodeToMemory(&pem.Block{Type: privateType, Bytes: sealed})
	public, err = (&PrivateKey{key}).Public().Encode()
	return private, public, err
}

// ReadPrivate reads and decrypts a private key. The error is ErrPassword if the password is wrong.
func ReadPrivate(text, password []byte) (*PrivateKey, error) {
	block, _ := pem.Decode(text)
	switch {
	case block == nil:
		return nil, errors.New("reading private key: it is not in PEM")
	case block.Type == publicType:
		return nil, errors.New("reading private key: it is a public one")
	case block.Type != privateType && block.Type != oldPrivateType:
		return nil, fmt.Errorf("reading private key: %q is not cosign's", block.Type)
	}
	der, err := encrypted.Decrypt(block.Bytes, password)
	if err != nil {
		return nil, fmt.Errorf("reading private key: %w", ErrPassword)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("reading private key: %w", err)
	}
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok || private.Curve != elliptic.P256() {
		return nil, errors.New("reading private key: it is not for ECDSA on P-256")
	}
	return &PrivateKey{private}, nil
}

// ReadPublic reads a public key.
func ReadPublic(text []byte) (*PublicKey, error) {
	block, _ := pem.Decode(text)
	switch {
	case block == nil:
		return nil, errors.New("reading public key: it is not in PEM")
	case block.Type != publicType:
		return nil, fmt.Errorf("reading public key: it is a %q", block.Type)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading public key: %w", err)
	}
	public, ok := key.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, errors.New("reading public key: it is not for ECDSA on P-256")
	}
	return &PublicKey{public}, nil
}

// Public is the key that checks what this one signs.
func (k *PrivateKey) Public() *PublicKey { return &PublicKey{&k.key.PublicKey} }

// Encode gives the key in PEM.
func (k *PublicKey) Encode() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(k.key)
	return pem.EncodeToMemory(&pem.Block{Type: publicType, Bytes: der}), err
}

// hint tells which key it is, as cosign does: a digest of it.
func (k *PublicKey) hint() (string, error) {
	der, err := x509.MarshalPKIXPublicKey(k.key)
	sum := sha256.Sum256(der)
	return base64.StdEncoding.EncodeToString(sum[:]), err
}

// sign signs a message: ECDSA with SHA-256 in ASN.1.
func (k *PrivateKey) sign(message []byte) ([]byte, error) {
	sum := sha256.Sum256(message)
	return k.key.Sign(nil, sum[:], crypto.SHA256) // without random numbers it is deterministic
}

func (k *PublicKey) verify(message, signature []byte) bool {
	sum := sha256.Sum256(message)
	return ecdsa.VerifyASN1(k.key, sum[:], signature)
}

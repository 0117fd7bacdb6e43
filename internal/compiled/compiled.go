// Package compiled lets machine code travel beside the box that it was compiled from, so that a machine which pulls the box need not
// compile it.
//
// Machine code from elsewhere is trust without a limit: it runs outside of any sandbox. So it is taken only if somebody signed it
// whose key was named for that box. What is signed is a statement about the box (in-toto, in a Sigstore bundle) that has the digest
// of every piece of code, the program that each is of, and the machine and engine that all of it is for; to fit, these have to be
// the same to the letter. The pieces themselves follow the statement in the artifact, compressed.
package compiled

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"boxer.dev/internal/intoto"
	"boxer.dev/internal/signature"
	"boxer.dev/oci"
	"boxer.dev/runtime"
)

const (
	// Type of the artifacts.
	Type = "application/vnd.boxer.compiled.v1"

	predicateType                 = "https://boxer.dev/compiled/v1"
	pieceType     types.MediaType = "application/vnd.boxer.code.v1+zstd"
	machineLabel                  = "dev.boxer.machine"
	maxStatement                  = 1 << 20   // bytes
	maxPiece                      = 256 << 20 // bytes of one piece, compressed or not
	maxPieces                     = 64
)

// predicate is what is stated of a box.
type predicate struct {
	Machine string  `json:"machine"`
	Pieces  []piece `json:"pieces"` // in the order in which they follow
}

type piece struct {
	Program string `json:"program"` // SHA-256 in hexadecimal, as all digests here
	Form    uint8  `json:"form"`
	SHA256  string `json:"sha256"` // of the code
	Size    int64  `json:"size"`   // of the code in bytes
}

// ErrOther says that code is for another machine or engine.
var ErrOther = runtime.ErrOtherMachine

// Pack makes an artifact of code for a machine, as the runtime describes it, and signs it. It is about the box.
func Pack(key *signature.PrivateKey, box v1.Descriptor, machine string, codes []runtime.Code) (*oci.Artifact, error) {
	if len(codes) == 0 || len(codes) > maxPieces {
		return nil, fmt.Errorf("%d pieces of machine code cannot be packed", len(codes))
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	if err != nil {
		return nil, err
	}
	defer encoder.Close()
	p := predicate{Machine: machine}
	contents := []oci.Content{{}}
	for _, code := range codes {
		sum := sha256.Sum256(code.Data)
		p.Pieces = append(p.Pieces, piece{hex.EncodeToString(code.Module[:]), code.Form, hex.EncodeToString(sum[:]), int64(len(code.Data))})
		contents = append(contents, oci.Content{MediaType: pieceType, Data: encoder.EncodeAll(code.Data, nil)})
	}
	statement, err := intoto.New(box.Digest, predicateType, p)
	if err != nil {
		return nil, err
	}
	sealed, err := key.Seal(statement)
	if err != nil {
		return nil, err
	}
	contents[0] = oci.Content{MediaType: signature.BundleType, Data: sealed}
	return oci.NewArtifact(box, Type, map[string]string{machineLabel: machine}, contents...)
}

// Unpack gives the code of an artifact about a box, if the key signed it, and for this machine. Until both are known, nothing but
// the statement is read. Errors are signature.ErrSignature, ErrOther, and what is wrong with an artifact that is not what the
// statement says (oci.ErrCorrupt, oci.ErrTooLarge). What is had already is left out, and not read.
func Unpack(key *signature.PublicKey, box v1.Hash, machine string, a *oci.Artifact, had func(runtime.Code) bool) ([]runtime.Code, error) {
	p, err := open(key, box, a)
	if err != nil {
		return nil, err
	}
	if machine == "" || p.Machine != machine {
		return nil, ErrOther
	}
	if len(p.Pieces) != len(a.Manifest().Layers)-1 || len(p.Pieces) > maxPieces {
		return nil, fmt.Errorf("%w: %d pieces of machine code are stated, there are %d", oci.ErrCorrupt, len(p.Pieces), len(a.Manifest().Layers)-1)
	}
	var codes []runtime.Code
	for i, piece := range p.Pieces {
		code, err := piece.code()
		if err != nil {
			return nil, err
		}
		if had(code) {
			continue
		}
		compressed, err := a.Content(i+1, maxPiece)
		if err != nil {
			return nil, err
		}
		if code.Data, err = piece.unpack(compressed); err != nil {
			return nil, err
		}
		codes = append(codes, code)
	}
	return codes, nil
}

// open reads what is stated.
func open(key *signature.PublicKey, box v1.Hash, a *oci.Artifact) (*predicate, error) {
	sealed, err := a.Content(0, maxStatement)
	if err != nil {
		return nil, err
	}
	statement, err := key.Open(sealed)
	if err != nil {
		return nil, err
	}
	// A statement of another kind, or about another box, is good for that only.
	if statement.PredicateType != predicateType || !statement.About(box) {
		return nil, signature.ErrSignature
	}
	var p predicate
	if err := json.Unmarshal(statement.Predicate, &p); err != nil {
		return nil, fmt.Errorf("%w: %w", oci.ErrCorrupt, err)
	}
	return &p, nil
}

// code is the piece without what it consists of.
func (p *piece) code() (code runtime.Code, err error) {
	program, err := hex.DecodeString(p.Program)
	if err != nil || len(program) != len(code.Module) {
		return code, errors.Join(fmt.Errorf("%w: machine code of %q", oci.ErrCorrupt, p.Program), err)
	}
	if p.Size < 0 || p.Size > maxPiece {
		return code, fmt.Errorf("machine code of %d bytes: %w", p.Size, oci.ErrTooLarge)
	}
	copy(code.Module[:], program)
	code.Form = p.Form
	return code, nil
}

// unpack decompresses a piece, which may become as long as stated and no longer.
func (p *piece) unpack(compressed []byte) ([]byte, error) {
	decoder, err := zstd.NewReader(bytes.NewReader(compressed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPiece))
	if err != nil {
		return nil, err
	}
	defer decoder.Close()
	data, err := io.ReadAll(io.LimitReader(decoder, p.Size+1))
	if err != nil {
		return nil, fmt.Errorf("%w: machine code: %w", oci.ErrCorrupt, err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != p.SHA256 {
		return nil, fmt.Errorf("%w: machine code is not what was signed", oci.ErrCorrupt)
	}
	return data, nil
}

package memory

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Digest is a SHA-256: of a module, or of a stored image.
type Digest [sha256.Size]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText gives the digest as hexadecimal digits.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText gives.
func (d *Digest) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(d) {
		return ErrDamaged
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// Header is what an image says of itself.
type Header struct {
	Module  Digest   // of the program whose memory it is
	Parent  *Digest  `json:",omitempty"` // of the image that pages are missing from because they are equal; nil: zeros
	Size    uint64   // of the memory, in bytes: whole pages of WebAssembly
	Globals []Global `json:",omitempty"` // the module's mutable globals, in the order of their indices
	// Program is the name by which the program was called, as in argv[0].
	Program string
	// Files are paths of what was read during initialisation, and Absent of what was looked for in vain. The image
	// speaks of a tree in which both are as they were.
	Files, Absent []string `json:",omitempty"`
	Entropy       int64    `json:",omitempty"` // bytes of it drawn during initialisation
}

// Global is the value of a global, which is exported as Name, encoded as wazero's api.Global has it.
type Global struct {
	Name  string
	Value uint64
}

// MaxSize bounds a memory: what 32 bits can address.
const MaxSize = 4 << 30

const wasmPage = 64 << 10

var (
	// ErrDamaged means that a stored image is not what [Encode] wrote.
	ErrDamaged = errors.New("damaged memory image")
	// ErrForeign means that an image belongs to another module, or is relative to another image than the one at hand.
	ErrForeign = errors.New("memory image of something else")
	// ErrGrown means that a memory is no longer of its image's size.
	ErrGrown = errors.New("the memory has grown")
)

// A stored image is
//
//	magic
//	SHA-256 of all that follows: the image's digest
//	length of the header, 4 bytes, little-endian
//	Header as JSON
//	number of pages, 4 bytes, little-endian
//	their page numbers, ascending, 4 bytes each, little-endian
//	their contents, PageSize bytes each
const magic = "\x00boxer image v1\n"

const prefixSize = len(magic) + sha256.Size

// DigestOf reads the digest that a stored image claims to have, and nothing more.
func DigestOf(stored []byte) (d Digest, err error) {
	if len(stored) < prefixSize || string(stored[:len(magic)]) != magic {
		return d, ErrDamaged
	}
	return Digest(stored[len(magic):prefixSize]), nil
}

// Stored is a stored image whose digest has been checked. It is a view of the bytes that it was parsed from.
type Stored struct {
	Header
	Digest  Digest
	numbers []byte
	pages   []byte
}

// Parse checks a stored image as a whole, its digest first.
func Parse(stored []byte) (*Stored, error) {
	claimed, err := DigestOf(stored)
	if err != nil {
		return nil, err
	}
	rest := stored[prefixSize:]
	if sha256.Sum256(rest) != claimed {
		return nil, fmt.Errorf("%w: its digest is another", ErrDamaged)
	}
	s := &Stored{Digest: claimed}
	head, rest, ok := takeSized(rest)
	if !ok || decodeStrictly(head, &s.Header) != nil {
		return nil, ErrDamaged
	}
	if s.Size > MaxSize || s.Size%wasmPage != 0 || len(rest) < 4 {
		return nil, ErrDamaged
	}
	count := uint64(binary.LittleEndian.Uint32(rest))
	rest = rest[4:]
	if count > s.Size/PageSize || uint64(len(rest)) != count*(4+PageSize) {
		return nil, ErrDamaged
	}
	s.numbers, s.pages = rest[:count*4], rest[count*4:]
	return s, s.checkNumbers()
}

// checkNumbers makes sure that pages are in order and within the memory.
func (s *Stored) checkNumbers() error {
	last := int64(-1)
	for i := range s.Pages() {
		n := int64(s.number(i))
		if n <= last || uint64(n) >= s.Size/PageSize {
			return ErrDamaged
		}
		last = n
	}
	return nil
}

// Pages is how many pages the image holds itself.
func (s *Stored) Pages() int { return len(s.numbers) / 4 }

func (s *Stored) number(i int) uint32 { return binary.LittleEndian.Uint32(s.numbers[4*i:]) }

func (s *Stored) page(i int) []byte { return s.pages[i*PageSize : (i+1)*PageSize] }

// takeSized cuts off a part that its length precedes.
func takeSized(b []byte) (part, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := uint64(binary.LittleEndian.Uint32(b))
	if n > uint64(len(b)-4) {
		return nil, nil, false
	}
	return b[4 : 4+n], b[4+n:], true
}

func decodeStrictly(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// Encode stores a memory of h.Size bytes as the pages in which it differs from parent, and gives the image's digest and
// how many pages those are. It sets h.Parent.
func Encode(w io.Writer, h *Header, memory []byte, parent *Image) (digest Digest, pages int, err error) {
	if uint64(len(memory)) != h.Size || h.Size > MaxSize || h.Size%wasmPage != 0 {
		return digest, 0, fmt.Errorf("a memory of %d bytes, said to be %d, cannot be stored", len(memory), h.Size)
	}
	h.Parent = nil
	if parent != nil {
		if parent.Module != h.Module {
			return digest, 0, fmt.Errorf("%w: the parent is of module %s", ErrForeign, parent.Module)
		}
		h.Parent = &parent.Digest
	}
	head, err := json.Marshal(h)
	if err != nil {
		return digest, 0, err
	}
	body := append(binary.LittleEndian.AppendUint32(nil, uint32(len(head))), head...)
	numbers := differing(memory, parent)
	body = binary.LittleEndian.AppendUint32(body, uint32(len(numbers)))
	for _, n := range numbers {
		body = binary.LittleEndian.AppendUint32(body, n)
	}
	hash := sha256.New()
	hash.Write(body)
	for _, n := range numbers {
		hash.Write(memory[uint64(n)*PageSize:][:PageSize])
	}
	digest = Digest(hash.Sum(nil))
	parts := [][]byte{[]byte(magic), digest[:], body}
	for _, n := range numbers {
		parts = append(parts, memory[uint64(n)*PageSize:][:PageSize])
	}
	for _, part := range parts {
		if _, err := w.Write(part); err != nil {
			return digest, 0, err
		}
	}
	return digest, len(numbers), nil
}

var zeros [PageSize]byte

// differing lists the pages of memory that are not as in parent, or not zero where there is none.
func differing(memory []byte, parent *Image) (numbers []uint32) {
	for at := 0; at < len(memory); at += PageSize {
		was := zeros[:]
		if parent != nil && at < len(parent.bytes) {
			was = parent.bytes[at : at+PageSize]
		}
		if !bytes.Equal(memory[at:at+PageSize], was) {
			numbers = append(numbers, uint32(at/PageSize))
		}
	}
	return numbers
}

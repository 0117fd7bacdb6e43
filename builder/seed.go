package builder

import (
	"crypto/sha256"
	"encoding/binary"
	"io"

	"boxer.dev/internal/repeatable"
)

// seed stands for all that a stage was made of so far: equal inputs, equal seed. RUN gets its random numbers from it, and the
// build cache is keyed by it.
type seed [sha256.Size]byte

// with returns the seed after a further input.
func (s seed) with(kind string, values ...string) seed {
	h := sha256.New()
	h.Write(s[:])
	for _, v := range append([]string{kind}, values...) {
		// Lengths keep "ab", "c" apart from "a", "bc".
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(v))))
		io.WriteString(h, v)
	}
	return seed(h.Sum(nil))
}

// random returns an endless stream that follows from the seed.
func (s seed) random() io.Reader { return repeatable.Random(s) }

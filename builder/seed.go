package builder

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"sync"
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

// random returns an endless stream that follows from the seed: ChaCha8 (https://c2sp.org/chacha8rand).
func (s seed) random() io.Reader { return &entropy{source: rand.NewChaCha8(s)} }

// entropy may be read by the several programs of a pipeline at once.
type entropy struct {
	lock   sync.Mutex
	source *rand.ChaCha8
}

func (e *entropy) Read(p []byte) (int, error) {
	e.lock.Lock()
	defer e.lock.Unlock()
	return e.source.Read(p)
}

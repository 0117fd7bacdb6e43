// Package repeatable has what programs see in place of real time and real randomness where equal inputs have to give equal
// results: in builds, and in runs from which a clock and random numbers are withheld.
package repeatable

import (
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Epoch is when time begins unless told otherwise: the earliest that zip files can hold.
var Epoch = time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)

// step is how far a clock moves from one reading to the next: less than file times can tell.
const step = time.Microsecond

// Clock starts at a time. It moves when it is read, so that waiting for it to move ends, and as often as it is read, so that it
// shows the same times each time. The several programs of a run may read it at once.
func Clock(start time.Time) func() time.Time {
	var reads atomic.Int64
	return func() time.Time { return start.Add(time.Duration(reads.Add(1)) * step) }
}

// Random gives an endless stream that follows from the seed: ChaCha8 (https://c2sp.org/chacha8rand). The several programs of a
// run may read it at once.
func Random(seed [32]byte) io.Reader { return &random{source: rand.NewChaCha8(seed)} }

type random struct {
	lock   sync.Mutex
	source *rand.ChaCha8
}

func (r *random) Read(p []byte) (int, error) {
	r.lock.Lock()
	defer r.lock.Unlock()
	return r.source.Read(p)
}

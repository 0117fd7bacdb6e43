//go:build !((linux || darwin) && (amd64 || arm64))

package memory

import (
	"bytes"
	"errors"
	"io"
)

// Memory is a linear memory (experimental.LinearMemory) on the Go heap.
type Memory struct {
	share
	buffer []byte
	image  *Image
}

// New makes a memory of up to max bytes.
func New(max uint64) *Memory { return &Memory{} }

// Reallocate implements experimental.LinearMemory. Nil means that there is no such memory.
func (m *Memory) Reallocate(size uint64) []byte {
	if !m.grow(size) {
		return nil
	}
	if grow := int(size) - len(m.buffer); grow > 0 {
		m.buffer = append(m.buffer, make([]byte, grow)...)
	}
	return m.buffer[:size]
}

// Free implements experimental.LinearMemory.
func (m *Memory) Free() {
	m.Settle()
	m.buffer, m.image = nil, nil
}

// New makes a memory that begins as a copy of the image.
func (i *Image) New(max uint64) (*Memory, error) {
	return &Memory{buffer: append(make([]byte, 0, len(i.bytes)), i.bytes...), image: i}, nil
}

// load reads the image's file.
func (i *Image) load() error {
	i.bytes = make([]byte, i.Size)
	_, err := io.ReadFull(io.NewSectionReader(i.file, 0, int64(i.Size)), i.bytes)
	return errors.Join(err, i.Close())
}

// Close lets go of the image's file.
func (i *Image) Close() (err error) {
	if i.file != nil {
		err = i.file.Close()
		i.file = nil
	}
	return err
}

// Reset makes the memory equal to its image again. It gives the number of pages, of PageSize bytes, that differed.
// A memory that has grown cannot be reset.
func (m *Memory) Reset() (touched int, err error) {
	if m.image == nil || len(m.buffer) != len(m.image.bytes) {
		return 0, ErrGrown
	}
	touched, _ = m.Touched()
	copy(m.buffer, m.image.bytes)
	return touched, nil
}

// ResetKnown is Reset where that is quick, which it never is here.
func (m *Memory) ResetKnown() (touched int, ok bool) { return 0, false }

// Touched is how many pages of PageSize bytes differ from the image.
func (m *Memory) Touched() (touched int, err error) {
	for at := 0; at < len(m.buffer); at += PageSize {
		if m.image == nil || at >= len(m.image.bytes) || !bytes.Equal(m.buffer[at:at+PageSize], m.image.bytes[at:at+PageSize]) {
			touched++
		}
	}
	return touched, nil
}

func (m *Memory) length() uint64 { return uint64(len(m.buffer)) }

// Bytes are what the memory is now. It may grow, and on some platforms move by that.
func (m *Memory) Bytes() []byte { return m.buffer }

// own is everything: copying costs no more than comparing.
func (m *Memory) own() ([]span, error) { return []span{{0, uint64(len(m.buffer))}}, nil }

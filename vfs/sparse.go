package vfs

import (
	"bytes"
	"io"
	"os"
)

// sparseBlock is the least that a hole takes the place of: the block of most file systems.
const sparseBlock = 4 << 10

var zeroBlock [sparseBlock]byte

// sparseWriter writes a file from its beginning and leaves out blocks of zeros, which then take no room on disk where the
// file system knows holes.
type sparseWriter struct {
	file *os.File
	buf  []byte // its capacity is a multiple of sparseBlock
	off  int64  // in the file, of buf
}

func newSparseWriter(f *os.File) *sparseWriter {
	return &sparseWriter{file: f, buf: make([]byte, 0, 64*sparseBlock)}
}

func (w *sparseWriter) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if err := w.makeRoom(); err != nil {
			return n, err
		}
		m := copy(w.buf[len(w.buf):cap(w.buf)], p[n:])
		w.buf = w.buf[:len(w.buf)+m]
		n += m
	}
	return n, nil
}

// ReadFrom reads to the end of r.
func (w *sparseWriter) ReadFrom(r io.Reader) (n int64, err error) {
	for {
		if err := w.makeRoom(); err != nil {
			return n, err
		}
		m, err := r.Read(w.buf[len(w.buf):cap(w.buf)])
		w.buf = w.buf[:len(w.buf)+m]
		n += int64(m)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

func (w *sparseWriter) makeRoom() error {
	if len(w.buf) < cap(w.buf) {
		return nil
	}
	return w.flush()
}

// flush writes what lies between blocks of zeros.
func (w *sparseWriter) flush() error {
	start := 0
	for at := 0; at < len(w.buf); at += sparseBlock {
		end := min(at+sparseBlock, len(w.buf))
		if !bytes.Equal(w.buf[at:end], zeroBlock[:end-at]) {
			continue
		}
		if err := w.writeRun(start, at); err != nil {
			return err
		}
		start = end
	}
	if err := w.writeRun(start, len(w.buf)); err != nil {
		return err
	}
	w.off += int64(len(w.buf))
	w.buf = w.buf[:0]
	return nil
}

func (w *sparseWriter) writeRun(start, end int) error {
	if start >= end {
		return nil
	}
	_, err := w.file.WriteAt(w.buf[start:end], w.off+int64(start))
	return err
}

// finish writes what is left. The file may end in a hole.
func (w *sparseWriter) finish() error {
	if err := w.flush(); err != nil {
		return err
	}
	return w.file.Truncate(w.off)
}

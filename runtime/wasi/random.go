package wasi

import (
	"crypto/rand"
	"errors"
	"io"
	"syscall"
)

// randomChunk is how much is drawn between looks at the context.
const randomChunk = 64 << 10

// randomGet: buf, buf_len.
func randomGet(c call) errno {
	buf, e := c.out(0, c.u32(1))
	if e != 0 {
		return e
	}
	source := c.Random
	if source == nil {
		source = rand.Reader
	}
	for len(buf) > 0 {
		c.endWith(c.ctx.Err())
		chunk := buf[:min(len(buf), randomChunk)]
		if _, err := io.ReadFull(source, chunk); err != nil {
			return refused(err)
		}
		buf = buf[len(chunk):]
	}
	return 0
}

// refused is what a program is told of a source that fails: EPERM where that is the source's own word.
func refused(err error) errno {
	if errors.Is(err, syscall.EPERM) {
		return errnoPerm
	}
	return errnoIo
}

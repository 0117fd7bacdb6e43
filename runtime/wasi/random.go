package wasi

import (
	"crypto/rand"
	"io"
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
			return errnoIo
		}
		buf = buf[len(chunk):]
	}
	return 0
}

package coreutils

import (
	"encoding/base32"
	"encoding/base64"
	"io"
	"strconv"
)

// encoding is what base64 and base32 share.
type encoding interface {
	EncodeToString([]byte) string
	Decode(dst, src []byte) (int, error)
	DecodedLen(int) int
}

func baseMain(c *call) int {
	opts, operands, status, done := c.parse("d|decode i|ignore-garbage w|wrap:")
	if done {
		return status
	}
	o := flags(opts)
	wrap := 76
	if set(o, "w") {
		n, err := strconv.Atoi(o["w"])
		if err != nil || n < 0 {
			c.errorf("invalid wrap size: %s", quote(o["w"]))
			return 1
		}
		wrap = n
	}
	if len(operands) > 1 {
		return c.usageError("extra operand %s", quote(operands[1]))
	}
	var enc encoding = base64.StdEncoding
	if c.name == "base32" {
		enc = base32.StdEncoding
	}
	c.eachInput(operands, func(_ string, r io.Reader) error {
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if set(o, "d") {
			return c.decode(enc, data, set(o, "i"))
		}
		c.wrap(enc.EncodeToString(data), wrap)
		return nil
	})
	return c.status
}

func (c *call) wrap(text string, width int) {
	if width == 0 {
		c.print(text)
		return
	}
	for len(text) > 0 {
		n := min(width, len(text))
		c.print(text[:n] + "\n")
		text = text[n:]
	}
}

func (c *call) decode(enc encoding, data []byte, lenient bool) error {
	kept := data[:0]
	for _, b := range data {
		known := isAlpha(b) || isDigit(b) || b == '+' || b == '/' || b == '='
		if b != '\n' && (known || !lenient) {
			kept = append(kept, b)
		}
	}
	out := make([]byte, enc.DecodedLen(len(kept)))
	n, err := enc.Decode(out, kept)
	c.out.Write(out[:n])
	if err != nil {
		c.errorf("invalid input")
	}
	return nil
}

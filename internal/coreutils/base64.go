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
		if !set(o, "d") {
			return c.encode(enc, r, wrap)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		return c.decode(enc, data, set(o, "i"))
	})
	return c.status
}

// basePiece is what is encoded or decoded at a time, in bytes: whole groups of either encoding.
const basePiece = 5 * 3 * 8 << 10

// encode writes lines of a width, or one if that is 0.
func (c *call) encode(enc encoding, r io.Reader, width int) error {
	piece := make([]byte, basePiece)
	column := 0
	for {
		n, err := io.ReadFull(r, piece)
		for text := enc.EncodeToString(piece[:n]); len(text) > 0; {
			if width > 0 && column == width {
				c.print("\n")
				column = 0
			}
			part := len(text)
			if width > 0 {
				part = min(part, width-column)
			}
			c.print(text[:part])
			text = text[part:]
			column += part
		}
		if err == nil {
			continue
		}
		if column > 0 && width > 0 {
			c.print("\n")
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		}
		return err
	}
}

func (c *call) decode(enc encoding, data []byte, lenient bool) error {
	kept := data[:0]
	for i, b := range data {
		if i%basePiece == 0 && c.stopped() {
			return nil
		}
		known := isAlpha(b) || isDigit(b) || b == '+' || b == '/' || b == '='
		if b != '\n' && (known || !lenient) {
			kept = append(kept, b)
		}
	}
	out := make([]byte, enc.DecodedLen(basePiece))
	for len(kept) > 0 && !c.stopped() {
		piece := kept[:min(len(kept), basePiece)]
		kept = kept[len(piece):]
		n, err := enc.Decode(out, piece)
		c.out.Write(out[:n])
		if err != nil || len(kept) > 0 && n < len(out) {
			c.errorf("invalid input")
			break
		}
	}
	return nil
}

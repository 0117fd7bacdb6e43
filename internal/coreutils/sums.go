package coreutils

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"io"
	"strings"
)

var digests = map[string]struct {
	tag string
	new func() hash.Hash
}{
	"md5sum":    {"MD5", md5.New},
	"sha1sum":   {"SHA1", sha1.New},
	"sha224sum": {"SHA224", sha256.New224},
	"sha256sum": {"SHA256", sha256.New},
	"sha384sum": {"SHA384", sha512.New384},
	"sha512sum": {"SHA512", sha512.New},
}

func sumMain(c *call) int {
	opts, operands, status, done := c.parse("b|binary t|text c|check tag z|zero ignore-missing quiet status strict w|warn")
	if done {
		return status
	}
	o := flags(opts)
	if len(operands) == 0 {
		operands = []string{"-"}
	}
	if set(o, "c") {
		for _, list := range operands {
			c.checkSums(list, o)
		}
		return c.status
	}
	mark := " "
	if set(o, "b") {
		mark = "*"
	}
	for _, name := range operands {
		sum, err := c.digest(name)
		switch {
		case err != nil:
			c.failed(err, "%s", bareName(name))
		case set(o, "tag"):
			c.printf("%s (%s) = %s\n", digests[c.name].tag, name, sum)
		default:
			c.print(sum + " " + mark + name + lineEnd(set(o, "z")))
		}
	}
	return c.status
}

func (c *call) digest(name string) (string, error) {
	h := digests[c.name].new()
	err := c.input(name, func(_ string, r io.Reader) error {
		_, err := io.Copy(h, r)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// checkSums verifies the files of a list, and says at the end how many did not match.
func (c *call) checkSums(list string, o map[string]string) {
	mismatches, unreadable, valid, improper := 0, 0, 0, 0
	quiet := set(o, "status")
	err := c.input(list, func(_ string, r io.Reader) error {
		return eachLine(r, '\n', func(line []byte, _ bool) bool {
			want, name, ok := c.parseSum(string(line))
			if !ok {
				improper++
				return true
			}
			got, err := c.digest(name)
			switch {
			case err != nil && isNotExist(err) && set(o, "ignore-missing"):
				return true
			case err != nil:
				unreadable++
				if c.failed(err, "%s", bareName(name)); !quiet {
					c.printf("%s: FAILED open or read\n", name)
				}
			case got != want:
				if mismatches++; !quiet {
					c.printf("%s: FAILED\n", name)
				}
			case !quiet && !set(o, "quiet"):
				c.printf("%s: OK\n", name)
			}
			valid++
			return !c.stopped()
		})
	})
	switch {
	case err != nil:
		c.failed(err, "%s", bareName(list))
	case valid == 0:
		c.errorf("%s: no properly formatted checksum lines found", bareName(list))
	}
	if improper > 0 && set(o, "strict") || mismatches > 0 || unreadable > 0 {
		c.status = 1
	}
	if mismatches > 0 && !quiet {
		c.errorf("WARNING: %d computed checksum%s did NOT match", mismatches, plural(mismatches))
	}
	if unreadable > 0 && !quiet {
		c.errorf("WARNING: %d listed file%s could not be read", unreadable, plural(unreadable))
	}
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// parseSum reads "HEX  NAME", "HEX *NAME" or "TAG (NAME) = HEX".
func (c *call) parseSum(line string) (sum, name string, ok bool) {
	line = strings.TrimSuffix(line, "\r")
	if rest, tagged := strings.CutPrefix(line, digests[c.name].tag+" ("); tagged {
		i := strings.LastIndex(rest, ") = ")
		if i < 0 {
			return "", "", false
		}
		name, sum = rest[:i], rest[i+4:]
	} else {
		sum, name, _ = strings.Cut(line, " ")
		if name == "" {
			return "", "", false
		}
		name = name[1:]
	}
	raw, err := hex.DecodeString(sum)
	return strings.ToLower(sum), name, err == nil && len(raw) == digests[c.name].new().Size() && name != ""
}

// cksumMain is POSIX's cksum: CRC-32 with the polynomial 0x04c11db7, the length appended.
func cksumMain(c *call) int {
	_, operands, status, done := c.parse("")
	if done {
		return status
	}
	c.eachInput(operands, func(name string, r io.Reader) error {
		var crc uint32
		n := uint64(0)
		buf := make([]byte, 32<<10)
		for {
			k, err := r.Read(buf)
			for _, b := range buf[:k] {
				crc = crc<<8 ^ cksumTable[byte(crc>>24)^b]
			}
			n += uint64(k)
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
		}
		for l := n; l > 0; l >>= 8 {
			crc = crc<<8 ^ cksumTable[byte(crc>>24)^byte(l)]
		}
		if name == "-" && len(operands) == 0 {
			c.printf("%d %d\n", ^crc, n)
		} else {
			c.printf("%d %d %s\n", ^crc, n, name)
		}
		return nil
	})
	return c.status
}

var cksumTable = func() (table [256]uint32) {
	for i := range table {
		v := uint32(i) << 24
		for range 8 {
			if v&(1<<31) != 0 {
				v = v<<1 ^ 0x04c11db7
			} else {
				v <<= 1
			}
		}
		table[i] = v
	}
	return table
}()

package coreutils

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"

	"boxer.dev/vfs"
)

// A codec is one compression format: gzip and zstd both ways, bzip2 and xz for reading only.
type codec struct {
	name, suffix string
	magic        string
	reader       func(io.Reader) (io.Reader, error)
	writer       func(w io.Writer, level int) (io.WriteCloser, error) // nil: cannot compress
}

// maxWindow bounds the memory that a compressed file can ask for: what xz -9 and zstd --long=27 need.
const maxWindow = 128 << 20

var codecs = []codec{
	{"gzip", ".gz", "\x1f\x8b", newGzipReader, newGzipWriter},
	{"zstd", ".zst", "\x28\xb5\x2f\xfd", newZstdReader, newZstdWriter},
	{"bzip2", ".bz2", "BZh", func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }, nil},
	{"xz", ".xz", "\xfd7zXZ\x00", func(r io.Reader) (io.Reader, error) { return xz.NewReader(r, maxWindow) }, nil},
}

func codecNamed(name string) *codec {
	for i := range codecs {
		if codecs[i].name == name {
			return &codecs[i]
		}
	}
	return nil
}

func newGzipReader(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }

// newGzipWriter leaves the time out of the header: the same data always compresses to the same bytes.
func newGzipWriter(w io.Writer, level int) (io.WriteCloser, error) {
	if level < 1 || level > 9 {
		level = 6
	}
	z, err := gzip.NewWriterLevel(w, level)
	if err == nil {
		z.ModTime, z.OS = time.Time{}, 255
	}
	return z, err
}

func newZstdReader(r io.Reader) (io.Reader, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

func newZstdWriter(w io.Writer, level int) (io.WriteCloser, error) {
	return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(max(level, 3))), zstd.WithEncoderConcurrency(1))
}

// detect returns the codec that data starts with, nil if none.
func detect(br *bufio.Reader) *codec {
	head, _ := br.Peek(6)
	for i := range codecs {
		if bytes.HasPrefix(head, []byte(codecs[i].magic)) {
			return &codecs[i]
		}
	}
	return nil
}

// compressNames are the commands by what they do: format, decompress, write to standard output.
var compressNames = map[string]struct {
	format          string
	decompress, cat bool
}{
	"gzip": {"gzip", false, false}, "gunzip": {"gzip", true, false}, "zcat": {"gzip", true, true},
	"bzip2": {"bzip2", false, false}, "bunzip2": {"bzip2", true, false}, "bzcat": {"bzip2", true, true},
	"xz": {"xz", false, false}, "unxz": {"xz", true, false}, "xzcat": {"xz", true, true},
	"zstd": {"zstd", false, false}, "unzstd": {"zstd", true, false}, "zstdcat": {"zstd", true, true},
}

const compressOptions = "c|stdout|to-stdout d|decompress|uncompress f|force k|keep n|no-name N|name q|quiet r|recursive" +
	" S|suffix: t|test v|verbose z|compress o: T: 1|fast 2 3 4 5 6 7 8 9|best rm e|extreme"

func compressMain(c *call) int {
	opts, operands, status, done := c.parse(compressOptions)
	if done {
		return status
	}
	how := compressNames[c.name]
	z := &compressor{call: c, o: flags(opts), codec: codecNamed(how.format), decompress: how.decompress, cat: how.cat}
	for _, o := range opts {
		switch {
		case o.name == "d":
			z.decompress = true
		case o.name == "z":
			z.decompress = false
		case o.name == "c":
			z.cat = true
		case len(o.name) == 1 && isDigit(o.name[0]):
			z.level = int(o.name[0] - '0')
		}
	}
	if set(z.o, "t") {
		z.decompress = true
	}
	z.keep = set(z.o, "k") || z.cat || how.format == "zstd" && !set(z.o, "rm")
	if !z.decompress && z.codec.writer == nil {
		c.errorf("a box cannot compress %s, only decompress: use gzip or zstd", z.codec.name)
		return 1
	}
	if len(operands) == 0 {
		operands = []string{"-"}
	}
	for _, name := range operands {
		if c.stopped() {
			break
		}
		if err := z.file(name); err != nil {
			shown := name
			if name == "-" {
				shown = "stdin"
			}
			c.failed(err, "%s", shown)
			if _, ok := errors.AsType[skippedError](err); ok {
				c.status = 2 // gzip's status for a warning
			}
		}
	}
	return c.status
}

// skippedError says why a file was left as it is.
type skippedError struct{ errInvalid }

type compressor struct {
	*call
	o               map[string]string
	codec           *codec
	decompress, cat bool
	keep            bool
	level           int
}

func (z *compressor) suffix() string {
	if s := z.o["S"]; s != "" {
		return "." + strings.TrimPrefix(s, ".")
	}
	return z.codec.suffix
}

func (z *compressor) file(name string) error {
	if name != "-" && z.decompress && !z.exists(name) && z.exists(name+z.suffix()) {
		name += z.suffix()
	}
	return z.input(name, func(_ string, r io.Reader) error {
		if set(z.o, "t") {
			return z.convert(io.Discard, r)
		}
		if name == "-" || z.cat {
			return z.convert(z.out, r)
		}
		target, err := z.target(name)
		if err != nil {
			return err
		}
		return z.replace(name, target, r)
	})
}

func (z *compressor) target(name string) (string, error) {
	if z.o["o"] != "" {
		return z.o["o"], nil
	}
	if !z.decompress {
		if strings.HasSuffix(name, z.suffix()) && !set(z.o, "f") {
			return "", skippedError{errInvalid("already has " + z.suffix() + " suffix -- unchanged")}
		}
		return name + z.suffix(), nil
	}
	for _, s := range [][2]string{{z.suffix(), ""}, {".tgz", ".tar"}, {".tbz2", ".tar"}, {".txz", ".tar"}, {".tzst", ".tar"}} {
		if stem, ok := strings.CutSuffix(name, s[0]); ok && stem != "" {
			return stem + s[1], nil
		}
	}
	return "", skippedError{errInvalid("unknown suffix -- ignored")}
}

// replace writes target and removes name, keeping mode, owner and times.
func (z *compressor) replace(name, target string, r io.Reader) error {
	if z.exists(target) && !set(z.o, "f") {
		return skippedError{errInvalid(target + " already exists; not overwritten")}
	}
	st, err := z.Env.stat(name)
	if err != nil {
		return err
	}
	f, err := z.createFile(target, vfs.O_WRONLY|vfs.O_CREATE|vfs.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = z.convert(f, r)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		z.FS.Remove(z.abs(target))
		return err
	}
	cp := &copier{call: z.call, mode: true, owner: true, times: true}
	if err := cp.attributes(target, st); err != nil || z.keep {
		return err
	}
	return z.FS.Remove(z.abs(name))
}

func (z *compressor) convert(w io.Writer, r io.Reader) error {
	if !z.decompress {
		zw, err := z.codec.writer(w, z.level)
		if err != nil {
			return err
		}
		if _, err := io.Copy(zw, r); err != nil {
			return err
		}
		return zw.Close()
	}
	br := bufio.NewReader(r)
	if head, _ := br.Peek(len(z.codec.magic)); string(head) != z.codec.magic {
		if z.cat && set(z.o, "f") {
			_, err := io.Copy(w, br)
			return err
		}
		return errInvalid("not in " + z.codec.name + " format")
	}
	zr, err := z.codec.reader(br)
	if err != nil {
		return err
	}
	if closer, ok := zr.(io.Closer); ok {
		defer closer.Close()
	}
	_, err = io.Copy(w, cancelReader{z.ctx, zr}) // a little of it may become much
	if err != nil && !z.stopped() && !isFileError(err) {
		err = errors.Join(errInvalid("invalid compressed data"), err)
	}
	return err
}

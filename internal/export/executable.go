package export

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"boxer.dev/internal/hint"
	"boxer.dev/internal/macho"
	"boxer.dev/oci"
)

// carriedMark ends the zip archive in an executable that carries a box: it is the archive's comment. Zip archives are found from the
// end of a file, so that any unzip(1) lists what such an executable carries, if there is no signature.
const carriedMark = "an executable of boxer's, with its box"

// padding is how many zero bytes at most there are between the archive and a signature.
const padding = 15

// zipEnd is the size of the end of a zip archive's directory, without the comment (APPNOTE.TXT, 4.3.16).
const zipEnd = 22

// Executable writes one file that runs a box: boxer's own executable with the box in it, as an OCI image layout in a zip archive.
// Blobs that boxer has of itself are left out. The archive follows all else in the file; only in executables of macOS there is
// a signature behind it, made anew: what is not signed does not run there. Others can be signed afterwards.
func Executable(w io.Writer, boxer *io.SectionReader, has func(blob string) bool, img oci.NamedImage) error {
	mach, err := macho.Open(boxer, boxer.Size())
	if errors.Is(err, macho.ErrUniversal) {
		return hint.To(err, "lipo -thin arm64 makes an executable for one processor of it")
	}
	if err != nil {
		return err
	}
	if mach == nil && certificates(boxer, boxer.Size()) != boxer.Size() {
		return hint.To(errors.New("it is signed, and would not be what was signed"), "name a boxer without signature, and sign what is made of it")
	}
	if mach == nil {
		if _, err := io.Copy(w, boxer); err != nil {
			return fmt.Errorf("copying boxer: %w", err)
		}
		return writeCarried(w, boxer.Size(), has, img)
	}
	size := &counter{}
	if err := writeCarried(size, mach.End(), has, img); err != nil {
		return err
	}
	return mach.WriteWith(w, identifier, size.n, func(w io.Writer) error { return writeCarried(w, mach.End(), has, img) })
}

// identifier is what the signature of an executable of macOS calls it.
const identifier = "dev.boxer.box"

// counter is a writer that only counts.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// writeCarried writes the archive of a box that begins at an offset of a file.
func writeCarried(w io.Writer, offset int64, has func(blob string) bool, img oci.NamedImage) error {
	archive := zip.NewWriter(w)
	archive.SetOffset(offset)
	if err := archive.SetComment(carriedMark); err != nil {
		return err
	}
	err := layout([]oci.NamedImage{img}, func(name string, content io.Reader) error {
		if has(name) {
			return nil
		}
		entry, err := archive.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store}) // blobs are compressed already
		if err == nil {
			_, err = io.Copy(entry, content)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("adding the box: %w", err)
	}
	return archive.Close()
}

// Carried gives the OCI image layout in an executable that Executable wrote, without the blobs that were left out; nil if it
// carries none.
func Carried(executable io.ReaderAt, size int64) (fs.FS, error) {
	mach, err := macho.Open(executable, size)
	if err != nil && !errors.Is(err, macho.ErrUniversal) {
		return nil, err
	}
	if mach != nil {
		size = min(size, mach.End())
	}
	size = certificates(executable, size)
	end := make([]byte, zipEnd+len(carriedMark)+padding)
	if size < int64(len(end)) {
		return nil, nil
	}
	if _, err := executable.ReadAt(end, size-int64(len(end))); err != nil {
		return nil, err
	}
	last := bytes.TrimRight(end, "\x00")
	size -= int64(len(end) - len(last))
	if last = last[max(0, len(last)-zipEnd-len(carriedMark)):]; !bytes.HasPrefix(last, []byte("PK\x05\x06")) || !bytes.HasSuffix(last, []byte(carriedMark)) {
		return nil, nil
	}
	archive, err := zip.NewReader(executable, size)
	if err != nil {
		return nil, fmt.Errorf("reading the box that it carries: %w", err)
	}
	return archive, nil
}

package export

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"io/fs"

	"boxer.dev/oci"
)

// carriedMark ends an executable that carries a box: it is the comment of the zip archive that follows boxer's own code. Zip
// archives are found from the end of a file, so that any unzip(1) lists what such an executable carries.
const carriedMark = "an executable of boxer's, with its box"

// zipEnd is the size of the end of a zip archive's directory, without the comment (APPNOTE.TXT, 4.3.16).
const zipEnd = 22

// Executable writes one file that runs a box: boxer's own executable and, behind it, the box as an OCI image layout in a zip
// archive. Blobs that boxer has of itself are left out.
func Executable(w io.Writer, boxer io.Reader, has func(blob string) bool, img oci.NamedImage) error {
	size, err := io.Copy(w, boxer)
	if err != nil {
		return fmt.Errorf("copying boxer: %w", err)
	}
	archive := zip.NewWriter(w)
	archive.SetOffset(size)
	if err := archive.SetComment(carriedMark); err != nil {
		return err
	}
	err = layout([]oci.NamedImage{img}, func(name string, content io.Reader) error {
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
	end := make([]byte, zipEnd+len(carriedMark))
	if size < int64(len(end)) {
		return nil, nil
	}
	if _, err := executable.ReadAt(end, size-int64(len(end))); err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(end, []byte("PK\x05\x06")) || !bytes.HasSuffix(end, []byte(carriedMark)) {
		return nil, nil
	}
	archive, err := zip.NewReader(executable, size)
	if err != nil {
		return nil, fmt.Errorf("reading the box that it carries: %w", err)
	}
	return archive, nil
}

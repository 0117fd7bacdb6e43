package builder

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

const tarBlock = 512

// isTar is whether a file that begins with head is a tar archive: the first header has the right checksum (pax(1), ustar
// interchange format). Those of Unix V7 have no other mark.
func isTar(head []byte) bool {
	const field, size = 148, 8
	if len(head) < tarBlock {
		return false
	}
	want, err := strconv.ParseInt(string(bytes.Trim(head[field:field+size], " \x00")), 8, 32)
	if err != nil {
		return false
	}
	sum := int64(size) * ' '
	for i, c := range head[:tarBlock] {
		if i < field || i >= field+size {
			sum += int64(c)
		}
	}
	return sum == want
}

// unpackInto unpacks an archive onto the host. Nothing gets out of root, whatever links the archive makes. Devices and pipes
// are left out: no instruction could copy them.
func unpackInto(root *os.Root, r io.Reader, in *inflation) error {
	t := tar.NewReader(in.tar(r))
	var size int64
	for files := 0; ; files++ {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if files >= maxArchiveFiles {
			return fmt.Errorf("it holds more than %d files", maxArchiveFiles)
		}
		if size += h.Size; h.Size < 0 || size > maxArchiveBytes {
			return fmt.Errorf("it holds more than %d bytes", int64(maxArchiveBytes))
		}
		if err := unpackEntry(root, h, in.of(t)); err != nil {
			return fmt.Errorf("%s: %w", quote(h.Name), bareLink(err))
		}
	}
}

func unpackEntry(root *os.Root, h *tar.Header, data io.Reader) error {
	name := path.Clean(strings.TrimLeft(h.Name, "/"))
	if name == ".." || strings.HasPrefix(name, "../") {
		return errors.New("it leads out of the archive")
	}
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name = filepath.FromSlash(name)
	if dir := filepath.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	mode := h.FileInfo().Mode().Perm()
	switch h.Typeflag {
	case tar.TypeDir:
		if err := root.MkdirAll(name, 0o755); err != nil {
			return err
		}
		return root.Chmod(name, mode|0o700) // its contents are still to come, and to be read
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		return unpackFile(root, name, mode, data)
	case tar.TypeSymlink:
		if err := removeFile(root, name); err != nil {
			return err
		}
		return root.Symlink(filepath.FromSlash(h.Linkname), name)
	case tar.TypeLink:
		if err := removeFile(root, name); err != nil {
			return err
		}
		return root.Link(filepath.FromSlash(path.Clean(strings.TrimLeft(h.Linkname, "/"))), name)
	}
	return nil
}

func unpackFile(root *os.Root, name string, mode fs.FileMode, data io.Reader) error {
	if err := removeFile(root, name); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, data)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return root.Chmod(name, mode|0o400)
}

// removeFile makes room for a file, as tar does where a name comes twice.
func removeFile(root *os.Root, name string) error {
	err := root.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

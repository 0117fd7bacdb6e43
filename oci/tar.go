package oci

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"boxer.dev/vfs"
)

// writeTar writes changes in order. Headers say what an entry says and nothing of the machine or the user, in the simplest
// format that can say it: ustar, else pax (POSIX.1-2024, pax).
func writeTar(w io.Writer, changes []vfs.Change) error {
	tw := tarWriter{tar.NewWriter(w), make([]byte, copySize)}
	entries := make(map[string]vfs.Entry, len(changes))
	for _, change := range changes {
		if _, ok := entries[change.Path]; ok {
			return fmt.Errorf("%q: changed twice", change.Path)
		}
		if change.HardLink != "" {
			// Tools that unpack a link set the attributes that its header has.
			target, ok := entries[change.HardLink]
			if !ok {
				return fmt.Errorf("%q: links to %q, which is not in the layer", change.Path, change.HardLink)
			}
			change.Mode, change.UID, change.GID, change.ModTime = target.Mode, target.UID, target.GID, target.ModTime
		}
		entries[change.Path] = change.Entry
		if err := tw.writeChange(change); err != nil {
			return fmt.Errorf("%q: %w", change.Path, err)
		}
	}
	return tw.Close()
}

const copySize = 64 << 10

// tarWriter copies contents of files with one buffer.
type tarWriter struct {
	*tar.Writer
	buffer []byte
}

func (tw tarWriter) writeChange(change vfs.Change) error {
	if !fs.ValidPath(strings.ToValidUTF8(change.Path, "?")) {
		return fs.ErrInvalid
	}
	if strings.HasPrefix(path.Base(change.Path), whiteoutPrefix) {
		return errReserved
	}
	header, err := headerOf(change.Entry)
	if err != nil {
		return err
	}
	if err := tw.WriteHeader(header); err != nil {
		return err
	}
	if header.Typeflag == tar.TypeReg && header.Size > 0 {
		if err := tw.writeContent(change); err != nil {
			return err
		}
	}
	if change.Opaque {
		return tw.WriteHeader(&tar.Header{Name: path.Join(change.Path, opaqueName), Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0)})
	}
	return nil
}

func (tw tarWriter) writeContent(change vfs.Change) error {
	content, err := change.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	n, err := io.CopyBuffer(tw.Writer, onlyReader{content}, tw.buffer)
	if err == nil && n != change.Size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// onlyReader keeps io.CopyBuffer from ways to copy that bring a buffer of their own.
type onlyReader struct{ io.Reader }

func headerOf(e vfs.Entry) (*tar.Header, error) {
	if e.Whiteout {
		return &tar.Header{Name: whiteoutName(e.Path), Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0)}, nil
	}
	header := &tar.Header{
		Name:    e.Path,
		Mode:    tarMode(e.Mode),
		Uid:     int(e.UID),
		Gid:     int(e.GID),
		ModTime: e.ModTime,
	}
	if e.ModTime.Nanosecond() != 0 {
		header.Format = tar.FormatPAX // ustar would drop it in silence
	}
	switch {
	case e.HardLink != "":
		header.Typeflag, header.Linkname = tar.TypeLink, e.HardLink
	case e.Mode.IsRegular():
		header.Typeflag, header.Size = tar.TypeReg, e.Size
	case e.Mode.IsDir():
		header.Typeflag, header.Name = tar.TypeDir, e.Path+"/"
	case e.Mode&fs.ModeType == fs.ModeSymlink:
		header.Typeflag, header.Linkname = tar.TypeSymlink, e.Symlink
	default:
		return nil, fmt.Errorf("a layer cannot hold a %s", e.Mode.Type())
	}
	return header, nil
}

// Bits of a tar header's mode beyond the permissions (POSIX.1-2024, ustar).
const (
	tarSetuid = 0o4000
	tarSetgid = 0o2000
	tarSticky = 0o1000
)

func tarMode(mode fs.FileMode) int64 {
	bits := int64(mode.Perm())
	if mode&fs.ModeSetuid != 0 {
		bits |= tarSetuid
	}
	if mode&fs.ModeSetgid != 0 {
		bits |= tarSetgid
	}
	if mode&fs.ModeSticky != 0 {
		bits |= tarSticky
	}
	return bits
}

func fileMode(bits int64) fs.FileMode {
	mode := fs.FileMode(bits) & fs.ModePerm
	if bits&tarSetuid != 0 {
		mode |= fs.ModeSetuid
	}
	if bits&tarSetgid != 0 {
		mode |= fs.ModeSetgid
	}
	if bits&tarSticky != 0 {
		mode |= fs.ModeSticky
	}
	return mode
}

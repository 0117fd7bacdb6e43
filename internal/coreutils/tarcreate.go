package coreutils

import (
	"archive/tar"
	"bufio"
	"errors"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"boxer.dev/vfs"
)

// tarWriter makes an archive. Members come in the order of the operands, those of a directory sorted by name.
type tarWriter struct {
	*tarCommand
	tw        *tar.Writer
	seen      map[fileID]string // files with several names
	archive   vfs.Stat          // of -f, which is left out
	inFile    bool
	recursive bool
}

func (t *tarCommand) create() int {
	if len(t.names) == 0 {
		t.errorf("Cowardly refusing to create an empty archive")
		return 2
	}
	w := &tarWriter{tarCommand: t, seen: map[fileID]string{}, recursive: true}
	if _, ok := t.o["no-recursion"]; ok {
		w.recursive = false
	}
	out, closeAll, err := w.openOutput()
	if err != nil {
		t.errorf("%s: Cannot open: %s", t.o["f"], errText(err))
		return 2
	}
	w.tw = tar.NewWriter(out)
	for _, n := range t.names {
		if t.ctx.Err() != nil {
			break
		}
		t.Dir = n.dir
		w.add(n.name)
	}
	err = w.tw.Close()
	if cerr := closeAll(); err == nil {
		err = cerr
	}
	if err != nil && !t.broken {
		t.failed(err, "Cannot write")
		return 2
	}
	if t.status != 0 {
		t.errorf("Exiting with failure status due to previous errors")
		return 2
	}
	return 0
}

func (w *tarWriter) openOutput() (io.Writer, func() error, error) {
	name := w.o["f"]
	var out io.WriteCloser = nopWriteCloser{w.out}
	if name != "" && name != "-" {
		f, err := w.call.create(name, vfs.O_TRUNC)
		if err != nil {
			return nil, nil, err
		}
		w.archive, err = w.Env.stat(name)
		w.inFile = err == nil
		out = f
	}
	z := w.codec
	if _, auto := w.o["a"]; auto && z == nil {
		for i := range codecs {
			if strings.HasSuffix(name, codecs[i].suffix) || strings.HasSuffix(name, ".t"+codecs[i].suffix[1:]) {
				z = &codecs[i]
			}
		}
	}
	if z == nil {
		return out, out.Close, nil
	}
	if z.writer == nil {
		return nil, nil, errInvalid("a box cannot compress " + z.name + ": use gzip or zstd")
	}
	zw, err := z.writer(out, 0)
	if err != nil {
		return nil, nil, err
	}
	return zw, func() error { return errors.Join(zw.Close(), out.Close()) }, nil
}

func (w *tarWriter) add(name string) {
	if w.ctx.Err() != nil || w.excluded(name) {
		return
	}
	stat := w.lstat
	if _, follow := w.o["h"]; follow {
		stat = w.Env.stat
	}
	st, err := stat(name)
	if err != nil {
		w.errorf("%s: Cannot stat: %s", name, errText(err))
		return
	}
	if w.inFile && sameFile(st, w.archive) {
		w.warnOnce("%s: archive cannot contain itself; not dumped", name)
		return
	}
	if err := w.member(name, st); err != nil {
		w.errorf("%s: %s", name, errText(err))
		return
	}
	if !st.IsDir() || !w.recursive {
		return
	}
	entries, err := w.readDir(name)
	if err != nil {
		w.errorf("%s: Cannot open: %s", name, errText(err))
		return
	}
	for _, e := range entries {
		w.add(join(name, e.Name()))
	}
}

func (w *tarWriter) member(name string, st vfs.Stat) error {
	stored := w.safeName(name, "member names")
	if stored = w.rename(stored); stored == "" {
		return nil
	}
	h := &tar.Header{Name: stored, Mode: int64(unixBits(st.Mode)), Uid: int(st.UID), Gid: int(st.GID), Format: tar.FormatGNU,
		Uname: knownName(w.users(), st.UID), Gname: knownName(w.groups(), st.GID)}
	var err error
	if h.ModTime, err = w.memberTime(st); err != nil {
		return err
	}
	if err := w.override(h); err != nil {
		return err
	}
	if first, ok := w.seen[idOf(st)]; ok && !st.IsDir() {
		h.Typeflag, h.Linkname = tar.TypeLink, first
		return w.write(h, nil)
	}
	if st.Nlink > 1 && !st.IsDir() {
		w.seen[idOf(st)] = stored
	}
	switch {
	case st.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, trimSlashes(stored)+"/"
	case isSymlink(st.Mode):
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = w.FS.Readlink(w.abs(name)); err != nil {
			return err
		}
	case st.Mode.IsRegular():
		return w.regular(name, h)
	case st.Mode&fs.ModeNamedPipe != 0:
		h.Typeflag = tar.TypeFifo
	default:
		w.errorf("%s: special file not archived", name)
		return nil
	}
	return w.write(h, nil)
}

func (w *tarWriter) regular(name string, h *tar.Header) error {
	f, err := w.FS.Open(w.abs(name), vfs.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	h.Typeflag, h.Size = tar.TypeReg, st.Size
	return w.write(h, io.LimitReader(cancelReader{w.ctx, f}, st.Size))
}

func (w *tarWriter) write(h *tar.Header, data io.Reader) error {
	if w.verbose > 0 {
		lister := *w.tarCommand
		if w.o["f"] == "" || w.o["f"] == "-" {
			lister.out = bufio.NewWriter(w.Stderr) // the archive goes to standard output
			defer lister.out.Flush()
		}
		lister.list(h, h.Name, w.verbose > 1)
	}
	if err := w.tw.WriteHeader(h); err != nil || data == nil {
		return err
	}
	return copyData(w.tw, data)
}

// override applies --owner, --group and --mode.
func (w *tarWriter) override(h *tar.Header) error {
	if s, ok := w.o["owner"]; ok {
		name, id, _ := strings.Cut(strings.TrimPrefix(s, "+"), ":")
		uid, _, err := w.parseOwner(name)
		if n, nerr := strconv.Atoi(id); nerr == nil {
			uid, err = n, nil
		}
		if err != nil {
			return err
		}
		h.Uid, h.Uname = uid, knownName(w.users(), uint32(uid))
	}
	if s, ok := w.o["group"]; ok {
		name, id, _ := strings.Cut(strings.TrimPrefix(s, "+"), ":")
		gid, err := w.parseGroup(name)
		if n, nerr := strconv.Atoi(id); nerr == nil {
			gid, err = n, nil
		}
		if err != nil {
			return err
		}
		h.Gid, h.Gname = gid, knownName(w.groups(), uint32(gid))
	}
	if _, ok := w.o["numeric-owner"]; ok {
		h.Uname, h.Gname = "", ""
	}
	if s, ok := w.o["mode"]; ok {
		change, err := parseMode(s)
		if err != nil {
			return err
		}
		h.Mode = int64(unixBits(change.apply(fileMode(uint32(h.Mode)), w.umask())))
	}
	return nil
}

func knownName(list []account, id uint32) string {
	for _, a := range list {
		if a.uid == id {
			return a.name
		}
	}
	return ""
}

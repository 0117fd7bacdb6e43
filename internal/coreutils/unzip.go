package coreutils

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"boxer.dev/vfs"
)

func unzipMain(c *call) int {
	opts, operands, status, done := c.parse("d: o n q l p j t v u x:")
	if done {
		return status
	}
	if len(operands) == 0 {
		return c.missingOperand(nil)
	}
	o := flags(opts)
	z, closeArchive, err := c.openZip(operands[0])
	if err != nil {
		c.errorf("cannot find or open %s: %s", operands[0], errText(err))
		return 9
	}
	defer closeArchive()
	u := &unzipper{call: c, o: o, patterns: operands[1:]}
	if !set(o, "p") && !set(o, "q") {
		c.printf("Archive:  %s\n", operands[0])
	}
	switch {
	case set(o, "l"), set(o, "v"):
		u.list(z)
		return 0
	}
	if err := u.prepare(); err != nil {
		c.failed(err, "%s", o["d"])
		return 2
	}
	for _, f := range z.File {
		if u.wanted(f.Name) && !c.stopped() {
			if err := u.member(f); err != nil {
				c.failed(err, "%s", f.Name)
			}
		}
	}
	u.x.finish()
	return c.status
}

func (c *call) openZip(name string) (*zip.Reader, func(), error) {
	if !c.exists(name) && c.exists(name+".zip") {
		name += ".zip"
	}
	f, err := c.FS.Open(c.abs(name), vfs.O_RDONLY, 0)
	if err != nil {
		return nil, nil, err
	}
	st, err := f.Stat()
	if err == nil {
		var z *zip.Reader
		if z, err = zip.NewReader(f, st.Size); err == nil {
			return z, func() { f.Close() }, nil
		}
	}
	f.Close()
	return nil, nil, err
}

type unzipper struct {
	*call
	o        map[string]string
	patterns []string
	x        *extractor // members are written as tar's are
}

func (u *unzipper) prepare() error {
	t := &tarCommand{call: u.call, o: map[string]string{"no-same-owner": "", "p": ""}, warned: map[string]bool{}}
	if dir := u.o["d"]; dir != "" {
		if err := (dirMaker{c: u.call}).all(dir, fs.ModeDir|0o777&^u.umask()); err != nil {
			return err
		}
		u.Dir = u.abs(dir)
	}
	u.x = newExtractor(t, u.Dir)
	return u.x.openRoot()
}

func (u *unzipper) wanted(name string) bool {
	if set(u.o, "x") && anyPattern([]string{u.o["x"]}, name) {
		return false
	}
	return len(u.patterns) == 0 || anyPattern(u.patterns, name)
}

func anyPattern(patterns []string, name string) bool {
	for _, p := range patterns {
		if match, err := globMatcher(p, false); err == nil && match(name) {
			return true
		}
	}
	return false
}

func (u *unzipper) list(z *zip.Reader) {
	u.print("  Length      Date    Time    Name\n---------  ---------- -----   ----\n")
	total, count := uint64(0), 0
	for _, f := range z.File {
		if u.wanted(f.Name) {
			u.printf("%9d  %s   %s\n", f.UncompressedSize64, strftime("%Y-%m-%d %H:%M", f.Modified.UTC()), f.Name)
			total += f.UncompressedSize64
			count++
		}
	}
	u.printf("---------                     -------\n%9d                     %d file%s\n", total, count, plural(count))
}

func (u *unzipper) member(f *zip.File) error {
	mode := f.Mode()
	if set(u.o, "p") || set(u.o, "t") {
		return u.show(f)
	}
	name := strings.ReplaceAll(f.Name, `\`, "/")
	if set(u.o, "j") {
		if name = base(name); mode.IsDir() {
			return nil
		}
	}
	h := &tar.Header{Name: name, Mode: int64(unixBits(mode)), ModTime: f.Modified.UTC(), Typeflag: tar.TypeReg}
	if f.CreatorVersion>>8 != 3 && f.CreatorVersion>>8 != 19 { // made where there are no modes
		h.Mode = int64(0o666 &^ u.umask())
		if mode.IsDir() {
			h.Mode = int64(0o777 &^ u.umask())
		}
	}
	if mode.IsDir() || strings.HasSuffix(name, "/") {
		h.Typeflag = tar.TypeDir
		return u.write(h, strings.NewReader(""), "   creating")
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	if mode&fs.ModeSymlink != 0 {
		var target bytes.Buffer
		if _, err := io.CopyN(&target, r, vfs.MaxPath); err != nil && err != io.EOF {
			return err
		}
		h.Typeflag, h.Linkname = tar.TypeSymlink, target.String()
		return u.write(h, strings.NewReader(""), "    linking")
	}
	return u.write(h, r, "  inflating")
}

func (u *unzipper) show(f *zip.File) error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	if set(u.o, "t") {
		_, err = io.Copy(io.Discard, r)
		return err
	}
	return u.copyOut(r)
}

func (u *unzipper) write(h *tar.Header, r io.Reader, what string) error {
	name := u.x.safeName(h.Name, "member names")
	dst := join(u.Dir, name)
	if old, err := u.lstat(dst); err == nil && h.Typeflag != tar.TypeDir && !old.IsDir() && !set(u.o, "o") {
		if set(u.o, "n") || !u.confirm("replace %s? [y]es, [n]o: ", name) {
			return nil
		}
	}
	if !set(u.o, "q") {
		fmt.Fprintf(u.out, "%s: %s\n", what, name)
	}
	return u.x.extract(name, h, r)
}

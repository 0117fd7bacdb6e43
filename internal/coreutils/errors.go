package coreutils

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// errnoTexts are the messages of glibc's strerror(3), which are the same whatever host boxer runs on.
var errnoTexts = []struct {
	errno syscall.Errno
	text  string
}{
	{syscall.ENOENT, "No such file or directory"},
	{syscall.EEXIST, "File exists"},
	{syscall.ENOTDIR, "Not a directory"},
	{syscall.EISDIR, "Is a directory"},
	{syscall.ENOTEMPTY, "Directory not empty"},
	{syscall.EACCES, "Permission denied"},
	{syscall.EPERM, "Operation not permitted"},
	{syscall.EROFS, "Read-only file system"},
	{syscall.EINVAL, "Invalid argument"},
	{syscall.ELOOP, "Too many levels of symbolic links"},
	{syscall.ENAMETOOLONG, "File name too long"},
	{syscall.ENOSPC, "No space left on device"},
	{syscall.EXDEV, "Invalid cross-device link"},
	{syscall.EBUSY, "Device or resource busy"},
	{syscall.EMLINK, "Too many links"},
	{syscall.EBADF, "Bad file descriptor"},
	{syscall.EFBIG, "File too large"},
	{syscall.EIO, "Input/output error"},
	{syscall.EPIPE, "Broken pipe"},
	{syscall.ENOTSUP, "Operation not supported"},
	{syscall.ENOSYS, "Function not implemented"},
}

// errText returns the reason of an error as strerror(3) would put it.
func errText(err error) string {
	for _, t := range errnoTexts {
		if errors.Is(err, t.errno) {
			return t.text
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "No such file or directory"
	case errors.Is(err, fs.ErrExist):
		return "File exists"
	case errors.Is(err, fs.ErrPermission):
		return "Permission denied"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "unexpected end of file"
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

// ErrorText returns the reason of a file system's error as strerror(3) puts it ("No such file or directory").
func ErrorText(err error) string { return errText(err) }

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

func isBrokenPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, os.ErrClosed)
}

// quote puts a name in a message as GNU's shell-escape-always style does: 'name', with what a
// terminal would obey shown as $'\033'.
func quote(s string) string {
	if isPlain(s) {
		if !strings.Contains(s, "'") {
			return "'" + s + "'"
		}
		if !strings.ContainsAny(s, "\"$`\\!") {
			return `"` + s + `"`
		}
	}
	var b strings.Builder
	b.WriteByte('\'')
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\'':
			b.WriteString(`'\''`)
		case (r == utf8.RuneError && n == 1) || !unicode.IsPrint(r):
			b.WriteString(`'$'`)
			for _, c := range []byte(s[i : i+n]) {
				b.WriteString(escapeByte(c))
			}
			b.WriteString(`''`)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	b.WriteByte('\'')
	return b.String()
}

func isPlain(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

func escapeByte(c byte) string {
	const named = "\a\b\t\n\v\f\r"
	if i := strings.IndexByte(named, c); i >= 0 {
		return `\` + string("abtnvfr"[i])
	}
	return `\` + string([]byte{'0' + c>>6, '0' + c>>3&7, '0' + c&7})
}

// Reasons that utilities themselves give.
const (
	errIsDir  = syscall.EISDIR
	errNotDir = syscall.ENOTDIR
	errLoop   = syscall.ELOOP
	errExists = syscall.EEXIST
	errPerm   = syscall.EPERM
)

func isNotEmpty(err error) bool {
	return errors.Is(err, syscall.ENOTEMPTY)
}

func isCrossDevice(err error) bool { return errors.Is(err, syscall.EXDEV) }

// isMissing reports whether there is nothing at a path: what rm -f forgives.
func isMissing(err error) bool { return isNotExist(err) || errors.Is(err, syscall.ENOTDIR) }

func isExist(err error) bool { return errors.Is(err, fs.ErrExist) }

// isFileError tells errors of the file system from those of data.
func isFileError(err error) bool {
	_, ok := errors.AsType[*fs.PathError](err)
	return ok
}

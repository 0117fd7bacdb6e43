package wasi

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// errno is preview 1's error code; 0 is success.
//
// https://github.com/WebAssembly/WASI/blob/wasi-0.1/preview1/docs.md#-errno-variant
type errno uint16

const (
	errnoSuccess errno = iota
	errno2big
	errnoAcces
	errnoAddrinuse
	errnoAddrnotavail
	errnoAfnosupport
	errnoAgain
	errnoAlready
	errnoBadf
	errnoBadmsg
	errnoBusy
	errnoCanceled
	errnoChild
	errnoConnaborted
	errnoConnrefused
	errnoConnreset
	errnoDeadlk
	errnoDestaddrreq
	errnoDom
	errnoDquot
	errnoExist
	errnoFault
	errnoFbig
	errnoHostunreach
	errnoIdrm
	errnoIlseq
	errnoInprogress
	errnoIntr
	errnoInval
	errnoIo
	errnoIsconn
	errnoIsdir
	errnoLoop
	errnoMfile
	errnoMlink
	errnoMsgsize
	errnoMultihop
	errnoNametoolong
	errnoNetdown
	errnoNetreset
	errnoNetunreach
	errnoNfile
	errnoNobufs
	errnoNodev
	errnoNoent
	errnoNoexec
	errnoNolck
	errnoNolink
	errnoNomem
	errnoNomsg
	errnoNoprotoopt
	errnoNospc
	errnoNosys
	errnoNotconn
	errnoNotdir
	errnoNotempty
	errnoNotrecoverable
	errnoNotsock
	errnoNotsup
	errnoNotty
	errnoNxio
	errnoOverflow
	errnoOwnerdead
	errnoPerm
	errnoPipe
	errnoProto
	errnoProtonosupport
	errnoPrototype
	errnoRange
	errnoRofs
	errnoSpipe
	errnoSrch
	errnoStale
	errnoTimedout
	errnoTxtbsy
	errnoXdev
	errnoNotcapable
)

// hostErrnos lists every error of POSIX by its name, because its number is the
// host's own. Names that share a number on some hosts agree on the code too.
var hostErrnos = []struct {
	host  syscall.Errno
	guest errno
}{
	{syscall.E2BIG, errno2big},
	{syscall.EACCES, errnoAcces},
	{syscall.EADDRINUSE, errnoAddrinuse},
	{syscall.EADDRNOTAVAIL, errnoAddrnotavail},
	{syscall.EAFNOSUPPORT, errnoAfnosupport},
	{syscall.EAGAIN, errnoAgain},
	{syscall.EWOULDBLOCK, errnoAgain},
	{syscall.EALREADY, errnoAlready},
	{syscall.EBADF, errnoBadf},
	{syscall.EBADMSG, errnoBadmsg},
	{syscall.EBUSY, errnoBusy},
	{syscall.ECANCELED, errnoCanceled},
	{syscall.ECHILD, errnoChild},
	{syscall.ECONNABORTED, errnoConnaborted},
	{syscall.ECONNREFUSED, errnoConnrefused},
	{syscall.ECONNRESET, errnoConnreset},
	{syscall.EDEADLK, errnoDeadlk},
	{syscall.EDESTADDRREQ, errnoDestaddrreq},
	{syscall.EDOM, errnoDom},
	{syscall.EDQUOT, errnoDquot},
	{syscall.EEXIST, errnoExist},
	{syscall.EFAULT, errnoFault},
	{syscall.EFBIG, errnoFbig},
	{syscall.EHOSTUNREACH, errnoHostunreach},
	{syscall.EIDRM, errnoIdrm},
	{syscall.EILSEQ, errnoIlseq},
	{syscall.EINPROGRESS, errnoInprogress},
	{syscall.EINTR, errnoIntr},
	{syscall.EINVAL, errnoInval},
	{syscall.EIO, errnoIo},
	{syscall.EISCONN, errnoIsconn},
	{syscall.EISDIR, errnoIsdir},
	{syscall.ELOOP, errnoLoop},
	{syscall.EMFILE, errnoMfile},
	{syscall.EMLINK, errnoMlink},
	{syscall.EMSGSIZE, errnoMsgsize},
	{syscall.EMULTIHOP, errnoMultihop},
	{syscall.ENAMETOOLONG, errnoNametoolong},
	{syscall.ENETDOWN, errnoNetdown},
	{syscall.ENETRESET, errnoNetreset},
	{syscall.ENETUNREACH, errnoNetunreach},
	{syscall.ENFILE, errnoNfile},
	{syscall.ENOBUFS, errnoNobufs},
	{syscall.ENODEV, errnoNodev},
	{syscall.ENOENT, errnoNoent},
	{syscall.ENOEXEC, errnoNoexec},
	{syscall.ENOLCK, errnoNolck},
	{syscall.ENOLINK, errnoNolink},
	{syscall.ENOMEM, errnoNomem},
	{syscall.ENOMSG, errnoNomsg},
	{syscall.ENOPROTOOPT, errnoNoprotoopt},
	{syscall.ENOSPC, errnoNospc},
	{syscall.ENOSYS, errnoNosys},
	{syscall.ENOTCONN, errnoNotconn},
	{syscall.ENOTDIR, errnoNotdir},
	{syscall.ENOTEMPTY, errnoNotempty},
	{syscall.ENOTRECOVERABLE, errnoNotrecoverable},
	{syscall.ENOTSOCK, errnoNotsock},
	{syscall.ENOTSUP, errnoNotsup},
	{syscall.EOPNOTSUPP, errnoNotsup},
	{syscall.ENOTTY, errnoNotty},
	{syscall.ENXIO, errnoNxio},
	{syscall.EOVERFLOW, errnoOverflow},
	{syscall.EOWNERDEAD, errnoOwnerdead},
	{syscall.EPERM, errnoPerm},
	{syscall.EPIPE, errnoPipe},
	{syscall.EPROTO, errnoProto},
	{syscall.EPROTONOSUPPORT, errnoProtonosupport},
	{syscall.EPROTOTYPE, errnoPrototype},
	{syscall.ERANGE, errnoRange},
	{syscall.EROFS, errnoRofs},
	{syscall.ESPIPE, errnoSpipe},
	{syscall.ESRCH, errnoSrch},
	{syscall.ESTALE, errnoStale},
	{syscall.ETIMEDOUT, errnoTimedout},
	{syscall.ETXTBSY, errnoTxtbsy},
	{syscall.EXDEV, errnoXdev},
}

var guestErrno = func() map[syscall.Errno]errno {
	m := make(map[syscall.Errno]errno, len(hostErrnos)+len(nativeErrnos))
	for _, p := range nativeErrnos {
		m[p.host] = p.guest
	}
	for _, p := range hostErrnos {
		m[p.host] = p.guest
	}
	return m
}()

// errnoOf returns the code for an error of vfs or of a host's stream. What has
// no code is EIO.
func errnoOf(err error) errno {
	// The usual shapes first: a program that searches a path for its modules
	// makes hundreds of these, and errors.As is slow.
	switch e := err.(type) {
	case nil:
		return errnoSuccess
	case errno:
		return e
	case *fs.PathError:
		if n, ok := e.Err.(syscall.Errno); ok {
			return errnoOfHost(n)
		}
	case *os.LinkError:
		if n, ok := e.Err.(syscall.Errno); ok {
			return errnoOfHost(n)
		}
	}
	var n syscall.Errno
	if errors.As(err, &n) {
		return errnoOfHost(n)
	}
	for _, known := range goErrors {
		if errors.Is(err, known.err) {
			return known.guest
		}
	}
	return errnoIo
}

func errnoOfHost(n syscall.Errno) errno {
	if e, ok := guestErrno[n]; ok {
		return e
	}
	return errnoIo
}

// goErrors are errors of Go's own that carry no number.
var goErrors = []struct {
	err   error
	guest errno
}{
	{io.ErrClosedPipe, errnoPipe},
	{fs.ErrClosed, errnoBadf},
	{fs.ErrNotExist, errnoNoent},
	{fs.ErrExist, errnoExist},
	{fs.ErrPermission, errnoAcces},
	{fs.ErrInvalid, errnoInval},
	{errors.ErrUnsupported, errnoNotsup},
	{os.ErrDeadlineExceeded, errnoTimedout},
	{context.Canceled, errnoCanceled},
	{context.DeadlineExceeded, errnoTimedout},
}

// Error makes errno an error, so that what is implemented here can fail with
// the code itself.
func (e errno) Error() string {
	for _, p := range hostErrnos {
		if p.guest == e {
			return p.host.Error()
		}
	}
	if e == errnoNotcapable {
		return "capabilities insufficient"
	}
	return "success"
}

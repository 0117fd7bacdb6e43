package shell

import (
	"context"
	"io"
	"io/fs"
	"time"

	"boxer.dev/internal/coreutils"
	"boxer.dev/vfs"
)

// Options says what a shell sees. FS is required; every other field's zero value works.
type Options struct {
	FS   *vfs.FS
	Args []string // the shell's own argv: "sh", "-c", "make it"; nil: read commands from Stdin
	Env  []string // "NAME=value"; nothing is added from the host
	Dir  string   // working directory, absolute; "" is "/"

	Stdin          io.Reader // nil: empty
	Stdout, Stderr io.Writer // nil: discarded
	Terminal       bool      // Stdin is a terminal: without a script the shell is interactive

	Now      func() time.Time // nil: time.Now
	Random   io.Reader        // seeds RANDOM; nil: crypto/rand
	Umask    fs.FileMode      // zero means 022, see [coreutils.NoUmask]
	UID, GID uint32

	// Exec runs a command that is neither a function nor a builtin. Nil: only coreutils are found.
	Exec coreutils.ExecFunc
	// NotFound is told the name of each command that was not found, with the hint for it ("" if there is none).
	NotFound func(name, hint string)
}

// ExecRequest is a command that the shell starts.
type ExecRequest = coreutils.ExecRequest

// Run runs a shell and returns its exit status. An error is a failure of boxer or the end of ctx,
// never one of the script.
func Run(ctx context.Context, o Options) (status int, err error) {
	return 2, nil
}

// Hint says what to do instead of a well-known command that a box does not have; "" for any other name.
func Hint(name string) string { return "" }

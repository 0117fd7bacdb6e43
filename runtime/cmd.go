package runtime

import (
	"io"
	"time"

	"boxer.dev/vfs"
)

// Cmd is one run of a box, and the list of everything that it may touch: what is not named here does not exist for it.
// The zero value runs what the image says, with empty standard input and its output discarded. A Cmd may be used again,
// and by several runs at once as far as its readers and writers allow.
type Cmd struct {
	// Args replace the image's CMD and follow its ENTRYPOINT. Where the first of them starts with '-' and the image has
	// no ENTRYPOINT, they go to the program that CMD names. Nil: ENTRYPOINT and CMD as they are.
	Args []string
	// Entrypoint replaces the image's ENTRYPOINT and discards its CMD. Nil: the image's; empty and not nil: none.
	Entrypoint []string
	// Env are "NAME=value" variables added to those of the image, over them where names are equal. Nothing is inherited
	// from the host.
	Env []string
	// Dir is the working directory: absolute, or relative to the image's, which is also what "" means. It is created if
	// it is missing. Preview 1 of WASI knows no working directory: a program that does not import the boxer module
	// starts at "/" and, where Dir is another directory, finds it in PWD.
	Dir string
	// User is "name|uid[:group|gid]", names being looked up in the box's /etc/passwd and /etc/group. "": the image's.
	User string

	Stdin          io.Reader // nil: empty
	Stdout, Stderr io.Writer // nil: discarded. Nothing written is held back
	// Terminal is the terminal that the standard streams are, as far as they are given; nil if they are none.
	Terminal *Terminal

	Mounts   []Mount
	Preopens []Preopen

	// FS is the tree to run on; what the program changes stays in it, and nothing is created in it that the program did
	// not ask for but Dir. One run at a time, since Mounts are made in it and taken out again. Nil: a copy of the box's,
	// with /tmp, dropped when the run ends.
	FS *vfs.FS
	// Files are made in the tree, for the user, before the first program starts. They count against the limits of the tree.
	Files []File
	// Collect, if not nil, names files that are wanted of the tree after the run, and is given them.
	Collect *Collection
	// Limits bound the run. Those of the box count too, and of two the smaller. With FS, those of the box's tree (Writable,
	// Files, ReadOnly) are the tree's own, and not looked at.
	Limits Limits

	Now    func() time.Time // the clock of the run, which sleeping moves too, at once; nil: the host's
	Random io.Reader        // its entropy; nil: the host's
	Seed   uint64           // what random numbers follow from, where Limits make them the same in all runs

	// Functions are those of the embedding program that the box may call, by name.
	Functions map[string]Function
	// Calls bounds them.
	Calls Calls
	// Signals, if not nil, are sent to the programs of the run as they come.
	Signals <-chan Signal

	// Grace is how much longer a run that is ended by its time or its context goes on so that its programs can clean up, as
	// far as they can be told: Python raises TimeoutError or KeyboardInterrupt in what it is doing. Others just go on.
	Grace time.Duration

	// CountFuel counts instructions, for Stats, where no limit does.
	CountFuel bool

	// Fresh starts every program by its own initialisation, even if the box has a memory image of it.
	Fresh bool

	// Stats, if not nil, is filled in when the run ends.
	Stats *Stats
}

// Terminal describes the terminal of a run.
type Terminal struct {
	Size func() (rows, columns int) // nil: 24 by 80
}

// Mount makes a host directory or file visible at an absolute path of the box. No symlink and no ".." leads out of it.
type Mount struct {
	Source   string // on the host
	Target   string // in the box
	ReadOnly bool
	Opened   *Source // Source, opened before; nil: each run opens it
}

// Preopen gives a program a host directory as a pre-opened directory of exactly the name Guest (WASI preview 1,
// fd_prestat_dir_name). Guest "/" replaces the box's tree in the eyes of the program; the program itself is still found
// in the box.
type Preopen struct {
	Source   string
	Guest    string
	ReadOnly bool
	Opened   *Source // as for a Mount
}

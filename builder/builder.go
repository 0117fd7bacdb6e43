// Package builder turns a Boxfile into a box: an OCI image for the platform wasip1/wasm.
//
// A build is a pipeline. [Parse] reads the file with BuildKit's parser into stages of instructions, so that syntax and
// expansion are Docker's own. [Build] picks the stages that the target needs and carries out their instructions in order. An
// instruction changes the configuration, or the file system, or both; one that changes the file system leaves exactly one
// layer.
//
// Between instructions a stage's file system is a stack of opened layers. An instruction works on a copy-on-write tree over
// the stack, the difference becomes a new layer, streamed through a file, and the layer is put on top: what COPY brings in
// never has to fit in memory.
//
// Equal inputs give equal bytes, on any machine and day. Nothing of the host enters an image: times come from
// [Options.Epoch], owners and order are fixed, RUN gets a clock and random numbers that follow from the build's inputs.
//
// What the package does not do itself is handed in: [Options.Resolve] finds bases, [Options.Rootfs] opens them,
// [Options.Run] executes a command in the box, [Options.Snapshot] takes an image of a program's memory.
package builder

import (
	"context"
	"io"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/repeatable"
	"boxer.dev/oci"
	"boxer.dev/vfs"
)

// DefaultEpoch is the time that a build gives to everything it makes unless told otherwise: the earliest that zip files can
// hold.
var DefaultEpoch = repeatable.Epoch

// Options are the inputs of a build. All but Boxfile may be left out, as long as no instruction needs them.
type Options struct {
	Boxfile *Boxfile

	// Context holds the files that COPY and ADD read. Nothing outside of it is read, whatever links lead there.
	Context *os.Root

	// Contexts are those of --build-context, by name.
	Contexts map[string]NamedContext

	// Wheels is a folder of Python packages. RUN finds it at WheelsDir, read-only, and its pip looks there. Nothing of it is
	// in the image but what RUN installs; nil: there is none.
	Wheels *os.Root

	// Args are the values given with --build-arg. SOURCE_DATE_EPOCH (seconds since 1970) among them sets Epoch.
	Args map[string]string

	// Target names the stage to build; empty: the last one.
	Target string

	// Epoch is when the build takes place, as far as the image tells; zero: DefaultEpoch.
	Epoch time.Time

	// Labels and Annotations are added to the image: to its configuration, over LABEL, and to its manifest.
	Labels, Annotations map[string]string

	// Resolve finds the image that FROM names. A note, if there is one, tells the user in one line what was chosen.
	Resolve func(ctx context.Context, ref string) (img v1.Image, note string, err error)

	// Rootfs opens an image's layers.
	Rootfs func(img v1.Image) (*oci.Rootfs, error)

	// Run executes a command of RUN and returns its exit status. err is what kept the command from running or ended it in
	// another way than by exiting; its method Hint() string, if it has one, tells the user what to do about it.
	Run func(ctx context.Context, r RunRequest) (status int, err error)

	// Snapshot takes a memory image of a program for SNAPSHOT. err is as Run's; that of a program which cannot be captured too.
	Snapshot func(ctx context.Context, r SnapshotRequest) (*Snapshot, error)

	// CacheMount takes a directory of RUN --mount=type=cache.
	CacheMount func(ctx context.Context, r CacheMountRequest) (*CacheMount, error)

	// Secret reads a secret for RUN --mount=type=secret; ok is false if there is none of the id.
	Secret func(id string) (secret []byte, ok bool, err error)

	// Progress hears what happens; nil: nobody does.
	Progress Progress

	// Cache has what earlier builds made, and is given what this one makes; nil: everything is made anew. Whoever gives it holds
	// its store (see oci.Store.Hold) for as long as the result is in use.
	Cache *oci.Cache

	// NoCache makes everything anew, for the cache too; NoCacheFilter does so for stages with these names or numbers.
	NoCache       bool
	NoCacheFilter []string

	// Identity names what carries out instructions. Steps are taken from the cache if it was the same.
	Identity string

	// DigestDir is where digests of the contexts' files are remembered from build to build; empty: every file is read.
	DigestDir string

	// Compression is that of the new layers.
	Compression oci.Compression

	// TempDir is where layers are prepared, each as large as its files; empty: the host's default.
	TempDir string
}

// RunRequest is one command to execute in a box that is being built.
type RunRequest struct {
	FS     *vfs.FS   // the box's files; changes made here are the instruction's result
	Config v1.Config // of the image so far
	Args   []string  // argv; never empty
	Env    []string  // KEY=value, all of it
	Dir    string    // absolute; exists
	User   string    // as USER gave it; empty: root

	Stdout, Stderr io.Writer

	Now    func() time.Time // a clock that starts at the epoch and moves a little at each reading
	Random io.Reader        // never ends; follows from the build's inputs
}

// Result is a finished build. The image's new layers are held in files without names, which go when it does.
type Result struct {
	Image    v1.Image
	Digest   v1.Hash // of the manifest
	Steps    []Step
	Warnings []Warning

	// Records of the cache that the build made or used; TargetRecords are those of the target's own steps.
	Records, TargetRecords []*oci.CacheRecord
}

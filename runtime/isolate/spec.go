package isolate

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/runtime"
)

// version changes with the protocol. Both ends are the same executable, but for one that was replaced under way.
const version = 2

// spec is what a worker prepares itself for.
type spec struct {
	Version int
	Parent  int // process id

	// Of the box. Without layers there is none: the worker is there for its walls, see Probe.
	Config *v1.ConfigFile
	Layers []string // files
	Engine engineSpec

	Sessions bool // it is to hold some
	Brought  bool // by runs: a further layer, of programs
	Foreign  bool // the whole box is

	Mounts   []mountSpec
	Preopens []mountSpec
	Prepare  [][]byte // requests whose like will follow
	Whole    bool     // some are not served by the memory images that there are

	DataLimit uint64 // bytes, see Pool.Memory
	Attempt   string // of Probe
	Early     bool   // it is made while programs that were brought are compiled

	brought *broughtLayer
}

type engineSpec struct {
	CacheDir string
	Keep     int
}

type mountSpec struct {
	Source, Target string
	ReadOnly       bool
}

// ready is what a worker says when it has its walls.
type ready struct {
	Version int
	Error   string // why it has not: nothing follows
	Hint    string
	Walls   []Wall
	Outcome string // of an attempt
}

// environment is what a worker is started with: none of its parent's variables, and how many processors Go is to use, which
// it would find out otherwise by reading what bounds the process.
func (s *spec) environment() []string {
	if s.Sessions {
		return []string{}
	}
	return []string{"GOMAXPROCS=2"} // a run, and whoever tells it to end
}

// compilesBehindWalls tells a worker that is to compile what nobody has reason to trust.
func (s *spec) compilesBehindWalls() bool { return s.Brought || s.Foreign }

func mountSpecs(c *runtime.Cmd) (mounts, preopens []mountSpec, err error) {
	add := func(to *[]mountSpec, source, target string, readOnly bool) {
		absolute, failed := filepath.Abs(source)
		err = errors.Join(err, failed)
		*to = append(*to, mountSpec{absolute, target, readOnly || c.Limits.ReadOnly})
	}
	for _, m := range c.Mounts {
		add(&mounts, m.Source, m.Target, m.ReadOnly)
	}
	for _, p := range c.Preopens {
		add(&preopens, p.Source, p.Guest, p.ReadOnly)
	}
	return mounts, preopens, err
}

// Wall is something that a worker has given up.
type Wall struct {
	Name   string
	Active bool
	Detail string // what it keeps from the worker, or why it is not there
}

// Names of walls.
const (
	WallFiles        = "landlock"
	WallCalls        = "seccomp"
	WallPrivileges   = "no_new_privs"
	WallCapabilities = "capabilities"
	WallLimits       = "rlimits"
	WallDumps        = "dumpable"
)

// firm are those without which a worker is not isolated.
var firm = []string{WallFiles, WallCalls}

// missingWalls says which of those that make a worker isolated are not there, and why.
func missingWalls(walls []Wall) string {
	var missing []string
	for _, name := range firm {
		at := slices.IndexFunc(walls, func(w Wall) bool { return w.Name == name })
		switch {
		case at < 0:
			missing = append(missing, name)
		case !walls[at].Active:
			missing = append(missing, fmt.Sprintf("%s (%s)", name, walls[at].Detail))
		}
	}
	return strings.Join(missing, " and ")
}

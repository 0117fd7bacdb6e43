// Package rival runs Python in other ways than boxer's, each the way its own documentation says is fast. One file holds what
// there is to know about one of them: where it is found, how it is started, and how a process that has it loaded is driven.
package rival

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Rival is one way to run Python programs.
type Rival struct {
	Key      string // in JSON
	Name     string // as people read it
	Version  string // its own, and of its Python
	Settings string // how it is run
	Missing  string // why it cannot be run here; "" if it can

	// Command is a process that runs a program's text in a fresh interpreter, from start to end. nil: there is none.
	Command func(code string) []string
	// Streams says that such a program reads its process's standard input while it runs.
	Streams bool
	// Outside says that such a program does not know its own processor time, or that the process works for it besides.
	Outside bool
	// Driver is a process that has the rival loaded and speaks what driver.go describes. nil: there is none.
	Driver []string
	// Env is added to the environment of both.
	Env []string
	// Container says that it is one, to be compared with in what containers are for.
	Container bool
	// Build is how it builds images; nil: it does not.
	Build *Build
	// Idle starts an interpreter that waits, where that is more than a process of Command; see Wait.
	Idle func(ctx context.Context, code string) (*Instance, error)

	FirstStart time.Duration // when it was installed, nothing being compiled or unpacked yet; 0: not known
	Installed  int64         // bytes; 0: not known
}

// Build is a program with a command `build` like docker's.
type Build struct {
	Command []string // to which flags and a context are appended; it prints the image's name
	Env     []string
	Remove  []string // the command to which the names of images are appended that are not needed any more
}

// Places says where rivals are looked for.
type Places struct {
	Dir     string // where Install put them
	Python3 string // the host's Python; empty: the one of PATH
	Image   string // a container image with python3, of the daemon; empty: one is made, see Root
}

// Keys are the keys of all rivals, in the order of All.
func Keys() (keys []string) {
	for _, find := range finders {
		keys = append(keys, find(context.Background(), Places{Dir: os.DevNull}).Key)
	}
	return keys
}

var finders = []func(context.Context, Places) *Rival{
	docker, podman, runc, python3, nodeWASI, pyodide, wasmtime, eryx, wasiPython, monty, pysandbox,
}

// All looks for every rival. Those that are not there say why.
func All(ctx context.Context, p Places) []*Rival {
	rivals := make([]*Rival, len(finders))
	for i, find := range finders {
		rivals[i] = find(ctx, p)
		if rivals[i].Missing == "" {
			rivals[i].recall(p)
		}
	}
	return rivals
}

// Present are those of the rivals that are there.
func Present(rivals []*Rival) (present []*Rival) {
	for _, r := range rivals {
		if r.Missing == "" {
			present = append(present, r)
		}
	}
	return present
}

// Root is the tar file of a container's root that Install makes.
func (p Places) Root() string { return filepath.Join(p.Dir, "root.tar") }

// missing gives the rival with a reason.
func (r *Rival) missing(why string) *Rival {
	r.Missing = why
	return r
}

const notInstalled = "not installed: `boxer bench --install-rivals` does it"

// there says whether a file or directory is.
func there(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// answer is the first line that a command prints, "" if it fails.
func answer(ctx context.Context, command ...string) string {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).Output()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}

// python is the interpreter that Install chose, for rivals that are Python packages.
func (p Places) python() string { return filepath.Join(p.Dir, "python3") }

// fromPackage completes a rival that is a Python package which Install put into a folder of its own.
func (r *Rival) fromPackage(p Places, driver string) *Rival {
	dir := filepath.Join(p.Dir, r.Key)
	if !there(dir) || !there(p.python()) {
		return r.missing(notInstalled)
	}
	scratch := filepath.Join(p.Dir, "tmp", r.Key) // some leave there what they do not clean up when they are ended
	if err := errors.Join(os.RemoveAll(scratch), os.MkdirAll(scratch, 0o700)); err != nil {
		return r.missing(err.Error())
	}
	r.Env = append(r.Env, "PYTHONPATH="+dir, "XDG_CACHE_HOME="+filepath.Join(p.Dir, "cache"), "TMPDIR="+scratch)
	r.Driver = []string{p.python(), "-c", pythonDriver + driver}
	r.Installed = diskUsage(dir)
	return r
}

func diskUsage(dir string) (bytes int64) {
	filepath.WalkDir(dir, func(_ string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}

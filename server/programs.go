package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"boxer.dev/oci"
	"boxer.dev/server/internal/modules"
)

// ProgramRunner is a Runner for programs that come with requests, too: what compiles and runs them can be ended from outside.
type ProgramRunner interface {
	Runner
	// Forget lets go of what is kept for a box that nobody runs any more.
	Forget(root *oci.Rootfs)
}

// maxModule bounds modules in the directories of Options.WasmDirs, in bytes.
const maxModule = 256 << 20

// readyTime is how long it may take until a program that came with a request can begin, its compilation included.
const readyTime = 2 * time.Minute

// programs are what requests bring to be run, or name in directories.
type programs struct {
	runner      ProgramRunner // nil: there are none
	shelf       modules.Shelf
	directories modules.Directories

	mutex  sync.Mutex
	opened map[program]*Opened
}

// program is a module that is kept. What the operator put into a directory is trusted as an image of the store is, the same bytes in a
// request are not.
type program struct {
	root    *oci.Rootfs
	foreign bool
}

func (p *programs) configure(o Options) {
	p.runner, _ = o.Runner.(ProgramRunner)
	p.directories.Roots, p.directories.MaxSize = o.WasmDirs, maxModule
	p.shelf.Dropped = p.dropped
}

// module is a program in a request: its bytes, or a path in one of the directories.
type module struct{ base64, path string }

func (m module) given() bool { return m.base64 != "" || m.path != "" }

// use gives the box of a module until it is released.
func (p *programs) use(ctx context.Context, m module) (*Opened, func(), error) {
	digest, content, err := p.find(m)
	if err != nil {
		return nil, nil, err
	}
	root, release, err := p.shelf.Use(ctx, digest, func() ([]byte, error) {
		program, err := content()
		if err == nil && !bytes.HasPrefix(program, []byte("\x00asm")) {
			err = newProblem(http.StatusUnprocessableEntity, "no_module", "this is no WebAssembly module")
		}
		return program, err
	})
	if err != nil {
		return nil, nil, err
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.opened == nil {
		p.opened = map[program]*Opened{}
	}
	key := program{root, m.path == ""}
	if p.opened[key] == nil {
		p.opened[key] = &Opened{Root: root, foreign: key.foreign}
	}
	return p.opened[key], release, nil
}

func (p *programs) find(m module) (modules.Digest, func() ([]byte, error), error) {
	if p.runner == nil {
		return modules.Digest{}, nil, newProblem(http.StatusNotImplemented, "no_programs", "this server takes no programs: it does not run them in processes of their own")
	}
	if m.path == "" {
		content, err := base64.StdEncoding.DecodeString(strings.TrimSpace(m.base64))
		if err != nil {
			return modules.Digest{}, nil, badRequest("the module is no base64: %s", err)
		}
		return modules.DigestOf(content), func() ([]byte, error) { return content, nil }, nil
	}
	digest, read, err := p.directories.Find(m.path)
	var large *modules.SizeError
	switch {
	case errors.Is(err, modules.ErrOutside):
		err = newProblem(http.StatusForbidden, "path_not_allowed", "%q: %s", m.path, modules.ErrOutside)
	case errors.Is(err, modules.ErrMissing):
		err = newProblem(http.StatusNotFound, "no_such_module", "%q: %s", m.path, err)
	case errors.As(err, &large):
		err = newProblem(http.StatusUnprocessableEntity, "module_too_large", "%q: %s", m.path, large)
	}
	return digest, read, err
}

// dropped lets go of what there is of a module that is no longer kept.
func (p *programs) dropped(root *oci.Rootfs) {
	p.mutex.Lock()
	for _, foreign := range []bool{true, false} {
		delete(p.opened, program{root, foreign})
	}
	p.mutex.Unlock()
	p.runner.Forget(root)
}

// notReady is the end of a run whose program took too long to be compiled.
type notReady struct{}

func (notReady) Error() string { return "the program took too long to be compiled" }

func (notReady) Is(target error) bool { return target == context.DeadlineExceeded }

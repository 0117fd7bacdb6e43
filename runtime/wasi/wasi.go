// Package wasi is what a program in a box can ask of its host: WASI preview 1
// (module wasi_snapshot_preview1) and the module boxer, which holds what
// POSIX programs expect and preview 1 lacks.
//
// # Shape
//
// A [Process] is one run: its tree of files, arguments, streams, clock and
// descriptors. The host modules are made once per wazero runtime by
// [Instantiate] and hold no state; a call finds its Process in the context it
// is made with, see [NewContext]. A guest has one thread, so a Process has no
// locks: one call at a time.
//
// Each system call is a function of type func(call) errno in the file named
// after its family; the tables in this file and in boxer.go bind names and
// signatures. Arguments come straight from wazero's stack, without reflection.
// Buffers are views of the guest's linear memory that go directly to [vfs],
// without a copy in between, and are dropped when the call returns, because a
// guest that runs may grow its memory and thereby move it.
//
// # Rules that keep the boundary safe
//
//   - Every pointer is checked before anything happens: a call that answers
//     EFAULT has had no effect and leaked no descriptor, and a call that fails
//     has written nothing.
//   - What is read from there is read once, or may as well be another thing the second time: bits may be set in it meanwhile
//     ([Attend]).
//   - Nothing is allocated by a number the guest chose until that number is
//     known to lie within its memory or below a fixed bound.
//   - Nothing blocks past the end of the context: waiting calls end the run.
//   - Paths are resolved by vfs: in the tree, if the program came to the
//     directory that they are relative to through its "/", and else beneath it.
//
// # Rights
//
// Preview 1 gives every descriptor a set of rights. Reading and writing are
// granted as asked for when a file is opened; the other rights follow from its
// type, whatever was asked, because programs built for runtimes that ignore
// rights ask for too few. Rights that a program takes away with
// fd_fdstat_set_rights stay away, for the descriptor and for what is opened
// through it.
//
// Reference: https://github.com/WebAssembly/WASI/blob/wasi-0.1/preview1/docs.md
package wasi

import (
	"context"
	"errors"
	"reflect"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// ModuleName is the name of preview 1's import module.
const ModuleName = "wasi_snapshot_preview1"

// Instantiate adds the host modules wasi_snapshot_preview1 and boxer to r. They
// serve all instances of r; each call must be made with a context of
// [NewContext].
func Instantiate(ctx context.Context, r wazero.Runtime) error {
	if err := instantiate(ctx, r, ModuleName, preview1); err != nil {
		return err
	}
	return instantiate(ctx, r, BoxerModuleName, boxer)
}

// function binds a system call to its name and WebAssembly signature.
type function struct {
	name string
	// One letter per parameter: i for i32, I for i64. A result follows after
	// ">"; without one the call returns nothing.
	signature string
	call      func(call) errno
}

// preview1 is the whole of wasi_snapshot_preview1.
var preview1 = []function{
	{"args_get", "ii>i", argsGet},
	{"args_sizes_get", "ii>i", argsSizesGet},
	{"clock_res_get", "ii>i", clockResGet},
	{"clock_time_get", "iIi>i", clockTimeGet},
	{"environ_get", "ii>i", environGet},
	{"environ_sizes_get", "ii>i", environSizesGet},
	{"fd_advise", "iIIi>i", fdAdvise},
	{"fd_allocate", "iII>i", fdAllocate},
	{"fd_close", "i>i", fdClose},
	{"fd_datasync", "i>i", fdDatasync},
	{"fd_fdstat_get", "ii>i", fdFdstatGet},
	{"fd_fdstat_set_flags", "ii>i", fdFdstatSetFlags},
	{"fd_fdstat_set_rights", "iII>i", fdFdstatSetRights},
	{"fd_filestat_get", "ii>i", fdFilestatGet},
	{"fd_filestat_set_size", "iI>i", fdFilestatSetSize},
	{"fd_filestat_set_times", "iIIi>i", fdFilestatSetTimes},
	{"fd_pread", "iiiIi>i", fdPread},
	{"fd_prestat_dir_name", "iii>i", fdPrestatDirName},
	{"fd_prestat_get", "ii>i", fdPrestatGet},
	{"fd_pwrite", "iiiIi>i", fdPwrite},
	{"fd_read", "iiii>i", fdRead},
	{"fd_readdir", "iiiIi>i", fdReaddir},
	{"fd_renumber", "ii>i", fdRenumber},
	{"fd_seek", "iIii>i", fdSeek},
	{"fd_sync", "i>i", fdSync},
	{"fd_tell", "ii>i", fdTell},
	{"fd_write", "iiii>i", fdWrite},
	{"path_create_directory", "iii>i", pathCreateDirectory},
	{"path_filestat_get", "iiiii>i", pathFilestatGet},
	{"path_filestat_set_times", "iiiiIIi>i", pathFilestatSetTimes},
	{"path_link", "iiiiiii>i", pathLink},
	{"path_open", "iiiiiIIii>i", pathOpen},
	{"path_readlink", "iiiiii>i", pathReadlink},
	{"path_remove_directory", "iii>i", pathRemoveDirectory},
	{"path_rename", "iiiiii>i", pathRename},
	{"path_symlink", "iiiii>i", pathSymlink},
	{"path_unlink_file", "iii>i", pathUnlinkFile},
	{"poll_oneoff", "iiii>i", pollOneoff},
	{"proc_exit", "i", procExit},
	{"proc_raise", "i>i", procRaise},
	{"random_get", "ii>i", randomGet},
	{"sched_yield", ">i", schedYield},
	{"sock_accept", "iii>i", sockAccept},
	{"sock_recv", "iiiiii>i", sockRecv},
	{"sock_send", "iiiii>i", sockSend},
	{"sock_shutdown", "ii>i", sockShutdown},
}

func instantiate(ctx context.Context, r wazero.Runtime, module string, functions []function) error {
	b := r.NewHostModuleBuilder(module)
	for _, f := range functions {
		params, results := valueTypes(f.signature)
		b = b.NewFunctionBuilder().
			WithGoModuleFunction(hostFunction(f.call, len(results) > 0), params, results).
			Export(f.name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

func valueTypes(signature string) (params, results []api.ValueType) {
	list := &params
	for _, letter := range signature {
		switch letter {
		case 'i':
			*list = append(*list, api.ValueTypeI32)
		case 'I':
			*list = append(*list, api.ValueTypeI64)
		case '>':
			list = &results
		}
	}
	return params, results
}

func hostFunction(f func(call) errno, result bool) api.GoModuleFunc {
	return func(ctx context.Context, mod api.Module, stack []uint64) {
		p := processOf(ctx)
		if p.signals.pending.Load() != 0 {
			p.deliver(ctx, mod)
		}
		e := f(call{ctx, p, memoryOf(mod), stack})
		if p.signals.pending.Load() != 0 {
			p.deliver(ctx, mod)
		}
		if result {
			stack[0] = uint64(e)
		}
	}
}

// call is one system call: whose it is and its arguments.
type call struct {
	ctx context.Context
	*Process
	mem   memory
	stack []uint64
}

func (c call) u32(arg int) uint32 { return uint32(c.stack[arg]) }
func (c call) u64(arg int) uint64 { return c.stack[arg] }

type contextKey struct{}

// processContext is a context.WithValue that the usual case, a call made with
// the very context that NewContext returned, finds without a search.
type processContext struct {
	context.Context
	process *Process
}

func (c *processContext) Value(key any) any {
	if key == (contextKey{}) {
		return c.process
	}
	return c.Context.Value(key)
}

var errNoProcess = errors.New("wasi: the call's context holds no Process")

func processOf(ctx context.Context) *Process {
	if c, ok := ctx.(*processContext); ok {
		return c.process
	}
	if p, ok := ctx.Value(contextKey{}).(*Process); ok {
		return p
	}
	panic(errNoProcess) // wazero makes it the error of the guest's call
}

// memoryOf returns the memory of a module; for one without, a memory in which
// every address is out of bounds.
func memoryOf(mod api.Module) memory {
	m := mod.Memory()
	if m == nil || reflect.ValueOf(m).IsNil() {
		return memory{}
	}
	return memory{m}
}

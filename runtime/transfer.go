package runtime

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"slices"

	"boxer.dev/vfs"
)

// Machine code may travel from one engine's cache to another's, so that a machine need not compile what another one has. It is
// executed as it is: whoever gives it away can make the machine that takes it do anything. Engines check that code is whole and
// meant for them, which is a guard against accidents. That it comes from somebody who is believed is for the caller to make sure of.

// Code is the machine code of one program, in one of the forms that programs have for different runs.
type Code struct {
	Module [sha256.Size]byte // digest of the program
	Form   uint8             // what it counts while it runs
	Data   []byte            // an entry of the cache
}

// ErrOtherMachine says that machine code is for another version of the engine, another processor or another system.
var ErrOtherMachine = errors.New("the machine code is for another machine or engine")

// errNoCache says that an engine keeps no machine code.
var errNoCache = errors.New("the engine has no cache of machine code")

// Machine describes all that machine code depends on besides the program: version of the engine, system, features of the
// processor. Code is of use where the description is the same, to the letter; "" stands for nowhere.
func (e *Engine) Machine() string {
	if e.codes == nil {
		return ""
	}
	return fmt.Sprintf("%s page=%d", e.codes.machine, os.Getpagesize()) // code begins on a page
}

// ExportCode gives the machine code of all programs in a tree. What has never been compiled is compiled for runs that are not charged.
func (e *Engine) ExportCode(ctx context.Context, tree *vfs.FS) ([]Code, error) {
	if e.codes == nil {
		return nil, errNoCache
	}
	programs, err := findPrograms(tree)
	if err != nil {
		return nil, err
	}
	var all []Code
	for _, program := range programs {
		program.meters = e.usual
		loaded, _, err := e.codes.load(ctx, program, func() func() { return e.compiling(program) })
		var invalid *invalidModuleError
		if errors.As(err, &invalid) { // a file that only looks like a program
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := loaded.Close(ctx); err != nil {
			return nil, err
		}
		for _, program.meters = range []metering{e.usual, e.charging} {
			data, err := e.codes.export(program)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("reading the machine code of %q: %w", program.name, err)
			}
			all = append(all, Code{Module: program.digest, Form: uint8(program.meters), Data: data})
		}
	}
	return all, nil
}

// moduleHead is what a module begins with: magic number and version (core specification, 5.5.16).
const moduleHead = "\x00asm\x01\x00\x00\x00"

// findPrograms finds the different programs in a tree.
func findPrograms(tree *vfs.FS) (programs []source, err error) {
	fsys := tree.IOFS()
	err = fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := readProgram(fsys, name)
		if data == nil || err != nil {
			return err
		}
		s := source{name: "/" + name, data: data, digest: sha256.Sum256(data)}
		if !slices.ContainsFunc(programs, func(other source) bool { return other.digest == s.digest }) {
			programs = append(programs, s)
		}
		return nil
	})
	return programs, err
}

// readProgram reads a file if it is a program; else it is nil.
func readProgram(fsys fs.FS, name string) ([]byte, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	head := make([]byte, len(moduleHead))
	_, err = io.ReadFull(file, head)
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		return nil, nil
	}
	if err != nil || string(head) != moduleHead {
		return nil, err
	}
	rest, err := io.ReadAll(file)
	return append(head, rest...), err
}

// export reads the file that the cache has for a program.
func (c *codeCache) export(program source) ([]byte, error) {
	e, err := openEntry(c.codePath(program, ".code"), plain)
	if err != nil {
		return nil, err
	}
	defer e.close()
	if e.module != program.digest {
		return nil, errDamaged
	}
	file := e.code.segment.file
	data := make([]byte, e.code.segment.at+e.code.segment.size)
	if _, err := file.ReadAt(data, 0); err != nil {
		return nil, err
	}
	return data, nil
}

// ImportCode puts machine code into the engine's cache, from where runs take it; see above for who has to be believed. machine is
// the description of the engine that gave it. What the cache has stays. Errors are ErrOtherMachine, and what is wrong with code
// that is not whole; then nothing was taken.
func (e *Engine) ImportCode(machine string, codes ...Code) error {
	if e.codes == nil {
		return errNoCache
	}
	if machine != e.Machine() {
		return ErrOtherMachine
	}
	for _, code := range codes {
		if err := checkCode(code); err != nil {
			return fmt.Errorf("machine code of %x: %w", code.Module, err)
		}
	}
	for _, code := range codes {
		if e.HasCode(code) {
			continue
		}
		if err := e.codes.take(code); err != nil {
			return fmt.Errorf("keeping machine code: %w", err)
		}
	}
	return nil
}

// HasCode tells whether the engine's cache has a program's machine code in the form of a Code, whose Data does not count.
func (e *Engine) HasCode(code Code) bool {
	if e.codes == nil {
		return false
	}
	have, err := openEntry(e.codes.codePath(code.source(), ".code"), plain)
	if err != nil {
		return false
	}
	have.close()
	return true
}

func (c Code) source() source { return source{digest: c.Module, meters: metering(c.Form)} }

// checkCode reads an entry's table and all that it has a checksum of. The engine compares that of the code itself.
func checkCode(code Code) error {
	if metering(code.Form) > uncounted || len(code.Data) < entryTable {
		return errDamaged
	}
	table, err := readTable(code.Data[:entryTable])
	if err != nil {
		return err
	}
	at := int64(entryTable)
	for i, length := range table.lengths {
		if length > int64(len(code.Data))-at || crc32.Checksum(code.Data[at:at+length], castagnoli) != table.sums[i] {
			return errDamaged
		}
		at += length
	}
	if table.code < 0 || wholePages(at) != int64(len(code.Data))-table.code || table.module != code.Module {
		return errDamaged
	}
	return nil
}

// take writes an entry.
func (c *codeCache) take(code Code) error {
	file, err := os.CreateTemp(c.dir, "*.tmp")
	if err != nil {
		return err
	}
	_, err = file.Write(code.Data)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), c.codePath(code.source(), ".code"))
	}
	if err != nil {
		os.Remove(file.Name())
	}
	return err
}

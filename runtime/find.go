package runtime

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"boxer.dev/internal/coreutils"
	"boxer.dev/internal/wasm"
	"boxer.dev/vfs"
)

// executable is what a command turns out to be: a module, a utility or the shell.
type executable struct {
	path    string
	module  source
	utility coreutils.Utility
	shell   bool
}

// defaultPath is where programs are looked for when the environment has no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// maxScripts is how many scripts may lead to each other, as in Linux (exec_binprm).
const maxScripts = 4

// maxModule bounds what is read into memory to be compiled, in bytes.
const maxModule = 1 << 30

// programs remembers what commands that a box's runs began with turned out to be: without mounts and files that are brought, each
// finds the same in the box's layers.
type programs struct {
	mutex sync.Mutex
	found map[lookupKey]executable
}

// lookupKey is all that a program's place in a box depends on.
type lookupKey struct{ name, path, dir string }

// Callers decide on names and paths, and may have a new one with every run.
const (
	maxPrograms  = 64
	maxLookupKey = 1 << 10 // bytes
)

// findFirst is find for the command that a run begins with.
func (s *sandbox) findFirst(c *command) (found executable, err error) {
	key := lookupKey{c.args[0], getenv(c.env, "PATH", defaultPath), c.dir}
	if cmd := s.cmd; cmd.FS != nil || len(cmd.Mounts)+len(cmd.Files) > 0 || len(key.name)+len(key.path)+len(key.dir) > maxLookupKey {
		return s.find(c)
	}
	p, args := &s.box.programs, c.args
	p.mutex.Lock()
	found, ok := p.found[key]
	p.mutex.Unlock()
	if ok {
		return found, nil
	}
	found, err = s.find(c)
	if err != nil || !found.module.mapped || &c.args[0] != &args[0] { // a script has changed them
		return found, err
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if len(p.found) >= maxPrograms || p.found == nil {
		p.found = map[lookupKey]executable{}
	}
	p.found[key] = found
	return found, nil
}

// find looks up c.args[0], following "#!" lines, for which it changes c.args.
func (s *sandbox) find(c *command) (executable, error) {
	name, wanted := c.args[0], ""
	for scripts := 0; ; scripts++ {
		found, line, err := s.lookup(name, c.env, c.dir, wanted)
		if err != nil || line == nil {
			return found, err
		}
		if scripts == maxScripts {
			return executable{}, &NotExecutableError{
				Path: c.args[0], Reason: fmt.Sprintf("its #! line leads through more than %d scripts", maxScripts), err: syscall.ELOOP,
			}
		}
		interpreter, argument := parseShebang(line)
		if interpreter == "" {
			return executable{}, &NotExecutableError{Path: found.path, Reason: "its #! line names no interpreter", err: syscall.ENOEXEC}
		}
		rest := append([]string{found.path}, c.args[1:]...)
		c.args = []string{interpreter}
		if argument != "" {
			c.args = append(c.args, argument)
		}
		c.args = append(c.args, rest...)
		name, wanted = interpreter, found.path
		if !strings.Contains(name, "/") {
			name = "./" + name // execve(2) knows no PATH
		}
	}
}

// lookup finds the executable of one name, or the script's path and first line.
func (s *sandbox) lookup(name string, env []string, dir, wanted string) (found executable, line []byte, err error) {
	file, err := s.resolve(name, env, dir)
	if errors.Is(err, fs.ErrNotExist) {
		if found, ok := builtin(name); ok {
			return found, nil, nil
		}
		missing := &NotFoundError{Name: strings.TrimPrefix(name, "./"), Wanted: wanted}
		if !strings.Contains(name, "/") && name != "" {
			stat, err := s.tree.Stat(within(dir, name))
			missing.here = err == nil && stat.Mode.IsRegular()
		}
		return executable{}, nil, missing
	}
	if err != nil {
		return executable{}, nil, err
	}
	defer file.Close()
	shown := file.Name()
	if strings.Contains(name, "/") {
		shown = name // a script is told the name it was called by
	}
	return s.load(file, shown)
}

// builtin finds what answers where the box has no file: the shell and the utilities, by bare name or in the usual
// directories.
func builtin(name string) (executable, bool) {
	word := name
	if strings.Contains(name, "/") {
		if word = path.Clean(name); !path.IsAbs(word) {
			return executable{}, false
		}
	}
	if coreutils.IsShell(word) {
		return executable{path: name, shell: true}, true
	}
	utility, ok := coreutils.LookupCommand(word)
	return executable{path: name, utility: utility}, ok
}

// resolve opens the file that a name stands for: relative to dir if it has a '/', else the first on PATH that can be
// run, or the first of all.
func (s *sandbox) resolve(name string, env []string, dir string) (*vfs.File, error) {
	if name == "" {
		return nil, fs.ErrNotExist
	}
	if strings.Contains(name, "/") {
		return s.openFile(within(dir, name), name)
	}
	var first *vfs.File
	for _, element := range strings.Split(getenv(env, "PATH", defaultPath), ":") {
		file, err := s.openFile(path.Join(within(dir, element), name), name)
		if err != nil {
			continue
		}
		if runnable(file) {
			if first != nil {
				first.Close()
			}
			return file, nil
		}
		if first == nil {
			first = file
		} else {
			file.Close()
		}
	}
	if first == nil {
		return nil, fs.ErrNotExist
	}
	return first, nil
}

// openFile opens a file for execution. An error that is not fs.ErrNotExist is for the user.
func (s *sandbox) openFile(file, name string) (*vfs.File, error) {
	opened, err := s.tree.Open(file, vfs.O_RDONLY, 0)
	switch {
	case err == nil:
		return opened, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil, fs.ErrNotExist
	}
	return nil, &NotExecutableError{Path: name, Reason: reason(err), err: err}
}

// reason is an error without the operation and path that its context tells.
func reason(err error) string {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err
	}
	return err.Error()
}

// runnable reports whether a search along PATH ends with the file.
func runnable(file *vfs.File) bool {
	stat, err := file.Stat()
	if err != nil || !stat.Mode.IsRegular() {
		return false
	}
	if stat.Mode&0o111 != 0 {
		return true
	}
	head, err := readHead(file)
	return err == nil && wasm.Identify(head).Kind == wasm.Core
}

// readHead gives the beginning of a file, by which its kind is told.
func readHead(file *vfs.File) ([]byte, error) {
	if _, _, contents, ok := file.InLayer(); ok {
		return contents[:min(len(contents), wasm.HeadSize)], nil
	}
	head := make([]byte, wasm.HeadSize)
	n, err := file.ReadAt(head, 0)
	if err == io.EOF {
		err = nil
	}
	return head[:n], err
}

// load reads the module that a file is, or the script's first line.
func (s *sandbox) load(file *vfs.File, name string) (found executable, line []byte, err error) {
	stat, err := file.Stat()
	if err != nil {
		return executable{}, nil, err
	}
	refuse := func(reason, hint string, err error) (executable, []byte, error) {
		return executable{}, nil, &NotExecutableError{Path: name, Reason: reason, hint: hint, err: err}
	}
	if !stat.Mode.IsRegular() {
		return refuse("it is "+kindOf(stat.Mode), "", syscall.EACCES)
	}
	head, err := readHead(file)
	if err != nil {
		return executable{}, nil, err
	}
	switch format := wasm.Identify(head); {
	case format.Kind == wasm.Script && stat.Mode&0o111 == 0:
		return refuse("it is a script without execute permission", "RUN chmod +x, or COPY --chmod=755", syscall.EACCES)
	case format.Kind == wasm.Script:
		return executable{path: name}, firstLine(head), nil
	case format.Kind != wasm.Core:
		return refuse("it is not a WebAssembly module but "+printable(format.Description), hintFor(format.Kind), syscall.ENOEXEC)
	case stat.Size > maxModule:
		return refuse(fmt.Sprintf("it has %d bytes, more than the limit of %d", stat.Size, maxModule), "", syscall.E2BIG)
	}
	module, err := s.readModule(file, name, stat.Size)
	return executable{path: name, module: module}, nil, err
}

// readModule prefers a view of the layer in which the module lies to a copy.
func (s *sandbox) readModule(file *vfs.File, name string, size int64) (source, error) {
	if layer, offset, contents, ok := file.InLayer(); ok {
		return s.engine.layered(name, layer, offset, contents, s.box.diffIDs[layer]), nil
	}
	module := make([]byte, size)
	n, err := file.ReadAt(module, 0)
	if err != nil && err != io.EOF {
		return source{}, err
	}
	return source{name: name, data: module[:n], digest: sha256.Sum256(module[:n])}, nil
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "not a regular file"
}

func hintFor(kind wasm.Kind) string {
	switch kind {
	case wasm.Native:
		return "programs of a box are WebAssembly: build it for wasm32-wasi (wasip1)"
	case wasm.Component:
		return "build it as a core module for wasm32-wasip1 instead of wasip2"
	case wasm.Text:
		return `a script starts with a line such as "#!/usr/bin/env python3"`
	}
	return ""
}

// shebangSize is how much of a script Linux looks at (BINPRM_BUF_SIZE).
const shebangSize = 256

func firstLine(head []byte) []byte {
	line, _, _ := bytes.Cut(head[:min(len(head), shebangSize)], []byte("\n"))
	return line
}

// parseShebang splits a "#!" line as Linux does (fs/binfmt_script.c): the interpreter, and all that follows as one
// argument, without blanks around it.
func parseShebang(line []byte) (interpreter, argument string) {
	text := strings.Trim(strings.TrimPrefix(string(line), "#!"), " \t\r")
	interpreter = text
	if i := strings.IndexAny(text, " \t"); i >= 0 {
		interpreter, argument = text[:i], strings.TrimLeft(text[i:], " \t")
	}
	return interpreter, argument
}

func within(dir, name string) string {
	if path.IsAbs(name) {
		return name
	}
	return dir + "/" + name
}

func getenv(env []string, name, missing string) string {
	for _, variable := range slices.Backward(env) {
		if key, value, _ := strings.Cut(variable, "="); key == name {
			return value
		}
	}
	return missing
}

// withPWD tells the working directory to a program that has no other way to learn it, unless it is "/", where such a
// program starts anyway. A PWD that was given stays.
func withPWD(env []string, dir string) []string {
	if dir == "/" || getenv(env, "PWD", "") != "" {
		return env
	}
	return append(slices.Clone(env), "PWD="+dir)
}

package shell

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"boxer.dev/internal/coreutils"
)

// Marks of command words and file names that only this package makes: no script can spell a NUL.
const (
	internalMark = "\x00"       // a command for exec.go's internal table
	sourceMark   = "\x00script" // what follows is the text of a script
)

// status is a call that does nothing but return a status.
func status(n int) []string { return []string{internalMark + "status", strconv.Itoa(n)} }

const (
	maxFrames     = 4000 // Go stack frames of a shell's goroutine: some hundred nested calls of functions
	maxGoroutines = 4096 // of the process since the shell began
)

// flat are the commands that run no other: they cannot recurse.
var flat = map[string]bool{":": true, "true": true, "false": true, "test": true, "[": true, "echo": true, "printf": true, "read": true, "shift": true}

func numGoroutine() int { return runtime.NumGoroutine() }

// bounds stops scripts that would take boxer down: functions that call themselves for ever and fork bombs.
func (s *session) bounds() error {
	var pc [1]uintptr
	if runtime.Callers(maxFrames, pc[:]) > 0 {
		return &fatalError{"Maximum function recursion depth reached"}
	}
	if numGoroutine()-s.goroutines > maxGoroutines {
		return &fatalError{"Cannot fork: too many subshells"}
	}
	return nil
}

// call is the interpreter's call handler: it sees every simple command before functions and builtins and
// replaces those that would look at the host, or that the interpreter lacks.
func (s *session) call(ctx context.Context, args []string) ([]string, error) {
	if strings.HasPrefix(args[0], internalMark) {
		return status(127), nil // made by a script, from a command substitution with a NUL
	}
	if !flat[args[0]] {
		if err := s.bounds(); err != nil {
			s.end(err)
			return nil, err
		}
	}
	hc := interp.HandlerCtx(ctx)
	command, rest := stripPrefix(args)
	if len(rest) == 0 {
		return []string{"true"}, nil
	}
	if command && strings.HasPrefix(rest[0], "-") {
		return s.commandQuery(hc, rest, args), nil
	}
	if !command && s.functions.has(rest[0]) && !guarded[rest[0]] {
		return args, nil
	}
	out := rest
	if b := builtins[rest[0]]; b != nil {
		out = b(s, hc, rest)
	}
	if command && (args[0] == "command" || interp.IsBuiltin(out[0])) {
		return append([]string{"command"}, out...), nil // not a function of that name
	}
	if command {
		return args, nil
	}
	return out, nil
}

// stripPrefix removes "command" and "builtin" from before a command. What is left may be an option of command.
func stripPrefix(args []string) (stripped bool, rest []string) {
	rest = args
	for len(rest) > 0 && (rest[0] == "command" || rest[0] == "builtin") {
		stripped, rest = true, rest[1:]
		for len(rest) > 0 && (rest[0] == "--" || rest[0] == "-p") {
			rest = rest[1:]
		}
	}
	return stripped, rest
}

type builtin func(s *session, hc interp.HandlerContext, args []string) []string

// builtins are the commands that this package answers. It is filled by init because some look it up.
var builtins map[string]builtin

func init() {
	utility := func(_ *session, _ interp.HandlerContext, args []string) []string {
		return append([]string{internalMark + args[0]}, args[1:]...)
	}
	input := func(s *session, hc interp.HandlerContext, args []string) []string {
		s.pumps.start(hc.Stdin)
		return args
	}
	builtins = map[string]builtin{
		"test": utility, "[": utility, "pwd": utility, "echo": utility, "ulimit": utility, "kill": utility,
		"_sh_random": utility, "_sh_srandom": utility, "_sh_where": utility, "_sh_pattern": utility, "_sh_status": utility,
		"shift": (*session).counted, "break": (*session).counted, "continue": (*session).counted,
		"getopts": (*session).getopts, "_sh_getopts": (*session).nextOption, "return": (*session).returnLast,
		"read": input, "mapfile": input, "readarray": input,
		"printf": (*session).printf, "cd": (*session).cd, "eval": (*session).eval, "source": (*session).dot, ".": (*session).dot,
		"trap": (*session).trap, "alias": (*session).alias, "unset": (*session).unset, "type": (*session).typeOf,
		"umask": (*session).umaskCommand, "set": (*session).set, "pushd": (*session).pushd,
		"shopt": (*session).shopt,
	}
}

func (s *session) errorf(hc interp.HandlerContext, format string, args ...any) {
	fmt.Fprintf(hc.Stderr, "%s: %d: %s\n", s.name, max(1, hc.Pos.Line()), fmt.Sprintf(format, args...))
}

// cd works out where to go; the interpreter, given an absolute path that is a directory, only goes there.
func (s *session) cd(hc interp.HandlerContext, args []string) []string {
	physical := false
	operands := args[1:]
	for len(operands) > 0 && len(operands[0]) > 1 && operands[0][0] == '-' {
		flag := operands[0]
		operands = operands[1:]
		if flag == "--" {
			break
		}
		if strings.Trim(flag[1:], "LPe@") != "" {
			s.errorf(hc, "cd: Illegal option %s", flag)
			return status(2)
		}
		physical = strings.Contains(flag, "P")
	}
	target := hc.Env.Get("HOME").Str
	if len(operands) > 0 {
		target = operands[0]
	}
	show := target == "-"
	if show {
		target = hc.Env.Get("OLDPWD").Str
	}
	if target == "" {
		return status(0)
	}
	dir, err := s.resolveDir(guest(hc.Dir), target, physical)
	if err != nil {
		if s.bash {
			s.errorf(hc, "cd: %s: %s", target, coreutils.ErrorText(err))
			return status(1)
		}
		s.errorf(hc, "cd: can't cd to %s", target)
		return status(2)
	}
	if show {
		fmt.Fprintln(hc.Stdout, dir)
	}
	return []string{"cd", dir}
}

func (s *session) resolveDir(from, target string, physical bool) (string, error) {
	dir := path.Clean(s.abs(from, target))
	if physical {
		// Symlinks count before "..", so the path is not cleaned first.
		resolved, err := s.coreutils().RealPath(s.abs(from, target))
		if err != nil {
			return "", err
		}
		dir = resolved
	}
	st, err := s.FS.Stat(dir)
	if err == nil && !st.IsDir() {
		err = &fs.PathError{Op: "cd", Path: dir, Err: errNotDir}
	}
	return dir, err
}

func (s *session) pushd(hc interp.HandlerContext, args []string) []string {
	if len(args) != 2 || args[1] == "-n" {
		return args
	}
	dir, err := s.resolveDir(guest(hc.Dir), args[1], false)
	if err != nil {
		s.errorf(hc, "pushd: %s: %s", args[1], coreutils.ErrorText(err))
		return status(1)
	}
	return []string{"pushd", dir}
}

// eval lowers its text: the interpreter parses it by itself.
func (s *session) eval(hc interp.HandlerContext, args []string) []string {
	if len(args) > 1 && args[1] == "--" {
		args = args[1:]
	}
	src, err := s.source(strings.NewReader(strings.Join(args[1:], " ")), "")
	if err != nil {
		s.errorf(hc, "eval: %v", err)
		return status(2)
	}
	return []string{"eval", src}
}

// evalCode returns a call that runs code of this package, already lowered.
func evalCode(format string, args ...any) []string {
	return []string{"eval", fmt.Sprintf(format, args...)}
}

// dot reads a script and hands its text to the interpreter under a name that cannot be a file's.
func (s *session) dot(hc interp.HandlerContext, args []string) []string {
	if len(args) > 1 && args[1] == "--" {
		args = append(args[:1:1], args[2:]...)
	}
	if len(args) < 2 {
		s.errorf(hc, "%s: filename argument required", args[0])
		return status(2)
	}
	env := s.coreutils()
	env.Dir, env.Environ = guest(hc.Dir), exported(hc.Env, guest(hc.Dir))
	f, err := s.scriptFile(s.abs(hc.Dir, s.findScript(env, hc, args[1])))
	if err != nil {
		s.errorf(hc, ".: cannot open %s: %s", args[1], coreutils.ErrorText(err))
		return status(2)
	}
	defer f.Close()
	src, err := s.source(f, args[1])
	if err != nil {
		s.errorf(hc, "%s: %v", args[1], err)
		return status(2)
	}
	return append([]string{"source", sourceMark + src}, args[2:]...)
}

// findScript looks on PATH for a script named without a slash, then in the working directory.
func (s *session) findScript(env *coreutils.Env, hc interp.HandlerContext, name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	for dir := range strings.SplitSeq(hc.Env.Get("PATH").Str, ":") {
		p := s.abs(hc.Dir, path.Join("./", dir, name))
		if strings.HasPrefix(dir, "/") {
			p = path.Join(dir, name)
		}
		if st, err := s.FS.Stat(p); err == nil && st.Mode.IsRegular() {
			return p
		}
	}
	return name
}

// signals are the names that trap knows; a box delivers none of them to a shell.
const signals = " HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM CHLD CONT STOP TSTP TTIN TTOU WINCH "

// trap keeps the actions for EXIT and ERR and lowers them.
func (s *session) trap(hc interp.HandlerContext, args []string) []string {
	operands := args[1:]
	if len(operands) > 0 && operands[0] == "--" {
		operands = operands[1:]
	}
	if len(operands) == 0 {
		return args[:1]
	}
	action, names := operands[0], operands[1:]
	if len(names) == 0 { // "trap SIGNAL" resets
		action, names = "-", operands
	}
	if action != "-" {
		src, err := s.source(strings.NewReader(action), "")
		if err != nil {
			s.errorf(hc, "trap: %v", err)
			return status(2)
		}
		action = src
	}
	out := []string{"trap", "--", action}
	for _, name := range names {
		short := strings.TrimPrefix(strings.ToUpper(name), "SIG")
		number, err := strconv.Atoi(name)
		switch {
		case short == "EXIT" || err == nil && number == 0:
			out = append(out, "EXIT")
		case short == "ERR":
			out = append(out, "ERR")
		case err == nil && 0 < number && number < 65, strings.Contains(signals, " "+short+" "), short == "DEBUG", short == "RETURN":
		default:
			s.errorf(hc, "trap: %s: bad trap", name)
			return status(1)
		}
	}
	if len(out) == 3 {
		return status(0)
	}
	return out
}

func (s *session) alias(hc interp.HandlerContext, args []string) []string {
	out := []string{"alias"}
	for _, a := range args[1:] {
		name, value, ok := strings.Cut(a, "=")
		if !ok {
			out = append(out, a)
			continue
		}
		src, err := s.source(strings.NewReader(value), "")
		if err != nil {
			s.errorf(hc, "alias: %v", err)
			return status(2)
		}
		src = strings.TrimRight(src, "\n")
		if strings.HasSuffix(value, " ") {
			src += " "
		}
		out = append(out, name+"="+src)
	}
	return out
}

// shopt refuses the option by which words that are expanded to file names may have groups: nobody looks at those before, as at
// patterns (pattern.go).
func (s *session) shopt(hc interp.HandlerContext, args []string) []string {
	if slices.Contains(args, "extglob") && slices.ContainsFunc(args[1:], func(a string) bool { return strings.HasPrefix(a, "-") && strings.Contains(a, "s") }) {
		s.errorf(hc, "shopt: extglob is not available in a box; case and [[ ]] have such patterns without it")
		return status(1)
	}
	return args
}

const maxSubscript = 4096 // bytes

// unset refuses subscripts with expansions, which the interpreter would parse by itself, and such as may be nested too deeply.
func (s *session) unset(hc interp.HandlerContext, args []string) []string {
	for _, a := range args[1:] {
		if _, sub, ok := strings.Cut(a, "["); ok && (strings.ContainsAny(sub, "$`") || strings.Contains(sub, "PPID") || len(sub) > maxSubscript) {
			s.errorf(hc, "unset: %.100s: bad array subscript", a)
			return status(1)
		}
	}
	return args
}

// printf writes to a variable for bash's printf -v, and is the utility otherwise.
func (s *session) printf(hc interp.HandlerContext, args []string) []string {
	if len(args) < 4 || args[1] != "-v" || !syntax.ValidName(args[2]) {
		return append([]string{internalMark + "printf"}, args[1:]...)
	}
	var out bytes.Buffer
	u, _ := coreutils.Lookup("printf")
	env := s.coreutils()
	env.Args, env.Stdout, env.Stderr = append([]string{"printf"}, args[3:]...), &out, hc.Stderr
	if n := u(context.Background(), env); n != 0 {
		return status(n)
	}
	return evalCode("%s=%s", args[2], singleQuote(out.String()))
}

// commandQuery is command -v and -V.
func (s *session) commandQuery(hc interp.HandlerContext, rest, args []string) []string {
	if s.inNowhere(hc, rest[1:]) {
		return args
	}
	if rest[0] != "-v" && rest[0] != "-V" {
		s.errorf(hc, "command: Illegal option %s", rest[0])
		return status(2)
	}
	if rest[0] == "-V" {
		return s.typeOf(hc, rest)
	}
	var code strings.Builder
	for _, name := range rest[1:] {
		quoted := singleQuote(name)
		if !isPath(name) {
			fmt.Fprintf(&code, "PATH=$%s command -v %s || ", varNowhere, quoted)
		}
		fmt.Fprintf(&code, "_sh_where %s\n", quoted)
	}
	return evalCode("%s", code.String())
}

// inNowhere reports whether a query is one of ours that cannot find a file of the host: PATH leads nowhere and the
// names are no paths.
func (s *session) inNowhere(hc interp.HandlerContext, names []string) bool {
	return hc.Env.Get("PATH").Str == nowhere && !slices.ContainsFunc(names, isPath)
}

// isPath reports whether a command word is not looked up on PATH, on any host.
func isPath(name string) bool { return strings.ContainsAny(name, `/\:`) }

func (s *session) typeOf(hc interp.HandlerContext, args []string) []string {
	flags, names := []string{}, args[1:]
	for len(names) > 0 && strings.HasPrefix(names[0], "-") {
		if strings.Trim(names[0], "-tpP") != "" {
			s.errorf(hc, "type: Illegal option %s", printable(names[0]))
			return status(2)
		}
		flags, names = append(flags, names[0]), names[1:]
	}
	if s.inNowhere(hc, names) {
		return append(append([]string{"type"}, flags...), names...)
	}
	mode := strings.Join(flags, "")
	var code strings.Builder
	for _, name := range names {
		quoted := singleQuote(name)
		if !strings.ContainsAny(mode, "pP") && !isPath(name) {
			fmt.Fprintf(&code, "PATH=$%s type %s %s 2>/dev/null || ", varNowhere, mode, quoted)
		}
		fmt.Fprintf(&code, "_sh_where type%s %s\n", mode, quoted)
	}
	return evalCode("%s", code.String())
}

// returnLast gives return the status it has without an operand: that of the command before.
func (s *session) returnLast(hc interp.HandlerContext, args []string) []string {
	if len(args) == 1 {
		return []string{"return", strconv.Itoa(hc.LastExitStatus)}
	}
	return args
}

// counted refuses the negative counts that make the interpreter panic.
func (s *session) counted(hc interp.HandlerContext, args []string) []string {
	if len(args) > 1 {
		if n, err := strconv.Atoi(args[1]); err != nil || n < 0 || n == 0 && args[0] != "shift" {
			s.errorf(hc, "%s: Illegal number: %s", args[0], printable(args[1]))
			return status(2)
		}
	}
	return args
}

// umask reads the umask of a subshell from its variables.
func (s *session) umask(env expand.Environ) fs.FileMode {
	n, err := strconv.ParseUint(env.Get(varUmask).Str, 8, 32)
	if err != nil {
		return 0o022
	}
	return umaskMode(uint32(n))
}

// umaskMode is how coreutils and the runtime are told a umask: 0 would mean the default.
func umaskMode(bits uint32) fs.FileMode {
	if bits&0o777 == 0 {
		return coreutils.NoUmask
	}
	return fs.FileMode(bits & 0o777)
}

func umaskBits(m fs.FileMode) uint32 {
	if m == 0 {
		return 0o022
	}
	return uint32(m.Perm())
}

func (s *session) umaskCommand(hc interp.HandlerContext, args []string) []string {
	current := uint32(s.umask(hc.Env).Perm())
	switch {
	case len(args) == 1:
		fmt.Fprintf(hc.Stdout, "%04o\n", current)
		return status(0)
	case args[1] == "-S" && len(args) == 2:
		fmt.Fprintln(hc.Stdout, coreutils.SymbolicUmask(current))
		return status(0)
	}
	mask, err := coreutils.ParseUmask(args[len(args)-1], current)
	if err != nil {
		s.errorf(hc, "umask: Illegal mode: %s", args[len(args)-1])
		return status(2)
	}
	return evalCode("%s=%04o", varUmask, mask)
}

// set drops the options that mean nothing here, so that "set -Eeuo pipefail" works.
func (s *session) set(hc interp.HandlerContext, args []string) []string {
	if len(args) == 1 {
		return []string{internalMark + "set"}
	}
	out := []string{"set"}
	for i := 1; i < len(args); i++ {
		a := args[i]
		if a == "--" || a == "-" || a == "+" || len(a) < 2 || a[0] != '-' && a[0] != '+' {
			if len(out) == 1 && a != "--" && a != "-" && a != "+" {
				out = append(out, "--")
			}
			return append(out, args[i:]...)
		}
		for _, flag := range a[1:] {
			name := ""
			if flag == 'o' {
				if i+1 == len(args) {
					return append(out, a[:1]+"o") // lists the options
				}
				i++
				name = args[i]
			}
			var err error
			if out, err = setOption(out, a[:1], flag, name); err != nil {
				s.errorf(hc, "set: %s", strings.TrimPrefix(err.Error(), "0: "))
				return status(2)
			}
		}
	}
	if len(out) == 1 {
		return status(0)
	}
	return out
}

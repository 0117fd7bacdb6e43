package builder

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// maxBoxfile bounds what is read as a Boxfile. It is BuildKit's bound for one.
const maxBoxfile = 2 << 20

// Names that a Boxfile may have at the root of a context, the best first.
var boxfileNames = []string{"Boxfile", "Dockerfile"}

// Boxfile is a parsed build file. It does not change and may be built many times.
type Boxfile struct {
	Name string // for messages

	escape     rune
	lines      []string
	nodes      []*parser.Node
	emptyLines [][]parser.Range // where a continued instruction has one
	syntax     string           // of the directive # syntax=
	check      string           // of the directive # check=
	checkLine  int
}

// OpenBoxfile finds and parses a build file. An empty name stands for Boxfile, else Dockerfile, at the root of the context;
// "-" for stdin; any other name is a path on the host, in the context or not.
func OpenBoxfile(context *os.Root, name string, stdin io.Reader) (*Boxfile, error) {
	switch name {
	case "":
		return openInContext(context)
	case "-":
		if stdin == nil {
			return nil, errors.New("reading the Boxfile: no standard input")
		}
		return Parse("stdin", stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the Boxfile: %w", err)
	}
	defer f.Close()
	return Parse(name, f)
}

func openInContext(context *os.Root) (*Boxfile, error) {
	if context == nil {
		return nil, withHint(errors.New("no Boxfile: there is no context to find it in"), "name it with -f")
	}
	for _, name := range boxfileNames {
		f, err := openRegular(context, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading the Boxfile: %w", err)
		}
		defer f.Close()
		return Parse(name, f)
	}
	return nil, withHint(fmt.Errorf("no Boxfile in %s", context.Name()), "create a Boxfile (or Dockerfile) there, or name one with -f")
}

// Parse reads a build file: Dockerfile syntax as BuildKit's parser has it. file is its name in messages. Every instruction is
// checked, whether a build would reach it or not. Errors are of type *Error, but those of src itself.
func Parse(file string, src io.Reader) (*Boxfile, error) {
	data, err := io.ReadAll(io.LimitReader(src, maxBoxfile+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	b := &Boxfile{Name: file, lines: strings.Split(string(data), "\n")}
	if len(data) > maxBoxfile {
		return nil, b.errorAt(0, "", fmt.Errorf("larger than %d bytes", maxBoxfile))
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return nil, b.errorAt(0, "", errors.New("not a text file: it holds a zero byte"))
	}
	ast, err := parseAST(data)
	if err != nil {
		return nil, b.syntaxError(err)
	}
	b.nodes, b.escape = ast.AST.Children, ast.EscapeToken
	for _, w := range ast.Warnings {
		if w.Location != nil {
			b.emptyLines = append(b.emptyLines, []parser.Range{*w.Location}) // the parser warns of nothing else
		}
	}
	b.readDirectives(data)
	if _, err := b.program(); err != nil {
		return nil, err
	}
	return b, nil
}

// parseAST turns a panic of the parser into an error: it is not ours, and what it reads is.
func parseAST(data []byte) (res *parser.Result, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be parsed: %v", r)
		}
	}()
	return parseLines(data)
}

// readDirectives reads those that the parser leaves to others (https://docs.docker.com/reference/dockerfile/#parser-directives).
func (b *Boxfile) readDirectives(data []byte) {
	b.syntax, _, _, _ = parser.ParseDirective("syntax", data)
	check, _, at, ok := parser.ParseDirective("check", data)
	if ok {
		b.check = check
		if len(at) > 0 {
			b.checkLine = at[0].Start.Line
		}
	}
}

// syntaxNote says what becomes of the directive # syntax=; empty: there is none.
func (b *Boxfile) syntaxNote() string {
	if b.syntax == "" {
		return ""
	}
	return "# syntax=" + printable(b.syntax) + " makes no difference: boxer reads Boxfiles itself, as BuildKit does"
}

// errorAt makes err an error of the given line, unless it has its place already.
func (b *Boxfile) errorAt(line int, instruction string, err error) error {
	var placed *Error
	if errors.As(err, &placed) {
		return err
	}
	return &Error{File: b.Name, Line: line, Instruction: printable(instruction), Excerpt: b.excerpt(line), Err: err}
}

// syntaxError makes an error of BuildKit's parser one of ours.
func (b *Boxfile) syntaxError(err error) error {
	var located *parser.LocationError
	if !errors.As(err, &located) {
		return b.errorAt(0, "", err)
	}
	line := 0
	if len(located.Locations) > 0 && len(located.Locations[0]) > 0 {
		line = located.Locations[0][0].Start.Line
	}
	if strings.Contains(located.Error(), "file with no instructions") {
		return b.errorAt(0, "", withHint(errors.New("it has no instructions"), "start with a base: FROM python:3.13, FROM ubuntu or FROM scratch"))
	}
	return b.errorAt(line, b.instructionAt(line), unwrapLocation(located))
}

func unwrapLocation(err *parser.LocationError) error {
	if inner := err.Unwrap(); inner != nil {
		return inner
	}
	return err
}

// line returns the text of a line, from 1, cut to what a terminal can show.
func (b *Boxfile) line(n int) string {
	if n < 1 || n > len(b.lines) {
		return ""
	}
	const limit = 160
	s := strings.TrimRight(b.lines[n-1], "\r")
	if len(s) > limit {
		s = s[:limit] + "…"
	}
	return printable(s)
}

// Line returns the text of a line, from 1, fit for a terminal. ok is false behind the last one.
func (b *Boxfile) Line(n int) (text string, ok bool) {
	last := len(b.lines)
	if last > 0 && b.lines[last-1] == "" {
		last--
	}
	return b.line(n), n >= 1 && n <= last
}

// instructionAt guesses the instruction that a line begins with.
func (b *Boxfile) instructionAt(line int) string {
	word, _, _ := strings.Cut(strings.TrimSpace(b.line(line)), " ")
	if _, known := handlers[strings.ToLower(word)]; known {
		return strings.ToUpper(word)
	}
	return ""
}

// program is a Boxfile's instructions, typed. BuildKit's commands are changed by expansion, so that each build needs its own.
type program struct {
	args   []*instruction // ARG before the first FROM
	stages []*stageSource
}

// stageSource is one FROM and the instructions up to the next.
type stageSource struct {
	*instructions.Stage
	from  *instruction
	steps []*instruction
}

// instruction is one instruction of a Boxfile.
type instruction struct {
	name string // in capitals
	line int
	text string // with continuation lines joined
	cmd  instructions.Command
}

func (b *Boxfile) program() (*program, error) {
	p := &program{}
	for _, node := range b.nodes {
		in := &instruction{name: strings.ToUpper(node.Value), line: node.StartLine, text: strings.TrimSpace(node.Original)}
		if err := p.add(node, in); err != nil {
			return nil, b.errorAt(in.line, in.name, err)
		}
	}
	if len(p.stages) == 0 {
		return nil, b.errorAt(0, "", withHint(errors.New("it has no FROM"), "start with a base: FROM python:3.13, FROM ubuntu or FROM scratch"))
	}
	return p, nil
}

func (p *program) add(node *parser.Node, in *instruction) error {
	parsed, err := parseInstruction(node)
	if err != nil {
		return err
	}
	switch c := parsed.(type) {
	case *instructions.Stage:
		p.stages = append(p.stages, &stageSource{Stage: c, from: in})
		return nil
	case instructions.Command:
		in.cmd = c
	default:
		return fmt.Errorf("unexpected %T", parsed)
	}
	if len(p.stages) == 0 {
		if in.name != "ARG" {
			return withHint(errors.New("there is no FROM before it"), "start with a base: FROM python:3.13, FROM ubuntu or FROM scratch")
		}
		p.args = append(p.args, in)
		return nil
	}
	last := p.stages[len(p.stages)-1]
	last.steps = append(last.steps, in)
	return nil
}

// silent warns of nothing. Without a linter BuildKit panics at comments such as "# check=skip=all".
var silent = linter.New(&linter.Config{})

// parseInstruction refuses what boxer does not do before BuildKit can object to details of it.
func parseInstruction(node *parser.Node) (parsed any, err error) {
	name := strings.ToLower(node.Value)
	h, known := handlers[name]
	if !known {
		return nil, unknownInstruction(name)
	}
	if h.refuse != nil {
		return nil, h.refuse
	}
	if h.parse != nil {
		return h.parse(node)
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be parsed: %v", r)
		}
	}()
	parsed, err = instructions.ParseInstructionWithLinter(node, silent)
	var located *parser.LocationError
	if errors.As(err, &located) {
		err = unwrapLocation(located)
	}
	if err == nil && h.check != nil {
		err = h.check(parsed)
	}
	return parsed, err
}

func unknownInstruction(name string) error {
	err := errors.New("unknown instruction")
	if near := nearest(name, handlerNames()); near != "" {
		return withHint(err, "did you mean %s?", strings.ToUpper(near))
	}
	return withHint(err, "instructions are %s", strings.ToUpper(strings.Join(handlerNames(), " ")))
}

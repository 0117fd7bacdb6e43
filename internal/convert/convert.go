// Package convert tells what becomes of a Dockerfile in a box, instruction by instruction, and makes a Boxfile of it.
//
// The file is read by BuildKit's parser, commands of RUN by the parser that their shell in a box has, and what is left of each
// instruction is put before [builder.Parse], so that a Boxfile made here is one that boxer takes. Lines that are not judged
// (comments, blank lines) stay; what does not apply stays as a comment.
package convert

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"boxer.dev/builder"
)

// Verdict is what becomes of an instruction.
type Verdict int

// The verdicts, the best first.
const (
	Works   Verdict = iota // as it is
	Differs                // in another form, or to another effect
	No                     // not at all
)

func (v Verdict) String() string { return [...]string{"works", "differs", "no"}[v] }

// MarshalText returns String, for JSON.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Judgement is what becomes of one instruction.
type Judgement struct {
	Line        int      `json:"line"`        // in the Dockerfile, from 1
	Instruction string   `json:"instruction"` // its text, continuation lines joined
	Verdict     Verdict  `json:"verdict"`
	Notes       []string `json:"notes,omitempty"` // how it differs; why it does not work and what to do instead
}

// Conversion is a Dockerfile judged.
type Conversion struct {
	Judgements []Judgement `json:"instructions"`
	Boxfile    string      `json:"boxfile"`
}

// Works tells whether nothing is lost: every instruction works, perhaps in another form.
func (c *Conversion) Works() bool { return c.Count(No) == 0 }

// Count is how many instructions got a verdict.
func (c *Conversion) Count(v Verdict) (n int) {
	for _, j := range c.Judgements {
		if j.Verdict == v {
			n++
		}
	}
	return n
}

// Options say what there is.
type Options struct {
	Python string // version of the Python base, such as 3.13.5
}

// Dockerfile judges a Dockerfile. The error is about one that cannot be read or parsed at all; name is for messages.
func Dockerfile(name string, src io.Reader, o Options) (*Conversion, error) {
	text, err := io.ReadAll(src)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	parsed, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	c := newConverter(o, parsed)
	if c.total == 0 {
		return nil, fmt.Errorf("reading %s: it is no Dockerfile: it has no FROM", name)
	}
	made := &Conversion{}
	edits := map[int]edit{}
	for _, node := range parsed.AST.Children {
		j, e := c.judge(node)
		made.Judgements = append(made.Judgements, j)
		edits[node.StartLine] = e
	}
	made.Boxfile = rewrite(string(text), parsed.AST.Children, edits)
	if _, err := builder.Parse("Boxfile", strings.NewReader(made.Boxfile)); err != nil {
		return nil, fmt.Errorf("converting %s: what is left of it is no Boxfile: %w", name, err)
	}
	return made, nil
}

// parse turns a panic of the parser into an error.
func parse(text []byte) (res *parser.Result, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it cannot be parsed: %v", r)
		}
	}()
	if bytes.IndexByte(text, 0) >= 0 {
		return nil, errors.New("it is no text")
	}
	return parser.Parse(bytes.NewReader(text))
}

// edit is what an instruction becomes. The zero value leaves it as it is.
type edit struct {
	drop bool   // to a comment
	text string // else, what takes its place; empty: nothing does
}

// finding is what is known of an instruction while it is judged.
type finding struct {
	verdict Verdict
	notes   []string
	edit
}

// found adds what was found out; the worst verdict counts.
func (f *finding) found(v Verdict, format string, args ...any) {
	f.verdict = max(f.verdict, v)
	if note := fmt.Sprintf(format, args...); note != "" {
		for _, known := range f.notes {
			if known == note {
				return
			}
		}
		f.notes = append(f.notes, note)
	}
}

// judge tells what becomes of one instruction.
func (c *converter) judge(node *parser.Node) (Judgement, edit) {
	f := &finding{}
	name := strings.ToLower(node.Value)
	switch {
	case c.froms == 0 && name != "from" && name != "arg":
		f.found(No, "there is no FROM before it")
		f.drop = true
	case c.lost && name != "from":
		f.found(No, "it belongs to a stage that boxer cannot build")
		f.drop = true
	default:
		c.instruction(node, f)
	}
	if !f.drop {
		c.check(node, f)
	}
	return Judgement{Line: node.StartLine, Instruction: strings.TrimSpace(node.Original), Verdict: f.verdict, Notes: f.notes}, f.edit
}

func (c *converter) instruction(node *parser.Node, f *finding) {
	parsed, err := parseInstruction(node)
	if err != nil {
		return // check says so
	}
	switch i := parsed.(type) {
	case *instructions.Stage:
		c.from(node, i, f)
	case *instructions.ArgCommand:
		c.arg(i)
	case *instructions.RunCommand:
		c.run(node, i, f)
	case *instructions.CopyCommand:
		c.copy(node, i, f)
	case *instructions.EnvCommand:
		c.env(node, i, f)
	case *instructions.CmdCommand:
		c.start(node, i.ShellDependantCmdLine, f)
	case *instructions.EntrypointCommand:
		c.start(node, i.ShellDependantCmdLine, f)
	case *instructions.ExposeCommand:
		f.found(Differs, "recorded only: a box has no network of its own")
	case *instructions.HealthCheckCommand:
		f.found(Differs, "recorded only: nothing asks a box for its health")
	case *instructions.StopSignalCommand:
		f.found(Differs, "recorded only: a box lives as long as `boxer run`")
	case *instructions.UserCommand:
		f.found(Differs, "programs see this user, and nothing in a box is enforced by it")
	case *instructions.VolumeCommand:
		f.found(Differs, "recorded only: mount a directory or a volume with `boxer run -v`")
	}
}

func parseInstruction(node *parser.Node) (parsed any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be parsed: %v", r)
		}
	}()
	return instructions.ParseInstruction(node)
}

// check puts what is left of an instruction before boxer's own parser, and drops what that refuses.
func (c *converter) check(node *parser.Node, f *finding) {
	text := f.text
	if text == "" {
		text = c.source(node)
	}
	if !strings.EqualFold(node.Value, "from") {
		text = "FROM scratch\n" + text
	}
	if c.escape != parser.DefaultEscapeToken {
		text = fmt.Sprintf("# escape=%c\n%s", c.escape, text)
	}
	_, err := builder.Parse("Boxfile", strings.NewReader(text+"\n"))
	if err == nil {
		return
	}
	var placed *builder.Error
	if errors.As(err, &placed) {
		f.found(No, "%v", placed.Err)
		if hint := placed.Hint(); hint != "" {
			f.found(No, "%s", hint)
		}
	} else {
		f.found(No, "%v", err)
	}
	f.edit = edit{drop: true}
}

// rewrite makes the Boxfile: the Dockerfile's lines, with instructions edited.
func rewrite(text string, nodes []*parser.Node, edits map[int]edit) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	var b strings.Builder
	next := 0 // of lines
	for _, node := range nodes {
		begin, end := node.StartLine-1, min(node.EndLine, len(lines))
		for ; next < begin; next++ {
			b.WriteString(lines[next] + "\n")
		}
		e := edits[node.StartLine]
		switch {
		case e.drop:
			for ; next < end; next++ {
				b.WriteString("# " + lines[next] + "\n")
			}
		case e.text != "":
			b.WriteString(e.text + "\n")
			next = end
		}
	}
	for ; next < len(lines); next++ {
		b.WriteString(lines[next] + "\n")
	}
	return b.String()
}

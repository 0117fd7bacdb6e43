package builder

import (
	"bytes"
	"errors"
	"maps"
	"strings"
	"unicode"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// BuildKit's parser keeps the line of an instruction that it does not know, and no here-document that goes with it. So a line
// such as `SNAPSHOT <<EOF` is shown to it as a RUN. Whether the line begins an instruction, or belongs to another one, only
// the parser knows: lines that turn out to belong to others are shown as they are the second time.

const snapshotName = "snapshot"

// lines are numbers of lines, from 1.
type lines map[int]bool

// parseLines is parser.Parse for a file that may hold SNAPSHOT with a here-document.
func parseLines(data []byte) (*parser.Result, error) {
	all := bytes.SplitAfter(data, []byte("\n"))
	shown := lines{}
	for i, line := range all {
		if _, ok := snapshotHeredoc(line); ok {
			shown[i+1] = true
		}
	}
	if len(shown) == 0 {
		return parser.Parse(bytes.NewReader(data))
	}
	result, err := parseAsRun(all, shown)
	if shown.dropOthers(result, err) {
		result, err = parseAsRun(all, shown)
	}
	if err != nil {
		return nil, err
	}
	for _, node := range result.AST.Children {
		if shown[node.StartLine] {
			node.Value = snapshotName
			node.Original = strings.ToUpper(snapshotName) + node.Original[len("RUN"):]
		}
	}
	return result, nil
}

// snapshotHeredoc gives what follows the word in a line that is SNAPSHOT with a here-document.
func snapshotHeredoc(line []byte) (rest []byte, ok bool) {
	line = bytes.TrimLeftFunc(line, unicode.IsSpace)
	if len(line) < len(snapshotName) || !strings.EqualFold(string(line[:len(snapshotName)]), snapshotName) {
		return nil, false
	}
	rest = line[len(snapshotName):]
	text := bytes.TrimLeft(rest, "\t\v\f\r ")
	return rest, len(text) < len(rest) && bytes.HasPrefix(text, []byte("<<"))
}

func parseAsRun(all [][]byte, shown lines) (*parser.Result, error) {
	var b bytes.Buffer
	for i, line := range all {
		if shown[i+1] {
			rest, _ := snapshotHeredoc(line)
			b.WriteString("RUN")
			line = rest
		}
		b.Write(line)
	}
	return parser.Parse(&b)
}

// dropOthers drops the lines that do not begin an instruction, as far as parsing has told, and reports whether there are any.
func (l lines) dropOthers(result *parser.Result, err error) bool {
	before := len(l)
	var located *parser.LocationError
	switch {
	case err == nil:
		starts := lines{}
		for _, node := range result.AST.Children {
			starts[node.StartLine] = true
		}
		maps.DeleteFunc(l, func(n int, _ bool) bool { return !starts[n] })
	case errors.As(err, &located):
		for _, ranges := range located.Locations {
			for _, r := range ranges {
				maps.DeleteFunc(l, func(n int, _ bool) bool { return r.Start.Line < n && n <= r.End.Line })
			}
		}
	}
	return len(l) < before
}

// snapshotCommand is SNAPSHOT. Its text is not the Boxfile's language, so that no variable is replaced in it.
type snapshotCommand struct {
	at   []parser.Range
	text string // empty: none is given
	none bool
}

func (c *snapshotCommand) Name() string             { return snapshotName }
func (c *snapshotCommand) Location() []parser.Range { return c.at }
func (c *snapshotCommand) Comments() []string       { return nil }

var errSnapshotHeredoc = errors.New("a here-document is all of the text, and begins on the instruction's own line")

func parseSnapshot(node *parser.Node) (instructions.Command, error) {
	c := &snapshotCommand{at: node.Location()}
	if len(node.Flags) > 0 {
		return nil, errors.New("it takes no flags")
	}
	c.text = strings.TrimSpace(node.Original[len(snapshotName):])
	switch {
	case len(node.Heredocs) == 1 && parser.MustParseHeredoc(c.text) != nil:
		c.text = node.Heredocs[0].Content
		if node.Heredocs[0].Chomp {
			c.text = parser.ChompHeredocContent(c.text)
		}
		if strings.TrimSpace(c.text) == "" {
			return nil, errors.New("the here-document is empty")
		}
	case strings.HasPrefix(c.text, "<<"):
		return nil, errSnapshotHeredoc
	case strings.EqualFold(c.text, "none"):
		c.none = true
	}
	return c, nil
}

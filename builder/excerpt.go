package builder

import (
	"fmt"
	"strings"
)

const (
	excerptContext = 2 // lines before and after an instruction
	excerptLines   = 8 // of an instruction; a long here-document is cut
)

// excerpt shows the lines about the one given, as docker buildx does: those of its instruction are marked.
func (b *Boxfile) excerpt(line int) string {
	if line < 1 || line > len(b.lines) {
		return ""
	}
	last := b.lastLine(line)
	shown := min(last, line+excerptLines-1)
	var text strings.Builder
	for n := max(1, line-excerptContext); n <= shown; n++ {
		mark := "   "
		if n >= line {
			mark = ">>>"
		}
		writeSource(&text, n, mark, b.line(n))
	}
	if shown < last {
		fmt.Fprintf(&text, "\n       | >>> … %d more", last-shown)
	}
	end := len(b.lines)
	if b.lines[end-1] == "" { // what is behind the last line end is no line
		end--
	}
	for n := last + 1; n <= min(last+excerptContext, end); n++ {
		writeSource(&text, n, "   ", b.line(n))
	}
	return text.String()
}

func writeSource(b *strings.Builder, number int, mark, source string) {
	b.WriteString(strings.TrimRight(fmt.Sprintf("\n%6d | %s %s", number, mark, source), " "))
}

// lastLine is where the instruction ends that begins in a line.
func (b *Boxfile) lastLine(line int) int {
	for _, node := range b.nodes {
		if node.StartLine == line {
			return max(line, min(node.EndLine, len(b.lines)))
		}
	}
	return line
}

package builder

import (
	"strings"
	"unicode"

	"github.com/agext/levenshtein"
)

// nearest returns the candidate that name is most likely a slip of, or "".
func nearest(name string, candidates []string) string {
	best, found := 3, ""
	for _, c := range candidates {
		if d := levenshtein.Distance(name, c, nil); d < best && d < len(c) {
			best, found = d, c
		}
	}
	return found
}

// printable replaces what could steer a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == unicode.ReplacementChar, !unicode.IsPrint(r):
			return '·'
		}
		return r
	}, s)
}

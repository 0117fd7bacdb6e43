//go:build !windows

package main

import (
	"cmp"
	"os"
	"strings"
)

// showsUnicode tells whether the terminal is said to show UTF-8 (POSIX.1-2024, 8.2: the first variable that is set counts).
func showsUnicode() bool {
	locale := strings.ToLower(cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG")))
	return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
}

// drawsEscapes: what calls itself a terminal, and not a dumb one, obeys escape sequences.
func drawsEscapes(int) bool { return true }

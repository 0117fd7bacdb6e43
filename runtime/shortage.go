package runtime

import (
	"errors"
	"regexp"
	"strings"
	"sync"
)

// A program that gets no more memory, or no more room for files, is not ended: it is told, and may live on. Where it fails
// then, by a status other than 0 or a trap, the host has to tell from outside whether that is why. It knows two things: whether
// anything was refused, and the last line on standard error.
//
//   - A line that ends a Python traceback names what nobody caught. MemoryError is out of memory, even if the host has refused
//     nothing (32 bits address 4 GiB, limit or no limit); "No space left on device" is a full disk; anything else is neither.
//   - Where there is no such line, what was refused is the reason.

// exceptionLine is the last line of a traceback: the exception's name and, after a colon, its text.
var exceptionLine = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:\w+\.)*(\w*(?:Error|Exception|Interrupt|ExceptionGroup))(?::|$)`)
})

// colours are in a traceback on a terminal.
var colours = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("\x1b\\[[0-9;]*m") })

// shortage says what of a program failed for want of, whose last words on standard error were these: OutcomeOutOfMemory,
// OutcomeDiskFull or nothing.
func shortage(words string, memory, files bool) Outcome {
	words = strings.TrimRight(colours().ReplaceAllString(words, ""), " \t\r\n")
	line := words[strings.LastIndexByte(words, '\n')+1:]
	if exception := exceptionLine().FindStringSubmatch(line); exception != nil {
		switch {
		case strings.HasSuffix(exception[1], "MemoryError"):
			return OutcomeOutOfMemory
		case strings.Contains(line, "No space left on device") || strings.Contains(line, "disk is full"):
			return OutcomeDiskFull
		}
		return ""
	}
	switch {
	case files:
		return OutcomeDiskFull
	case memory:
		return OutcomeOutOfMemory
	}
	return ""
}

// explain adds to the error of a run that failed what it failed of.
func (s *sandbox) explain(err error) error {
	var exit *ExitError
	var trap *TrapError
	if !errors.As(err, &exit) && !errors.As(err, &trap) {
		return err
	}
	if exit != nil && exit.Code == StatusInterrupted && s.interrupted.Load() {
		exit.Want = OutcomeKilled
		return err
	}
	memory, files := s.memory.Refused(), s.tree.Refusals() > s.refusals
	want := shortage(s.output.tail.String(), memory, files)
	var limit Limits // none, if the program wanted more than there is, or room elsewhere
	if want == OutcomeOutOfMemory && memory || want == OutcomeDiskFull && files {
		limit = s.limitOf(want)
	}
	if exit != nil {
		exit.Want, exit.Limit, exit.Own = want, limit, s.own(limit)
	} else {
		trap.Want = want
	}
	return err
}

// limitOf is the limit that a shortage comes from. Of files it may be either of two.
func (s *sandbox) limitOf(want Outcome) Limits {
	l := s.cmd.Limits
	switch want {
	case OutcomeOutOfMemory:
		return Limits{Memory: l.Memory}
	case OutcomeDiskFull:
		used := s.tree.Used()
		if l.Files > 0 && used.Files >= l.Files {
			return Limits{Files: l.Files}
		}
		return Limits{Writable: l.Writable}
	}
	return Limits{}
}

package coreutils

import (
	"bufio"
	"errors"
	"io"
)

// lineReader reads lines of any length that end in delim. The last one may lack it.
type lineReader struct {
	r     *bufio.Reader
	delim byte
	long  []byte
}

func newLineReader(r io.Reader, delim byte) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 32<<10), delim: delim}
}

// next returns a line without its end, valid until the next call; ended tells whether it had one.
// The error is io.EOF when there is no further line.
func (l *lineReader) next() (line []byte, ended bool, err error) {
	part, err := l.r.ReadSlice(l.delim)
	if err == nil {
		return part[:len(part)-1], true, nil
	}
	l.long = append(l.long[:0], part...)
	for errors.Is(err, bufio.ErrBufferFull) {
		part, err = l.r.ReadSlice(l.delim)
		l.long = append(l.long, part...)
	}
	switch {
	case err == nil:
		return l.long[:len(l.long)-1], true, nil
	case errors.Is(err, io.EOF) && len(l.long) > 0:
		return l.long, false, nil
	}
	return nil, false, err
}

// eachLine calls do with every line of r until it returns false.
func eachLine(r io.Reader, delim byte, do func(line []byte, ended bool) bool) error {
	l := newLineReader(r, delim)
	for {
		line, ended, err := l.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !do(line, ended) {
			return nil
		}
	}
}

// lineDelim is what ends a line: a newline, or with -z a NUL.
func lineDelim(zero bool) byte {
	if zero {
		return 0
	}
	return '\n'
}

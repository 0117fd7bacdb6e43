package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/term"

	"boxer.dev/runtime"
)

// descriptor answers the file descriptor of a stream that is a terminal.
func descriptor(stream any) (int, bool) {
	file, ok := stream.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0, false
	}
	return int(file.Fd()), true
}

// terminal describes the terminal to a box that was given -t.
func (a *app) terminal(o runOptions) (*runtime.Terminal, error) {
	if !o.tty {
		return nil, nil
	}
	fd, ok := descriptor(a.stdout)
	if _, input := descriptor(a.stdin); !ok || (o.interactive && !input) {
		return nil, withHint(errors.New("-t: standard input and output are not a terminal"), "leave out -t where the streams are pipes or files")
	}
	return &runtime.Terminal{Size: func() (rows, columns int) {
		columns, rows, _ = term.GetSize(fd)
		return rows, columns
	}}, nil
}

// compiling tells a person at a terminal why nothing seems to happen at the first run of a program.
func (a *app) compiling(p runtime.Progress) {
	if _, ok := descriptor(a.stderr); !ok {
		return
	}
	if !p.Done {
		fmt.Fprintf(a.stderr, "compiling %s (once) … ", p.Program)
		return
	}
	fmt.Fprintf(a.stderr, "%s\n", p.Elapsed.Round(10*time.Millisecond))
}

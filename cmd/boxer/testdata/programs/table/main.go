// Command table answers from a table that takes a while to make, and that a memory image can hold: it is a reactor, which
// exports wizer.initialize and _start.
package main

import (
	"fmt"
	"os"
)

var (
	squares []int
	log     *os.File
)

//go:wasmexport wizer.initialize
func initialize() {
	if name := os.Getenv("LOG"); name != "" {
		var err error
		if log, err = os.Create(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
	}
	fmt.Println("making the table")
	for n := range 1000 {
		squares = append(squares, n*n)
	}
}

//go:wasmexport _start
func start() {
	if squares == nil {
		initialize()
	}
	fmt.Println(squares[999])
}

func main() {}

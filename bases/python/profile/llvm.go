package main

import (
	"bufio"
	"fmt"
)

// writeLLVM writes the profile in LLVM's text format for instrumentation of the intermediate representation
// (llvm/lib/ProfileData/InstrProfReader.cpp, TextInstrProfReader).
func (p Profile) writeLLVM(out *bufio.Writer) {
	fmt.Fprintln(out, ":ir")
	for _, k := range p.sorted() {
		f := p[k]
		fmt.Fprintf(out, "%s\n%d\n%d\n", k.name, k.hash, len(f.Counters))
		for _, n := range f.Counters {
			fmt.Fprintln(out, n)
		}
		kinds := 0
		for _, sites := range f.Values {
			if len(sites) > 0 {
				kinds++
			}
		}
		if kinds > 0 {
			fmt.Fprintln(out, kinds)
		}
		for kind, sites := range f.Values {
			if len(sites) > 0 {
				writeLLVMSites(out, kind, sites)
			}
		}
		fmt.Fprintln(out)
	}
}

func writeLLVMSites(out *bufio.Writer, kind int, sites []Site) {
	fmt.Fprintf(out, "%d\n%d\n", kind, len(sites))
	for _, site := range sites {
		values := site.frequent()
		fmt.Fprintln(out, len(values))
		for _, value := range values {
			fmt.Fprintf(out, "%s:%d\n", value, site[value])
		}
	}
}

// Profile turns what counters.c wrote into the profile that is kept with the recipe, and that into what clang reads.
//
//	profile combine COUNTS...    print the profile made of these counts
//	profile expand FILE          print a profile as text for llvm-profdata merge
//
// LLVM's own text takes five lines and more for a function and 64-bit numbers everywhere: megabytes, most of them about
// functions that were never called. Those matter, as they are compiled for size. The profile has one line for each
// function and, below it, one for each kind of value that was counted:
//
//	FILE-OF-STATIC-FUNCTIONS.c:
//	NAME CFG-HASH COUNTER COUNTER 0*5 COUNTER
//		calls SITES SITE=FUNCTION:COUNT,FUNCTION:COUNT
//		sizes SITES SITE=SIZE:COUNT
//
// Hashes are in base 36, N*M is M times N. The functions before the first file are those that are not static.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "profile:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	out := bufio.NewWriter(stdout)
	switch {
	case len(args) >= 2 && args[0] == "combine":
		profile := Profile{}
		for _, name := range args[1:] {
			if err := combineFile(profile, name); err != nil {
				return fmt.Errorf("reading %s: %w", name, err)
			}
		}
		profile.write(out)
	case len(args) == 2 && args[0] == "expand":
		if err := expandFile(out, args[1]); err != nil {
			return fmt.Errorf("reading %s: %w", args[1], err)
		}
	default:
		return fmt.Errorf("usage: profile combine COUNTS... | profile expand FILE")
	}
	return out.Flush()
}

func combineFile(profile Profile, name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	counts, err := readCounts(file)
	if err != nil {
		return err
	}
	return profile.add(counts)
}

func expandFile(out *bufio.Writer, name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	profile, err := readProfile(file)
	if err != nil {
		return err
	}
	profile.writeLLVM(out)
	return nil
}

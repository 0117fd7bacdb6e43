package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// deferCollection puts the first garbage collection off until there is a heap of 32 MiB, eight times what it is by default;
// from then on all is as ever. A process that runs one program, which takes milliseconds, ends before that. Whoever sets GOGC
// has it his way.
func deferCollection() {
	if os.Getenv("GOGC") != "" {
		return
	}
	const usual = 100
	debug.SetGCPercent(8 * usual)
	runtime.AddCleanup(new([16]byte), func(percent int) { debug.SetGCPercent(percent) }, usual)
}

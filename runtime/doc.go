// Package runtime loads boxes and runs them, in the shape of os/exec.
//
// An [Engine] holds machine code. [Engine.Load] makes a [Box] of an image's opened layers, and [Box.Run] runs a [Cmd]
// in it: a wasm module of the box, a script whose "#!" line leads to one, or, where the box has none of that name, the
// shell and the utilities that every box can count on.
//
// # The way of a command
//
//   - box.go makes the command line, environment, directory and user of the image's configuration and the Cmd.
//   - run.go surrounds it with a fork of the box's tree, in which devices and host directories are mounted.
//   - find.go looks up the program and follows "#!" lines; exec.go hands it to the shell, a utility or the engine. The
//     shell and the utilities come back to exec.go for the programs that they start.
//   - engine.go finds the program's machine code by the digest of its module: in memory, in the cache on disk
//     (codecache.go), or by compiling it. origin.go saves computing the digest.
//   - image.go finds the memory image of the program that the box's layers may have, and whether it speaks of this run's
//     tree; capture.go is how such images are taken.
//   - instance.go makes an instance, with a linear memory of its own (package memory), and runs it over package wasi;
//     pool.go keeps used instances and makes them as new.
//   - ending.go, errors.go and outcome.go say how it ended; shortage.go, of what it went short.
//
// What bounds it: limits.go and streams.go, cpu.go, meter.go; grace.go is how it ends. deterministic.go is what it is shown of time
// and chance.
//
// # What a program cannot do
//
// A Cmd lists all that a run can touch; there is nothing else to touch. What it writes goes to its own tree unless the
// Cmd names one, and ends with the run. Nothing is inherited from the process that runs it: no environment variable, no
// file, no standard stream.
//
// The engine has no way to stop a program that computes without calling the host: it goes on after the end of the
// context. Everything else, waiting included, ends with it.
package runtime

// Package isolate runs boxes in processes that have given up what they do not need, so that a hole in the engine meets a second
// wall: package runtime keeps a program from the host as long as the engine is sound; the walls keep the process that runs it
// from the host even if it is not.
//
// # Workers
//
// A worker is the same executable started again: [Main], at the very beginning of a program's main, makes it one. It opens a box
// and loads the programs of runs to come, and then, before the first instruction of any of them, puts up its [Wall]s: no file, no
// network, no other process, no new machine code. From then on it has the connection to its [Pool], the memory that it has, and
// what each run brings: its words, and the standard streams where they are files.
//
// A Pool keeps workers, each for one box of one tenant, and gives each one run at a time. One that does not answer, breaks the
// protocol or dies costs the run that it had; the pool replaces it.
//
// # The protocol
//
// Both ends speak in frames, see frame.go. The pool asks, the worker answers, with questions of its own in between (for
// standard input): the pool takes nothing that a worker says for true but what its run printed and how it ended, and bounds how
// much it listens to.
//
// # Files
//
// pool.go has workers, classes.go tells for what, process.go starts and kills them, exchange.go asks one for a run, request.go is what is asked,
// connection_linux.go and connection_other.go carry frames. Of sessions, session.go is what callers have, hall.go a worker that holds some,
// ask.go what is asked. Of the other end, main.go is the way from the beginning of the
// process to the walls, serve.go answers, hold.go where there are sessions. walls_linux.go and syscalls_linux.go are the walls, probe.go finds out whether they
// hold.
package isolate

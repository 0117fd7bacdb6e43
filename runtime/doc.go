// Package runtime loads boxes and runs them, in the shape of os/exec.
//
// An [Engine] holds machine code. [Engine.Load] makes a [Box] of an image's opened layers, and [Box.Run] runs a [Cmd]
// in it: a wasm module of the box, a script whose "#!" line leads to one, or, where the box has none of that name, the
// shell and the utilities that every box can count on.
package runtime

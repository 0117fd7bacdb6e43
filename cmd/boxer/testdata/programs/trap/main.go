// Command trap reads far outside of its memory.
package main

import "unsafe"

func main() {
	println(*(*int)(unsafe.Pointer(uintptr(0xfffffff0))))
}

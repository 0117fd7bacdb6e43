package main

import "golang.org/x/sys/windows"

// showsUnicode: Windows' consoles are given UTF-16.
func showsUnicode() bool { return true }

// drawsEscapes makes a console obey escape sequences, which those before Windows 10 cannot.
func drawsEscapes(fd int) bool {
	var mode uint32
	if windows.GetConsoleMode(windows.Handle(fd), &mode) != nil {
		return false
	}
	return windows.SetConsoleMode(windows.Handle(fd), mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}

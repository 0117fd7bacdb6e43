package main

import "boxer.dev/runtime/isolate"

// stopTogether has nothing to do where terminals do not stop processes.
func stopTogether(*isolate.Pool) (end func()) { return func() {} }

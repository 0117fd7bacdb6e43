//go:build !linux

package main

// hostFeatures are those that do not depend on the kernel.
func hostFeatures() []hostFeature { return []hostFeature{compiles()} }

package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestCollectionIsDeferredOnce(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	deferCollection()
	if percent := current(); percent != 800 {
		t.Errorf("at first: %d", percent)
	}
	for range 100 { // the cleanup has a goroutine of its own
		if runtime.GC(); current() == 100 {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("after collections: %d", current())
}

func TestCollectionIsLeftToGOGC(t *testing.T) {
	before := debug.SetGCPercent(50)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "50")
	if deferCollection(); current() != 50 {
		t.Errorf("it is %d", current())
	}
}

func current() int {
	percent := debug.SetGCPercent(100)
	debug.SetGCPercent(percent)
	return percent
}

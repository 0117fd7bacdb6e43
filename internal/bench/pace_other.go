//go:build !linux

package bench

import "time"

func alone() (shared func()) { return func() {} }

func sleepUntil(at time.Time) { time.Sleep(time.Until(at)) }

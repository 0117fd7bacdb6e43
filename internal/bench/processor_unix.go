//go:build unix

package bench

import (
	"time"

	"golang.org/x/sys/unix"
)

// processorTime is the time that cores have worked for this process.
func processorTime() (time.Duration, error) {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0, err
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}

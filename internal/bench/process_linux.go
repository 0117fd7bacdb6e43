package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// family are a process and its descendants (/proc/PID/task/TID/children of proc(5)).
func family(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", all[i]))
		for _, list := range lists {
			text, err := os.ReadFile(list)
			if err != nil {
				continue // that thread has ended
			}
			for field := range strings.FieldsSeq(string(text)) {
				if child, err := strconv.Atoi(field); err == nil {
					all = append(all, child)
				}
			}
		}
	}
	return all
}

// busyTime is the time that cores have worked for a process and its descendants, ended threads included.
func busyTime(pid int) (busy time.Duration, err error) {
	for _, p := range family(pid) {
		var spent unix.Timespec
		// The clock of a process as clock_getcpuclockid(3) makes it: its number inverted, and that all its threads count.
		const sched = 2
		if err := unix.ClockGettime(int32(^p<<3|sched), &spent); err != nil && p == pid {
			return 0, fmt.Errorf("asking how long process %d has worked: %w", p, err)
		}
		busy += time.Duration(spent.Nano())
	}
	return busy, nil
}

// residentBytes is the memory that processes use, shared pages divided among those that share them (Pss of
// /proc/PID/smaps_rollup).
func residentBytes(pids []int) (total int64, err error) {
	for _, pid := range pids {
		kilobytes, err := rollup(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss")
		if err != nil {
			return 0, err
		}
		total += kilobytes << 10
	}
	return total, nil
}

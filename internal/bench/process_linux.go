package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
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

// busyTime is the time that cores have worked for a process and its descendants (/proc/PID/task/TID/schedstat, to the nanosecond).
// What ended threads took is not in it.
func busyTime(pid int) (busy time.Duration, err error) {
	for _, p := range family(pid) {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p))
		for _, thread := range threads {
			text, err := os.ReadFile(thread)
			if err != nil {
				continue
			}
			var nanoseconds int64
			if _, err := fmt.Sscan(string(text), &nanoseconds); err != nil {
				return 0, fmt.Errorf("reading %s: %w", thread, err)
			}
			busy += time.Duration(nanoseconds)
		}
	}
	if busy == 0 {
		return 0, fmt.Errorf("nothing is known of process %d", pid)
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

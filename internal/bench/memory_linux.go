package bench

import (
	"fmt"
	"os"
)

// privateBytes is the memory of this process that no other shares and no file backs (Private_Dirty of
// /proc/self/smaps_rollup).
func privateBytes() (int64, error) {
	kilobytes, err := rollup("/proc/self/smaps_rollup", "Private_Dirty")
	return kilobytes << 10, err
}

// rollup reads one line of a file like smaps_rollup, in kilobytes.
func rollup(name, wanted string) (kilobytes int64, err error) {
	if _, err := os.Stat(name); err != nil {
		return 0, err
	}
	found := false
	eachField(name, func(key, value string) {
		if key == wanted {
			_, err = fmt.Sscan(value, &kilobytes)
			found = true
		}
	})
	if !found {
		return 0, fmt.Errorf("%s has no %s", name, wanted)
	}
	return kilobytes, err
}

package bench

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// privateBytes is the memory of this process that no other shares and no file backs (Private_Dirty of
// /proc/self/smaps_rollup).
func privateBytes() (int64, error) {
	file, err := os.Open("/proc/self/smaps_rollup")
	if err != nil {
		return 0, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "Private_Dirty:"); ok {
			var kilobytes int64
			if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
				return 0, err
			}
			return kilobytes << 10, nil
		}
	}
	return 0, fmt.Errorf("%s has no Private_Dirty", file.Name())
}

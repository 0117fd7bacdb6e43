//go:build !linux

package bench

import (
	"errors"
	"time"
)

func family(pid int) []int { return []int{pid} }

func busyTime(int) (time.Duration, error) { return 0, errors.ErrUnsupported }

func residentBytes([]int) (int64, error) { return 0, errors.ErrUnsupported }

//go:build !linux

package bench

import "errors"

func privateBytes() (int64, error) {
	return 0, errors.New("only Linux tells a process's private memory")
}

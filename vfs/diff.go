package vfs

import (
	"io"
	"syscall"
)

type Change struct{ Entry }

func (c Change) Open() (io.ReadCloser, error) { return nil, syscall.ENOTSUP }
func Diff(old, new *FS) ([]Change, error)     { return nil, syscall.ENOTSUP }

//go:build !unix

package builder

import "errors"

func makeFIFO(string) error { return errors.ErrUnsupported }

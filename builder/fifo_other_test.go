//go:build !unix

package builder

import "errors"

func makeFIFO(string) error { return errors.ErrUnsupported }

func setUmask(mask int) int { return mask }

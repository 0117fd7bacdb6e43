//go:build !unix

package runtime

import "os"

// mapping is a file in memory.
type mapping struct{ bytes []byte }

func mapFile(name string) (mapping, error) {
	bytes, err := os.ReadFile(name)
	return mapping{bytes}, err
}

func (m mapping) close() {}

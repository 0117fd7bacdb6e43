//go:build !unix

package runtime

import "os"

// makePrivateDir creates dir. Access is what it inherits: a user's own directories are closed to others there.
func makePrivateDir(dir string) error { return os.MkdirAll(dir, 0o700) }

func openPrivate(name string) (*os.File, error) { return os.Open(name) }

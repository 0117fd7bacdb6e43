//go:build !unix

package builder

const nonblock = 0

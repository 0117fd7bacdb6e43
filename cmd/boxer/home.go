package main

import (
	"os"
	"path/filepath"
	"runtime"
)

// homeDir is where boxes and volumes are kept: $BOXER_HOME, else boxer's folder in the user's data
// directory (XDG Base Directory Specification; the system's own place on Windows and macOS).
func homeDir() (string, error) {
	if dir := os.Getenv("BOXER_HOME"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "boxer"), nil
	}
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		dir, err := os.UserConfigDir()
		return filepath.Join(dir, "boxer"), err
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", withHint(err, "set BOXER_HOME to a directory of your own")
	}
	return filepath.Join(home, ".local", "share", "boxer"), nil
}

// cacheDir is where compiled code is kept; deleting it costs time only.
func cacheDir() (string, error) {
	if dir := os.Getenv("BOXER_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir, err := os.UserCacheDir(); err == nil {
		// A service's user often has a home directory in name only.
		if dir = filepath.Join(dir, "boxer", "code"); os.MkdirAll(dir, 0o700) == nil {
			return dir, nil
		}
	}
	home, err := homeDir()
	return filepath.Join(home, "code"), err
}

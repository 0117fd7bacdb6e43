package builder

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"boxer.dev/vfs"
)

// findUser returns the numbers of a user named as in /etc/passwd (passwd(5)), or by number. A number stands for the group of
// the same number too, as BuildKit has it.
func findUser(tree *vfs.FS, name string) (uid, gid uint32, err error) {
	if n, ok := parseID(name); ok {
		return n, n, nil
	}
	fields, err := findAccount(tree, "/etc/passwd", name)
	if err != nil {
		return 0, 0, err
	}
	uid, ok := parseID(field(fields, 2))
	gid, ok2 := parseID(field(fields, 3))
	if !ok || !ok2 {
		return 0, 0, fmt.Errorf("/etc/passwd of the box: bad numbers for %s", quote(name))
	}
	return uid, gid, nil
}

func findGroup(tree *vfs.FS, name string) (uint32, error) {
	if n, ok := parseID(name); ok {
		return n, nil
	}
	fields, err := findAccount(tree, "/etc/group", name)
	if err != nil {
		return 0, err
	}
	gid, ok := parseID(field(fields, 2))
	if !ok {
		return 0, fmt.Errorf("/etc/group of the box: bad number for %s", quote(name))
	}
	return gid, nil
}

// maxAccounts bounds the files of accounts, in bytes.
const maxAccounts = 4 << 20

// findAccount returns the fields of the first line that begins with name.
func findAccount(tree *vfs.FS, file, name string) ([]string, error) {
	data, err := tree.ReadSmallFile(file, maxAccounts)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("looking up %s: %w", quote(name), err)
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Split(strings.TrimSpace(line), ":"); fields[0] == name {
			return fields, nil
		}
	}
	return nil, withHint(fmt.Errorf("%s is not in %s of the box", quote(name), file), "give its number instead")
}

// parseID reads a user's or group's number. The largest is no number of anybody: chown(2) reads it as "leave it alone".
func parseID(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n != 1<<32-1
}

func field(fields []string, i int) string {
	if i < len(fields) {
		return fields[i]
	}
	return ""
}

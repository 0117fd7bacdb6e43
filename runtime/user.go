package runtime

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"boxer.dev/vfs"
)

type user struct{ uid, gid uint32 }

// lookupUser reads "name|uid[:group|gid]" as Docker does: names must be in the tree's passwd(5) and group(5), numbers
// need not be; without a group it is the user's own, or 0 for a number that is not listed.
func lookupUser(tree *vfs.FS, spec string) (user, error) {
	name, group, grouped := strings.Cut(spec, ":")
	var u user
	if name != "" {
		fields, err := account(tree, "/etc/passwd", name, 4)
		if err != nil {
			return user{}, fmt.Errorf("user %q: %w", name, err)
		}
		u = user{fields[0], fields[1]}
	}
	if grouped && group != "" {
		fields, err := account(tree, "/etc/group", group, 3)
		if err != nil {
			return user{}, fmt.Errorf("group %q: %w", group, err)
		}
		u.gid = fields[0]
	}
	return u, nil
}

// maxAccounts bounds the files of accounts, in bytes.
const maxAccounts = 4 << 20

// account finds a line of a file in the format of passwd(5) by its name or number, and returns the numbers that stand in
// its fields 2 to end.
func account(tree *vfs.FS, file, name string, end int) ([]uint32, error) {
	data, err := tree.ReadSmallFile(file, maxAccounts)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Split(strings.TrimRight(line, "\r\n"), ":")
		if len(fields) < end || fields[0] != name && fields[2] != name {
			continue
		}
		return numbers(fields[2:end])
	}
	number, err := strconv.ParseUint(name, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("no such name in the box's %s", file)
	}
	return []uint32{uint32(number), 0}[:end-2], nil
}

func numbers(fields []string) ([]uint32, error) {
	numbers := make([]uint32, len(fields))
	for i, field := range fields {
		number, err := strconv.ParseUint(field, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%q is no id", field)
		}
		numbers[i] = uint32(number)
	}
	return numbers, nil
}

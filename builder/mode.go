package builder

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// modeChange is what --chmod does to permissions: an octal number, or the symbolic form of chmod(1), POSIX.1-2024. The zero
// value changes nothing.
type modeChange struct {
	fixed    bool
	bits     uint32
	symbolic []modeClause
}

// modeClause is one of "u+x": the classes it is about, the operation, the permissions.
type modeClause struct {
	who  uint32 // 0o4700 for u, 0o2070 for g, 0o1007 for o
	op   byte
	rwx  uint32 // 0o7 for all, repeated for each class
	x    bool   // X: execution for directories and what is executable already
	st   uint32 // setuid, setgid, sticky
	copy byte   // u, g or o: that class's permissions
}

func parseModeChange(s string) (modeChange, error) {
	if s == "" {
		return modeChange{}, nil
	}
	bad := withHint(fmt.Errorf("--chmod=%s: bad mode", printable(s)), "write an octal number up to 07777, or u+x,go=rX")
	if s[0] >= '0' && s[0] <= '9' {
		n, err := strconv.ParseUint(s, 8, 32)
		if err != nil || n > 0o7777 {
			return modeChange{}, bad
		}
		return modeChange{fixed: true, bits: uint32(n)}, nil
	}
	var m modeChange
	for clause := range strings.SplitSeq(s, ",") {
		if !m.addClause(clause) {
			return modeChange{}, bad
		}
	}
	return m, nil
}

func (m *modeChange) addClause(s string) bool {
	i := strings.IndexAny(s, "+-=")
	if i < 0 {
		return false
	}
	var who uint32
	for _, c := range s[:i] {
		switch c {
		case 'u':
			who |= 0o4700
		case 'g':
			who |= 0o2070
		case 'o':
			who |= 0o1007
		case 'a':
			who |= 0o7777
		default:
			return false
		}
	}
	if who == 0 {
		who = 0o7777
	}
	for rest := s[i:]; rest != ""; {
		n := 1 + strings.IndexAny(rest[1:], "+-=")
		if n == 0 {
			n = len(rest)
		}
		c := modeClause{who: who, op: rest[0]}
		if !c.setPermissions(rest[1:n]) {
			return false
		}
		m.symbolic = append(m.symbolic, c)
		rest = rest[n:]
	}
	return true
}

func (c *modeClause) setPermissions(s string) bool {
	if len(s) == 1 && strings.Contains("ugo", s) {
		c.copy = s[0]
		return true
	}
	for _, p := range s {
		switch p {
		case 'r':
			c.rwx |= 0o444
		case 'w':
			c.rwx |= 0o222
		case 'x':
			c.rwx |= 0o111
		case 'X':
			c.x = true
		case 's':
			c.st |= 0o6000
		case 't':
			c.st |= 0o1000
		default:
			return false
		}
	}
	return true
}

// apply changes a mode's permissions.
func (m modeChange) apply(mode fs.FileMode) fs.FileMode {
	bits := toUnix(mode)
	if m.fixed {
		bits = m.bits
	}
	for _, c := range m.symbolic {
		bits = c.apply(bits, mode.IsDir())
	}
	return mode&^permissions | fromUnix(bits)
}

func (c modeClause) apply(bits uint32, isDir bool) uint32 {
	set := c.rwx | c.st
	if c.x && (isDir || bits&0o111 != 0) {
		set |= 0o111
	}
	switch c.copy {
	case 'u':
		set = (bits >> 6 & 7) * 0o111
	case 'g':
		set = (bits >> 3 & 7) * 0o111
	case 'o':
		set = (bits & 7) * 0o111
	}
	set &= c.who
	switch c.op {
	case '+':
		return bits | set
	case '-':
		return bits &^ set
	}
	return bits&^c.who | set
}

func toUnix(mode fs.FileMode) uint32 {
	bits := uint32(mode.Perm())
	for flag, bit := range specialBits {
		if mode&flag != 0 {
			bits |= bit
		}
	}
	return bits
}

func fromUnix(bits uint32) fs.FileMode {
	mode := fs.FileMode(bits) & fs.ModePerm
	for flag, bit := range specialBits {
		if bits&bit != 0 {
			mode |= flag
		}
	}
	return mode
}

var specialBits = map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000}

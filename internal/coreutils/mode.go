package coreutils

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// modeChange is a parsed mode operand: an octal number or a list of symbolic clauses (POSIX chmod, "EXTENDED
// DESCRIPTION").
type modeChange struct {
	octal   bool
	bits    uint32 // of an octal mode
	clauses []modeClause
}

type modeClause struct {
	who    uint32 // mask of permission bits it may touch, 0 if none was named
	op     byte
	perms  uint32 // rwx as 0o7 multiples, s and t as 0o7000
	x      bool   // X: execute if a directory or already executable
	copyOf byte   // u, g or o: permissions are copied
}

const (
	whoUser  = 0o4700
	whoGroup = 0o2070
	whoOther = 0o1007
	whoAll   = 0o7777
)

func parseMode(s string) (modeChange, error) {
	if s != "" && strings.Trim(s, "01234567") == "" {
		n, err := strconv.ParseUint(s, 8, 32)
		if err != nil || n > 0o7777 {
			return modeChange{}, fmt.Errorf("invalid mode: %s", quote(s))
		}
		return modeChange{octal: true, bits: uint32(n)}, nil
	}
	var m modeChange
	for clause := range strings.SplitSeq(s, ",") {
		parsed, ok := parseClause(clause)
		if !ok {
			return modeChange{}, fmt.Errorf("invalid mode: %s", quote(s))
		}
		m.clauses = append(m.clauses, parsed...)
	}
	return m, nil
}

func parseClause(s string) (out []modeClause, ok bool) {
	var who uint32
	for ; s != ""; s = s[1:] {
		i := strings.IndexByte("ugoa", s[0])
		if i < 0 {
			break
		}
		who |= [...]uint32{whoUser, whoGroup, whoOther, whoAll}[i]
	}
	for s != "" {
		if strings.IndexByte("+-=", s[0]) < 0 {
			return nil, false
		}
		c := modeClause{who: who, op: s[0]}
		s = c.parsePermissions(s[1:])
		out = append(out, c)
	}
	return out, len(out) > 0
}

func (c *modeClause) parsePermissions(s string) (rest string) {
	if s != "" && strings.IndexByte("ugo", s[0]) >= 0 {
		c.copyOf = s[0]
		return s[1:]
	}
	for ; s != ""; s = s[1:] {
		switch s[0] {
		case 'r':
			c.perms |= 0o444
		case 'w':
			c.perms |= 0o222
		case 'x':
			c.perms |= 0o111
		case 'X':
			c.x = true
		case 's':
			c.perms |= 0o6000
		case 't':
			c.perms |= 0o1000
		default:
			return s
		}
	}
	return s
}

// apply returns the mode that a file of mode old gets.
func (m modeChange) apply(old fs.FileMode, umask fs.FileMode) fs.FileMode {
	if m.octal {
		bits := m.bits
		if old.IsDir() && bits&0o6000 == 0 {
			bits |= unixBits(old) & 0o6000 // GNU keeps set-id bits of directories
		}
		return old.Type() | fileMode(bits)
	}
	bits := unixBits(old)
	for _, c := range m.clauses {
		bits = c.apply(bits, old.IsDir(), uint32(umask.Perm()))
	}
	return old.Type() | fileMode(bits)
}

func (c modeClause) apply(bits uint32, dir bool, umask uint32) uint32 {
	perms, who := c.perms, c.who
	if c.x && (dir || bits&0o111 != 0) {
		perms |= 0o111
	}
	switch c.copyOf {
	case 'u':
		perms = bits >> 6 & 7 * 0o111
	case 'g':
		perms = bits >> 3 & 7 * 0o111
	case 'o':
		perms = bits & 7 * 0o111
	}
	if who == 0 {
		who = whoAll
		perms &^= umask
		if c.op == '=' {
			return bits&^0o777 | perms&0o777
		}
	}
	perms &= who
	switch c.op {
	case '+':
		return bits | perms
	case '-':
		return bits &^ perms
	}
	keep := uint32(0)
	if dir {
		keep = 0o6000
	}
	return bits&^(who&^keep) | perms
}

// unixBits returns st_mode & 07777 of a mode.
func unixBits(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		bits |= 0o4000
	}
	if m&fs.ModeSetgid != 0 {
		bits |= 0o2000
	}
	if m&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	return bits
}

// fileMode is the inverse of unixBits.
func fileMode(bits uint32) fs.FileMode {
	m := fs.FileMode(bits & 0o777)
	if bits&0o4000 != 0 {
		m |= fs.ModeSetuid
	}
	if bits&0o2000 != 0 {
		m |= fs.ModeSetgid
	}
	if bits&0o1000 != 0 {
		m |= fs.ModeSticky
	}
	return m
}

// modeString shows a mode as ls -l does.
func modeString(m fs.FileMode) string {
	b := []byte{typeLetter(m)}
	bits := unixBits(m)
	for i := range 9 {
		if bits&(0o400>>i) != 0 {
			b = append(b, "rwx"[i%3])
		} else {
			b = append(b, '-')
		}
	}
	special := func(bit uint32, at int, letter byte) {
		if bits&bit == 0 {
			return
		}
		if b[at] == '-' {
			letter -= 'a' - 'A'
		}
		b[at] = letter
	}
	special(0o4000, 3, 's')
	special(0o2000, 6, 's')
	special(0o1000, 9, 't')
	return string(b)
}

func typeLetter(m fs.FileMode) byte {
	switch {
	case m.IsDir():
		return 'd'
	case m&fs.ModeSymlink != 0:
		return 'l'
	case m&fs.ModeCharDevice != 0:
		return 'c'
	case m&fs.ModeDevice != 0:
		return 'b'
	case m&fs.ModeNamedPipe != 0:
		return 'p'
	case m&fs.ModeSocket != 0:
		return 's'
	}
	return '-'
}

// ParseUmask reads the operand of umask: an octal mask, or a symbolic mode of what stays permitted.
func ParseUmask(s string, current uint32) (uint32, error) {
	m, err := parseMode(s)
	if err != nil {
		return 0, err
	}
	if m.octal {
		return m.bits & 0o777, nil
	}
	return ^unixBits(m.apply(fileMode(^current&0o777), 0)) & 0o777, nil
}

// SymbolicUmask shows a mask as umask -S does.
func SymbolicUmask(mask uint32) string {
	out := ""
	for i, who := range []string{"u=", ",g=", ",o="} {
		out += who
		for bit, letter := range "rwx" {
			if mask&(0o400>>(3*i+bit)) == 0 {
				out += string(letter)
			}
		}
	}
	return out
}

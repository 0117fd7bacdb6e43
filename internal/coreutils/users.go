package coreutils

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// account is a line of the box's /etc/passwd or, with gid as its id, /etc/group.
type account struct {
	name     string
	uid, gid uint32
	home     string
	members  []string // of a group
}

// maxLookup bounds the files that utilities look things up in, in bytes.
const maxLookup = 4 << 20

func (e *Env) users() []account  { return e.accounts("/etc/passwd", 7) }
func (e *Env) groups() []account { return e.accounts("/etc/group", 4) }

func (e *Env) accounts(file string, fields int) []account {
	data, err := e.FS.ReadSmallFile(file, maxLookup)
	if err != nil {
		return nil
	}
	var list []account
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimRight(line, "\n"), ":")
		if len(f) < fields {
			continue
		}
		id, err := strconv.ParseUint(f[2], 10, 32)
		if err != nil {
			continue
		}
		a := account{name: f[0], uid: uint32(id), gid: uint32(id)}
		if fields == 7 {
			gid, _ := strconv.ParseUint(f[3], 10, 32)
			a.gid, a.home = uint32(gid), f[5]
		} else if f[3] != "" {
			a.members = strings.Split(f[3], ",")
		}
		list = append(list, a)
	}
	return list
}

func accountNamed(list []account, name string) (account, bool) {
	for _, a := range list {
		if a.name == name {
			return a, true
		}
	}
	return account{}, false
}

func userName(list []account, uid uint32) string {
	for _, a := range list {
		if a.uid == uid {
			return a.name
		}
	}
	return strconv.FormatUint(uint64(uid), 10)
}

// HomeDir returns the home directory that the box's /etc/passwd gives a user.
func (e *Env) HomeDir(user string) (string, bool) {
	a, ok := accountNamed(e.users(), user)
	return a.home, ok
}

// HomeOf returns the home directory that the box's /etc/passwd gives a user id.
func (e *Env) HomeOf(uid uint32) (string, bool) {
	for _, a := range e.users() {
		if a.uid == uid && a.home != "" {
			return a.home, true
		}
	}
	return "", false
}

// parseOwner parses "user", "user:group", "user:", ":group" and "user.group"; -1 means unchanged.
func (e *Env) parseOwner(s string) (uid, gid int, err error) {
	uid, gid = -1, -1
	user, group, colon := strings.Cut(s, ":")
	if user != "" {
		a, ok := accountNamed(e.users(), user)
		switch n, nerr := strconv.ParseUint(user, 10, 31); {
		case ok:
			uid = int(a.uid)
			if colon && group == "" {
				gid = int(a.gid)
			}
		case nerr == nil && !(colon && group == ""):
			uid = int(n)
		default:
			return 0, 0, fmt.Errorf("invalid user: %s", quote(s))
		}
	}
	if group != "" {
		if gid, err = e.parseGroup(group); err != nil {
			return 0, 0, errors.New("invalid group: " + quote(s))
		}
	}
	return uid, gid, nil
}

func (e *Env) parseGroup(s string) (int, error) {
	if a, ok := accountNamed(e.groups(), s); ok {
		return int(a.gid), nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, errors.New("invalid group: " + quote(s))
	}
	return int(n), nil
}

func idMain(c *call) int {
	opts, operands, status, done := c.parse("u|user g|group G|groups n|name r|real z|zero")
	if done {
		return status
	}
	o := flags(opts)
	users, groups := c.users(), c.groups()
	self := account{name: userName(users, c.UID), uid: c.UID, gid: c.GID}
	if len(operands) > 0 {
		a, ok := accountNamed(users, operands[0])
		if !ok {
			c.errorf("%s: no such user", quote(operands[0]))
			return 1
		}
		self = a
	}
	gids := []uint32{self.gid}
	for _, g := range groups {
		for _, m := range g.members {
			if m == self.name && g.gid != self.gid {
				gids = append(gids, g.gid)
			}
		}
	}
	show := func(list []account, id uint32) string {
		if set(o, "n") {
			return userName(list, id)
		}
		return strconv.FormatUint(uint64(id), 10)
	}
	shown := make([]string, len(gids))
	switch {
	case set(o, "u"):
		c.print(show(users, self.uid))
	case set(o, "g"):
		c.print(show(groups, self.gid))
	case set(o, "G"):
		for i, g := range gids {
			shown[i] = show(groups, g)
		}
		c.print(strings.Join(shown, " "))
	default:
		for i, g := range gids {
			shown[i] = withName(groups, g)
		}
		c.printf("uid=%s gid=%s groups=%s", withName(users, self.uid), shown[0], strings.Join(shown, ","))
	}
	c.print(lineEnd(set(o, "z")))
	return 0
}

func withName(list []account, id uint32) string {
	n := strconv.FormatUint(uint64(id), 10)
	if name := userName(list, id); name != n {
		return n + "(" + name + ")"
	}
	return n
}

func whoamiMain(c *call) int {
	if _, _, status, done := c.parse(""); done {
		return status
	}
	c.print(userName(c.users(), c.UID) + "\n")
	return 0
}

func groupsMain(c *call) int {
	c.Args = []string{"id", "-Gn"}
	return idMain(c)
}

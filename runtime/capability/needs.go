package capability

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Kind is a kind of need.
type Kind string

// The kinds of needs.
const (
	Net    Kind = "net"    // connections to an address, "host:port"
	Mount  Kind = "mount"  // files of the host at a path
	Env    Kind = "env"    // a variable
	Stdin  Kind = "stdin"  // standard input
	Clock  Kind = "clock"  // the real time
	Random Kind = "random" // random numbers that nobody can foretell
)

// Need is something of the host that a box asks for.
type Need struct {
	Kind     Kind   `json:"kind"`
	Value    string `json:"value,omitempty"`     // address, path or name
	ReadOnly bool   `json:"read_only,omitempty"` // of a mount: it need not be writable
	Optional bool   `json:"optional,omitempty"`  // the box can do without
}

// ParseNeed reads one word of ALLOW: net=HOST:PORT, mount=/PATH[:ro], env=NAME, stdin, clock or random, each with ",optional"
// after it where the box can do without.
func ParseNeed(word string) (Need, error) {
	text, optional := strings.CutSuffix(word, ",optional")
	kind, value, assigned := strings.Cut(text, "=")
	n := Need{Kind: Kind(kind), Value: value, Optional: optional}
	var err error
	switch n.Kind {
	case Net:
		err = checkAddress(value)
	case Mount:
		n.Value, n.ReadOnly = strings.CutSuffix(value, ":ro")
		err = checkPath(n.Value)
	case Env:
		err = checkName(value)
	case Stdin, Clock, Random:
		if assigned {
			err = errors.New("it takes no value")
		}
	default:
		return Need{}, fmt.Errorf("there is nothing to allow called %q: write net=HOST:PORT, mount=/PATH[:ro], env=NAME, stdin, clock or random", clip(word))
	}
	if err != nil {
		return Need{}, fmt.Errorf("%s: %w", kind, err)
	}
	return n, nil
}

const maxValue = 4096 // bytes

func checkPath(p string) error {
	switch {
	case !path.IsAbs(p):
		return fmt.Errorf("%q is not an absolute path", clip(p))
	case path.Clean(p) != p || len(p) > maxValue:
		return fmt.Errorf("%q is not a plain path: no //, no dots, no slash at the end", clip(p))
	case p == "/":
		return errors.New("the root directory is the box's own")
	}
	return checkText(p, `,:"'\`)
}

func checkName(name string) error {
	if name == "" || len(name) > maxValue {
		return errors.New("the name of a variable is wanted")
	}
	return checkText(name, `,="'\$`)
}

// checkText refuses what would not survive being a word, or could steer a terminal.
func checkText(text, forbidden string) error {
	for _, r := range text {
		if r == unicode.ReplacementChar || r == ' ' || !unicode.IsPrint(r) || strings.ContainsRune(forbidden, r) {
			return fmt.Errorf("%q holds %q, which cannot be written here", clip(text), r)
		}
	}
	return nil
}

// checkAddress wants HOST:PORT, the host a name, an IPv4 address or an IPv6 address in brackets.
func checkAddress(address string) error {
	host, port, ok := cutLast(address, ":")
	number, err := strconv.ParseUint(port, 10, 16)
	if !ok || err != nil || number == 0 || port != strconv.FormatUint(number, 10) {
		return fmt.Errorf("%q is not HOST:PORT", clip(address))
	}
	if inner, bracket := strings.CutPrefix(host, "["); bracket {
		inner, closed := strings.CutSuffix(inner, "]")
		ip, err := netip.ParseAddr(inner)
		if !closed || err != nil || !ip.Is6() || ip.Zone() != "" || ip.String() != inner {
			return fmt.Errorf("%q is not HOST:PORT", clip(address))
		}
		return nil
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
		return nil
	}
	return checkHost(host)
}

// checkHost wants a host name (RFC 1123, 2.1): lower-case labels of letters, digits and hyphens, the last of them no number,
// so that no odd spelling of an address passes for a name.
func checkHost(host string) error {
	const label = "abcdefghijklmnopqrstuvwxyz0123456789-"
	bad := fmt.Errorf("%q is no host name in lower case, IPv4 address or [IPv6 address]", clip(host))
	if host == "" || len(host) > 253 {
		return bad
	}
	last := ""
	for last = range strings.SplitSeq(host, ".") {
		if last == "" || len(last) > 63 || strings.Trim(last, label) != "" || last[0] == '-' || last[len(last)-1] == '-' {
			return bad
		}
	}
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return bad
	}
	return nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// String is the need as a word of ALLOW.
func (n Need) String() string {
	word := string(n.Kind)
	if n.Value != "" {
		word += "=" + n.Value
	}
	if n.ReadOnly {
		word += ":ro"
	}
	if n.Optional {
		word += ",optional"
	}
	return word
}

// Grants are what a run may use of what a box can need.
type Grants struct {
	Mounts       []Mounted
	Env          []string // names of variables that are set
	Stdin        bool
	FixedClock   bool // there is no real time
	SeededRandom bool // random numbers can be foretold
}

// Mounted is a path of the box that has files of the host.
type Mounted struct {
	Path     string // absolute and clean
	ReadOnly bool
}

// MissingError says that a box was not granted what it needs.
type MissingError struct {
	Need Need
	// Half is whether a mount is there, but cannot be written to.
	Half bool
}

func (e *MissingError) Error() string {
	n := e.Need
	switch {
	case e.Half:
		return fmt.Sprintf("the box needs to write to %s, which is mounted read-only", n.Value)
	case n.Kind == Net:
		return fmt.Sprintf("the box needs to connect to %s", n.Value)
	case n.Kind == Mount:
		return fmt.Sprintf("the box needs files of the host at %s", n.Value)
	case n.Kind == Env:
		return fmt.Sprintf("the box needs the variable %s", n.Value)
	case n.Kind == Stdin:
		return "the box needs standard input"
	case n.Kind == Clock:
		return "the box needs the real time"
	}
	return "the box needs random numbers that nobody can foretell"
}

// Hint names the flag of `boxer run` that grants the need.
func (e *MissingError) Hint() string {
	n := e.Need
	switch {
	case e.Half:
		return fmt.Sprintf("mount it without `:ro`: boxer run -v SOURCE:%s", n.Value)
	case n.Kind == Net:
		return fmt.Sprintf("boxes have no network yet; where the program can do without, its Boxfile says ALLOW %s,optional", n)
	case n.Kind == Mount && n.ReadOnly:
		return fmt.Sprintf("grant it: boxer run -v SOURCE:%s:ro", n.Value)
	case n.Kind == Mount:
		return fmt.Sprintf("grant it: boxer run -v SOURCE:%s", n.Value)
	case n.Kind == Env:
		return fmt.Sprintf("grant it: boxer run -e %s=VALUE, or -e %s to pass yours on", n.Value, n.Value)
	case n.Kind == Stdin:
		return "grant it: boxer run -i"
	case n.Kind == Clock:
		return "grant it: boxer run --clock on"
	}
	return "grant it: boxer run --random on"
}

// met returns nil if the grants have what is needed.
func (n Need) met(g Grants) error {
	missing := &MissingError{Need: n}
	ok := false
	switch n.Kind {
	case Mount:
		ok, missing.Half = n.mounted(g.Mounts)
	case Env:
		ok = slices.Contains(g.Env, n.Value)
	case Stdin:
		ok = g.Stdin
	case Clock:
		ok = !g.FixedClock
	case Random:
		ok = !g.SeededRandom
	}
	if !ok && !n.Optional {
		return missing
	}
	return nil
}

// mounted looks for the mount that has the path: the one whose own path is the longest.
func (n Need) mounted(mounts []Mounted) (ok, half bool) {
	longest := 0
	for _, m := range mounts {
		if m.Path != n.Value && m.Path != "/" && !strings.HasPrefix(n.Value, m.Path+"/") || len(m.Path) < longest {
			continue
		}
		longest = len(m.Path)
		half = m.ReadOnly && !n.ReadOnly
		ok = !half
	}
	return ok, half
}

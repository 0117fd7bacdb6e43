package shell

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"

	"boxer.dev/internal/coreutils"
)

// Shell variables that take the place of what the interpreter would ask the host for. They are not exported.
const (
	varPID     = "_sh_pid"     // $$
	varParent  = "_sh_ppid"    // $PPID
	varName    = "_sh_name"    // $0
	varUmask   = "_sh_umask"   // the umask, octal: a variable, so that a subshell has its own
	varNowhere = "_sh_nowhere" // a PATH that no host file can match
)

// nowhere is a directory that cannot be named to any kernel: system calls refuse the NUL before they look.
const nowhere = "/\x00"

// environ is the environment a shell starts with. A name it does not hold is unset, never looked up elsewhere.
type environ map[string]expand.Variable

func (e environ) Get(name string) expand.Variable { return e[name] }

func (e environ) Each(f func(name string, v expand.Variable) bool) {
	for _, name := range slices.Sorted(maps.Keys(e)) {
		if !f(name, e[name]) {
			return
		}
	}
}

func (e environ) set(name, value string, exported bool) {
	e[name] = expand.Variable{Set: true, Kind: expand.String, Str: value, Exported: exported}
}

// newEnviron makes the shell's variables from "NAME=value" strings and what a shell always knows.
func newEnviron(o *Options, name string) environ {
	e := environ{}
	for _, kv := range o.Env {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" {
			e.set(k, v, true)
		}
	}
	home, ok := (&coreutils.Env{FS: o.FS}).HomeOf(o.UID)
	if !ok {
		home = "/"
	}
	defaults := map[string]string{
		"HOME": home, "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"UID": id(o.UID), "EUID": id(o.UID), "GID": id(o.GID), "PS1": "$ ", "PS2": "> ", "PS4": "+ ",
	}
	for k, v := range defaults {
		if _, ok := e[k]; !ok {
			e.set(k, v, false)
		}
	}
	e.set(varPID, "1", false)
	e.set(varParent, "0", false)
	e.set(varName, name, false)
	e.set(varUmask, "0"+strconv.FormatUint(uint64(umaskBits(o.Umask)), 8), false)
	e.set(varNowhere, nowhere, false)
	return e
}

func id(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// exported returns the variables a command gets, sorted by name.
func exported(env expand.Environ, dir string) []string {
	vars := map[string]string{"PWD": dir}
	env.Each(func(name string, v expand.Variable) bool {
		switch {
		case !v.IsSet() || !v.Exported || v.Kind != expand.String:
			delete(vars, name)
		default:
			vars[name] = v.Str
		}
		return true
	})
	vars["PWD"] = dir
	out := make([]string, 0, len(vars))
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		out = append(out, name+"="+vars[name])
	}
	return out
}

// variables returns every string variable as set shows them, sorted by name.
func variables(env expand.Environ) []string {
	vars := map[string]string{}
	env.Each(func(name string, v expand.Variable) bool {
		if v.IsSet() && v.Kind == expand.String && !strings.HasPrefix(name, "_sh_") {
			vars[name] = v.Str
		} else {
			delete(vars, name)
		}
		return true
	})
	out := make([]string, 0, len(vars))
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		out = append(out, name+"="+singleQuote(vars[name]))
	}
	return out
}

func singleQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// randomSource is the state of RANDOM: a 64-bit generator (splitmix64) seeded from the run's entropy.
type randomSource struct{ state uint64 }

func newRandomSource(r io.Reader) *randomSource {
	if r == nil {
		r = rand.Reader
	}
	var seed [8]byte
	_, _ = io.ReadFull(r, seed[:]) // a source that has run dry seeds with zero
	return &randomSource{binary.LittleEndian.Uint64(seed[:])}
}

func (r *randomSource) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

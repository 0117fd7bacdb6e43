package shell

import (
	"fmt"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// varOption remembers where getopts stands within an argument of several options: "OPTIND:POSITION".
const varOption = "_sh_option"

// getopts replaces the interpreter's, which does not skip "--" and loses its place, out of bounds, when the
// arguments change. The parameters are filled in by the shell.
func (s *session) getopts(hc interp.HandlerContext, args []string) []string {
	if len(args) < 3 || !syntax.ValidName(args[2]) {
		s.errorf(hc, "Usage: getopts optstring var [arg]")
		return status(2)
	}
	if len(args) == 3 {
		return evalCode(`_sh_getopts %s %s "$@"`, singleQuote(args[1]), args[2])
	}
	return s.nextOption(hc, args)
}

// optionScan is one step of getopts.
type optionScan struct {
	spec     string
	args     []string
	ind, pos int // of the next option: argument, counted from 1, and byte in it; pos 0: at its start
}

// nextOption computes one step and returns the assignments that make it known.
func (s *session) nextOption(hc interp.HandlerContext, args []string) []string {
	if len(args) < 3 || !syntax.ValidName(args[2]) {
		return status(2)
	}
	o := optionScan{spec: args[1], args: args[3:], ind: 1}
	if n, err := strconv.Atoi(hc.Env.Get("OPTIND").Str); err == nil && n > 0 {
		o.ind = n
	}
	ind, pos, _ := strings.Cut(hc.Env.Get(varOption).Str, ":")
	if ind == strconv.Itoa(o.ind) {
		o.pos, _ = strconv.Atoi(pos)
	}
	opt, optarg, problem, ok := o.next()
	if problem != "" && !strings.HasPrefix(o.spec, ":") {
		fmt.Fprintln(hc.Stderr, problem)
	}
	code := fmt.Sprintf("%s=%s; OPTIND=%d; %s=%d:%d; ", args[2], singleQuote(opt), o.ind, varOption, o.ind, o.pos)
	if optarg == nil {
		code += "unset OPTARG; "
	} else {
		code += "OPTARG=" + singleQuote(*optarg) + "; "
	}
	if ok {
		return evalCode("%s_sh_status 0", code)
	}
	return evalCode("%s_sh_status 1", code)
}

func (o *optionScan) next() (opt string, optarg *string, problem string, ok bool) {
	if o.ind > len(o.args) {
		return "?", nil, "", false
	}
	arg := o.args[o.ind-1]
	if o.pos == 0 || o.pos >= len(arg) {
		if arg == "--" {
			o.ind++
		}
		if len(arg) < 2 || arg[0] != '-' || arg == "--" {
			o.pos = 0
			return "?", nil, "", false
		}
		o.pos = 1
	}
	opt = arg[o.pos : o.pos+1]
	rest := arg[o.pos+1:]
	silent := strings.HasPrefix(o.spec, ":")
	at := strings.Index(o.spec, opt)
	if o.pos++; rest == "" {
		o.ind, o.pos = o.ind+1, 0
	}
	switch {
	case opt == ":" || at < 0:
		if silent {
			return "?", &opt, "", true
		}
		return "?", nil, "Illegal option -" + opt, true
	case !strings.HasPrefix(o.spec[at+1:], ":"):
		return opt, nil, "", true
	case rest != "":
		o.ind, o.pos = o.ind+1, 0
		return opt, &rest, "", true
	case o.ind <= len(o.args):
		value := o.args[o.ind-1]
		o.ind++
		return opt, &value, "", true
	case silent:
		return ":", &opt, "", true
	}
	return "?", nil, "No arg for -" + opt + " option", true
}

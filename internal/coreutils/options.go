package coreutils

import (
	"fmt"
	"strings"
)

// option is one option of a command line under the first name its specification gives it.
type option struct{ name, value string }

// optionSpec is what a utility accepts. It is written as words such as "p|parents", "m|mode:" (takes a value)
// and "color?" (takes a value only when attached).
type optionSpec map[string]optionKind

type optionKind struct {
	name string
	arg  byte // 0, ':' or '?'
}

func parseSpec(spec string) optionSpec {
	s := optionSpec{}
	for _, word := range strings.Fields(spec) {
		var kind byte
		if last := word[len(word)-1]; len(word) > 1 && (last == ':' || last == '?') {
			kind, word = last, word[:len(word)-1]
		}
		names := strings.Split(word, "|")
		for _, n := range names {
			s[n] = optionKind{names[0], kind}
		}
	}
	return s
}

// long finds a long option by name or unambiguous prefix.
func (s optionSpec) long(name string) (optionKind, error) {
	if k, ok := s[name]; ok && len(name) > 1 {
		return k, nil
	}
	var found []string
	for n := range s {
		if len(n) > 1 && strings.HasPrefix(n, name) {
			found = append(found, n)
		}
	}
	switch {
	case len(found) == 0:
		return optionKind{}, fmt.Errorf("unrecognized option '--%s'", name)
	case len(found) > 1:
		return optionKind{}, fmt.Errorf("option '--%s' is ambiguous", name)
	}
	return s[found[0]], nil
}

// parseOptions splits args (without the command's name) into options and operands, as getopt_long(3) does:
// options may be combined ("-rf"), may follow operands, and end at "--". With a leading "+" in spec the first
// operand ends them.
func parseOptions(spec string, args []string) (opts []option, operands []string, err error) {
	spec, inOrder := strings.CutPrefix(spec, "+")
	known := parseSpec(spec)
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			return opts, append(operands, args...), nil
		case strings.HasPrefix(arg, "--"):
			var o option
			if o, args, err = known.parseLong(arg[2:], args); err != nil {
				return nil, nil, err
			}
			opts = append(opts, o)
		case len(arg) > 1 && arg[0] == '-':
			var more []option
			if more, args, err = known.parseShort(arg[1:], args); err != nil {
				return nil, nil, err
			}
			opts = append(opts, more...)
		case inOrder:
			return opts, append([]string{arg}, args...), nil
		default:
			operands = append(operands, arg)
		}
	}
	return opts, operands, nil
}

func (s optionSpec) parseLong(arg string, rest []string) (option, []string, error) {
	name, value, attached := strings.Cut(arg, "=")
	k, err := s.long(name)
	if err != nil {
		return option{}, nil, err
	}
	switch {
	case attached && k.arg == 0:
		return option{}, nil, fmt.Errorf("option '--%s' doesn't allow an argument", name)
	case !attached && k.arg == ':':
		if len(rest) == 0 {
			return option{}, nil, fmt.Errorf("option '--%s' requires an argument", name)
		}
		value, rest = rest[0], rest[1:]
	}
	return option{k.name, value}, rest, nil
}

func (s optionSpec) parseShort(arg string, rest []string) ([]option, []string, error) {
	var opts []option
	for i := 0; i < len(arg); i++ {
		k, ok := s[arg[i:i+1]]
		if !ok {
			return nil, nil, fmt.Errorf("invalid option -- '%c'", arg[i])
		}
		if k.arg == 0 {
			opts = append(opts, option{name: k.name})
			continue
		}
		value := arg[i+1:]
		if value == "" && k.arg == ':' {
			if len(rest) == 0 {
				return nil, nil, fmt.Errorf("option requires an argument -- '%c'", arg[i])
			}
			value, rest = rest[0], rest[1:]
		}
		return append(opts, option{k.name, value}), rest, nil
	}
	return opts, rest, nil
}

// statusUsage is the exit status for an option that a utility does not know.
const statusUsage = 2

// parse reads the command line of c. When done is true the command ends with that status: --help was
// answered or an error reported.
func (c *call) parse(spec string) (opts []option, operands []string, status int, done bool) {
	opts, operands, err := parseOptions(spec+" help version", c.Args[1:])
	if err != nil {
		c.usageError("%v", err)
		return nil, nil, statusUsage, true
	}
	for _, o := range opts {
		switch o.name {
		case "help":
			c.printf("Usage: %s %s\n", c.name, c.usage)
			return nil, nil, 0, true
		case "version":
			c.printf("%s (boxer)\n", c.name)
			return nil, nil, 0, true
		}
	}
	return opts, operands, 0, false
}

// flags collects options into a set of names and their last values.
func flags(opts []option) map[string]string {
	m := make(map[string]string, len(opts))
	for _, o := range opts {
		m[o.name] = o.value
	}
	return m
}

// set reports whether an option was given.
func set(m map[string]string, name string) bool { _, ok := m[name]; return ok }

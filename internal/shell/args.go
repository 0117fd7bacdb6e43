package shell

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// arguments are a shell's command line: sh [-aefinsux] [-o option] [-c COMMAND [NAME]] [FILE] [ARGUMENT...].
type arguments struct {
	command     *string // of -c
	file        string
	name        string // $0
	params      []string
	options     []string // for set
	interactive bool
}

func parseArgs(argv []string) (arguments, error) {
	a := arguments{name: "sh"}
	if len(argv) > 0 {
		a.name = argv[0]
		argv = argv[1:]
	}
	withCommand, fromStdin := false, false
	for len(argv) > 0 {
		arg := argv[0]
		if arg == "--" || arg == "-" {
			argv = argv[1:]
			break
		}
		if len(arg) < 2 || arg[0] != '-' && arg[0] != '+' {
			break
		}
		argv = argv[1:]
		if strings.HasPrefix(arg, "--") { // bash: --login, --norc, --noprofile, --posix
			if !slices.Contains([]string{"--login", "--norc", "--noprofile", "--posix"}, arg) {
				return a, fmt.Errorf("0: Illegal option %s", arg)
			}
			continue
		}
		var err error
		for _, flag := range arg[1:] {
			switch flag {
			case 'c':
				withCommand = true
			case 's':
				fromStdin = true
			case 'i':
				a.interactive = true
			case 'l':
			case 'o':
				if len(argv) == 0 {
					return a, errors.New("0: -o requires an argument")
				}
				a.options, err = setOption(a.options, arg[:1], 'o', argv[0])
				argv = argv[1:]
			default:
				a.options, err = setOption(a.options, arg[:1], flag, "")
			}
			if err != nil {
				return a, err
			}
		}
	}
	switch {
	case withCommand && len(argv) == 0:
		return a, errors.New("0: -c requires an argument")
	case withCommand:
		a.command, argv = &argv[0], argv[1:]
		if len(argv) > 0 {
			a.name, argv = argv[0], argv[1:]
		}
	case len(argv) > 0 && !fromStdin:
		a.file, a.name, argv = argv[0], argv[0], argv[1:]
	}
	a.params = argv
	return a, nil
}

// ignoredFlags and ignoredOptions are options of dash and bash that make no difference to a shell without jobs,
// history and job control.
const ignoredFlags = "bBEhHkmpPTvlriC"

var ignoredOptions = []string{
	"errtrace", "functrace", "hashall", "braceexpand", "histexpand", "ignoreeof", "interactive-comments", "monitor", "noclobber",
	"nolog", "notify", "physical", "posix", "privileged", "verbose", "vi", "emacs", "keyword", "onecmd", "history",
}

// setOption appends an option as the interpreter's set takes it.
func setOption(to []string, sign string, flag rune, name string) ([]string, error) {
	switch {
	case flag == 'o' && slices.Contains(ignoredOptions, name):
		return to, nil
	case flag == 'o' && slices.Contains([]string{"allexport", "errexit", "noexec", "noglob", "nounset", "xtrace", "pipefail"}, name):
		return append(to, sign+"o", name), nil
	case flag == 'o':
		return to, fmt.Errorf("0: Illegal option %so %s", sign, name)
	case strings.ContainsRune(ignoredFlags, flag):
		return to, nil
	case strings.ContainsRune("aefnux", flag):
		return append(to, sign+string(flag)), nil
	}
	return to, fmt.Errorf("0: Illegal option %s%c", sign, flag)
}

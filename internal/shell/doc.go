// Package shell is the sh of a box: the interpreter of mvdan.cc/sh with the box in place of the host.
//
// # What the interpreter would ask the host
//
// The interpreter is written for programs that run on the host they are on. Version 3.14 lets files, directories
// and commands be injected through handlers, and reaches for the host in these other places, each of which has a
// test in host_test.go:
//
//   - The option interp.Dir stats the directory. The field it sets is exported, so an option of ours sets that.
//   - A redirection to $TMPDIR/sh-interp-* is opened on the host, taken for a fifo of the interpreter. TMPDIR is read once,
//     at the first Reset: that sees a directory whose name holds a NUL, which no system call takes and no script can name;
//     a second Reset then sees the box's variables.
//   - HOME, UID and the like are asked of the host when unset: they never are.
//   - pwd -P, test -O and -G, command -v, type, "." and source look at host files. Every simple command passes the call
//     handler first ([session.call]), which replaces those, even behind "command" or "builtin".
//   - $$ and $PPID are the host's; ~user reads the host's accounts; RANDOM is seeded anew in each subshell; <( ) makes
//     a fifo; $(<file) and [[ -O f ]] bypass what is above. The script is lowered before it runs (lower.go): such nodes of its
//     tree are rewritten into what the box answers, or refused with the line they are on.
//   - eval, trap, alias and source parse text by themselves: the call handler lowers that text first.
//
// What remains known of the host: a variable named indirectly (${!x} with x=PPID, $((x)), declare -p) shows boxer's
// parent's process id, a number without use in the box. Pipes and here-documents are pipes of the host's kernel, within
// boxer's process.
//
// A script may run away: it ends with its context, and recursion, nesting, the size of scripts and the number of
// subshells are bounded. What variables hold is not: the shell belongs in a process whose memory is limited when those who
// write its scripts are not trusted.
//
// # How it differs from a shell on Linux
//
// It answers to sh, bash, dash and ash, and reads bash's grammar whatever it is called: scripts for dash are valid
// bash, and what only bash knows ([[ ]], arrays, &>) works too. echo interprets backslashes as dash's does, and not when the
// shell is called bash. File descriptors above 2, job control, coproc, select and process substitution are not available.
// Permissions are recorded and never enforced: the user of a box is root.
//
// On a Windows host the interpreter joins paths by that host's rules: cd, globs and [[ -e ]] on absolute paths do
// not work there; the box's programs do.
package shell

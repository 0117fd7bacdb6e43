package coreutils

import "slices"

// utility is a row of the table of names.
type utility struct {
	name  string
	main  func(*call) int
	usage string
}

// utilities is filled by init because xargs and env look names up in it.
var (
	utilities = map[string]utility{}
	names     []string
)

func init() {
	for _, u := range rows() {
		utilities[u.name] = u
		names = append(names, u.name)
	}
	slices.Sort(names)
}

func rows() []utility {
	return []utility{
		{"[", testMain, "EXPRESSION ]"},
		{"arch", archMain, ""},
		{"basename", basenameMain, "NAME [SUFFIX] | -a [-s SUFFIX] NAME..."},
		{"cat", catMain, "[-AbeEnstTv] [FILE]..."},
		{"chgrp", chgrpMain, "[-Rhv] GROUP FILE..."},
		{"chmod", chmodMain, "[-Rv] MODE FILE..."},
		{"chown", chownMain, "[-Rhv] [OWNER][:[GROUP]] FILE..."},
		{"cp", cpMain, "[-afipruLPTv] [-t DIRECTORY] SOURCE... DEST"},
		{"cut", cutMain, "-b LIST | -c LIST | -f LIST [-d DELIM] [-s] [FILE]..."},
		{"date", dateMain, "[-u] [-d STRING | -r FILE] [-R] [-I[SPEC]] [+FORMAT]"},
		{"df", dfMain, "[FILE]..."},
		{"dirname", dirnameMain, "NAME..."},
		{"du", duMain, "[-abchsd] [FILE]..."},
		{"echo", echoMain, "[-neE] [STRING]..."},
		{"egrep", grepMain, "PATTERN [FILE]... (as grep -E)"},
		{"env", envMain, "[-i] [-u NAME]... [-C DIR] [NAME=VALUE]... [COMMAND [ARG]...]"},
		{"expr", exprMain, "EXPRESSION"},
		{"false", func(*call) int { return 1 }, ""},
		{"fgrep", grepMain, "STRING [FILE]... (as grep -F)"},
		{"find", findMain, "[PATH]... [EXPRESSION]"},
		{"grep", grepMain, "[-EFGPabcHhilLmnoqrsvwxzZ] [-A N] [-B N] [-C N] [-e] PATTERN [FILE]..."},
		{"groups", groupsMain, ""},
		{"head", headMain, "[-n [-]N | -c [-]N] [-qv] [FILE]..."},
		{"hostname", hostnameMain, ""},
		{"id", idMain, "[-ugGn] [USER]"},
		{"install", installMain, "[-dDpv] [-m MODE] [-o OWNER] [-g GROUP] [-t DIRECTORY] SOURCE... DEST"},
		{"ln", lnMain, "[-sfnrTv] [-t DIRECTORY] TARGET... LINK"},
		{"ls", lsMain, "[-aAdFghilnoprRsStuU1] [FILE]..."},
		{"mkdir", mkdirMain, "[-pv] [-m MODE] DIRECTORY..."},
		{"mktemp", mktempMain, "[-dqu] [-p DIR] [TEMPLATE]"},
		{"mv", mvMain, "[-finuTv] [-t DIRECTORY] SOURCE... DEST"},
		{"nproc", nprocMain, ""},
		{"printenv", printenvMain, "[NAME]..."},
		{"printf", printfMain, "FORMAT [ARGUMENT]..."},
		{"pwd", pwdMain, "[-LP]"},
		{"readlink", readlinkMain, "[-efmnz] FILE..."},
		{"realpath", realpathMain, "[-emsqz] [--relative-to=DIR] FILE..."},
		{"rm", rmMain, "[-dfirRv] FILE..."},
		{"rmdir", rmdirMain, "[-pv] DIRECTORY..."},
		{"sed", sedMain, "[-nEsz] [-i[SUFFIX]] [-e SCRIPT]... [-f FILE]... [SCRIPT] [FILE]..."},
		{"seq", seqMain, "[-w] [-s STRING] [-f FORMAT] [FIRST [STEP]] LAST"},
		{"sleep", sleepMain, "NUMBER[smhd]..."},
		{"sort", sortMain, "[-bdfghinrsuVz] [-k KEY]... [-t SEP] [-o FILE] [-c] [FILE]..."},
		{"stat", statMain, "[-L] [-c FORMAT] FILE..."},
		{"sync", syncMain, "[FILE]..."},
		{"tail", tailMain, "[-n [+]N | -c [+]N] [-qv] [FILE]..."},
		{"tee", teeMain, "[-a] [FILE]..."},
		{"test", testMain, "EXPRESSION"},
		{"timeout", timeoutMain, "DURATION COMMAND [ARG]..."},
		{"touch", touchMain, "[-achm] [-d STRING | -r FILE | -t STAMP] FILE..."},
		{"tr", trMain, "[-cdst] SET1 [SET2]"},
		{"true", func(*call) int { return 0 }, ""},
		{"truncate", truncateMain, "-s SIZE | -r FILE [-c] FILE..."},
		{"uname", unameMain, "[-asnrvmo]"},
		{"uniq", uniqMain, "[-cdDiuz] [-f N] [-s N] [-w N] [INPUT [OUTPUT]]"},
		{"wc", wcMain, "[-clmwL] [FILE]..."},
		{"which", whichMain, "[-a] NAME..."},
		{"whoami", whoamiMain, ""},
		{"xargs", xargsMain, "[-0rt] [-d DELIM] [-I REPLACE] [-L N] [-n N] [COMMAND [ARG]...]"},
		{"yes", yesMain, "[STRING]..."},
	}
}

package coreutils

import (
	"slices"
	"sync"
)

// utility is a row of the table of names.
type utility struct {
	name  string
	main  func(*call) int
	usage string
}

// table is filled when it is first looked at: most processes of boxer run no utility.
var table struct {
	sync.Once
	byName map[string]utility
	names  []string // sorted
}

func utilities() (byName map[string]utility, names []string) {
	table.Do(func() {
		table.byName = map[string]utility{}
		for _, u := range rows() {
			table.byName[u.name] = u
			table.names = append(table.names, u.name)
		}
		slices.Sort(table.names)
	})
	return table.byName, table.names
}

func rows() []utility {
	return []utility{
		{"[", testMain, "EXPRESSION ]"},
		{"arch", archMain, ""},
		{"base32", baseMain, "[-d] [-w COLS] [FILE]"},
		{"base64", baseMain, "[-d] [-i] [-w COLS] [FILE]"},
		{"basename", basenameMain, "NAME [SUFFIX] | -a [-s SUFFIX] NAME..."},
		{"bunzip2", compressMain, "[-ckf] [FILE]..."},
		{"bzcat", compressMain, "[FILE]..."},
		{"bzip2", compressMain, "-d [-ckf] [FILE]..."},
		{"cat", catMain, "[-AbeEnstTv] [FILE]..."},
		{"chgrp", chgrpMain, "[-Rhv] GROUP FILE..."},
		{"chmod", chmodMain, "[-Rv] MODE FILE..."},
		{"chown", chownMain, "[-Rhv] [OWNER][:[GROUP]] FILE..."},
		{"cksum", cksumMain, "[FILE]..."},
		{"cmp", cmpMain, "[-ls] [-n BYTES] FILE1 [FILE2]"},
		{"comm", commMain, "[-123] FILE1 FILE2"},
		{"cp", cpMain, "[-afipruLPTv] [-t DIRECTORY] SOURCE... DEST"},
		{"cut", cutMain, "-b LIST | -c LIST | -f LIST [-d DELIM] [-s] [FILE]..."},
		{"date", dateMain, "[-u] [-d STRING | -r FILE] [-R] [-I[SPEC]] [+FORMAT]"},
		{"df", dfMain, "[FILE]..."},
		{"diff", diffMain, "[-uqrNbwis] [-U N] FILE1 FILE2"},
		{"dirname", dirnameMain, "NAME..."},
		{"du", duMain, "[-abchsd] [FILE]..."},
		{"echo", echoMain, "[-neE] [STRING]..."},
		{"egrep", grepMain, "PATTERN [FILE]... (as grep -E)"},
		{"env", envMain, "[-i] [-u NAME]... [-C DIR] [NAME=VALUE]... [COMMAND [ARG]...]"},
		{"expr", exprMain, "EXPRESSION"},
		{"false", func(*call) int { return 1 }, ""},
		{"fgrep", grepMain, "STRING [FILE]... (as grep -F)"},
		{"find", findMain, "[PATH]... [EXPRESSION]"},
		{"fold", foldMain, "[-s] [-w WIDTH] [FILE]..."},
		{"grep", grepMain, "[-EFGPabcHhilLmnoqrsvwxzZ] [-A N] [-B N] [-C N] [-e] PATTERN [FILE]..."},
		{"groups", groupsMain, ""},
		{"gunzip", compressMain, "[-ckft] [FILE]..."},
		{"gzip", compressMain, "[-cdfktn1-9] [FILE]..."},
		{"head", headMain, "[-n [-]N | -c [-]N] [-qv] [FILE]..."},
		{"hexdump", hexdumpMain, "[-Cv] [-n LENGTH] [-s SKIP] [FILE]..."},
		{"hostname", hostnameMain, ""},
		{"id", idMain, "[-ugGn] [USER]"},
		{"install", installMain, "[-dDpv] [-m MODE] [-o OWNER] [-g GROUP] [-t DIRECTORY] SOURCE... DEST"},
		{"ln", lnMain, "[-sfnrTv] [-t DIRECTORY] TARGET... LINK"},
		{"ls", lsMain, "[-aAdFghilnoprRsStuU1] [FILE]..."},
		{"md5sum", sumMain, "[-bc] [FILE]..."},
		{"mkdir", mkdirMain, "[-pv] [-m MODE] DIRECTORY..."},
		{"mktemp", mktempMain, "[-dqu] [-p DIR] [TEMPLATE]"},
		{"mv", mvMain, "[-finuTv] [-t DIRECTORY] SOURCE... DEST"},
		{"nl", nlMain, "[-b a|t|n] [-w WIDTH] [-s SEP] [FILE]..."},
		{"nproc", nprocMain, ""},
		{"od", odMain, "[-A RADIX] [-t TYPE] [-N BYTES] [-j BYTES] [-v] [-bcdox] [FILE]..."},
		{"paste", pasteMain, "[-s] [-d LIST] [FILE]..."},
		{"printenv", printenvMain, "[NAME]..."},
		{"printf", printfMain, "FORMAT [ARGUMENT]..."},
		{"pwd", pwdMain, "[-LP]"},
		{"readlink", readlinkMain, "[-efmnz] FILE..."},
		{"realpath", realpathMain, "[-emsqz] [--relative-to=DIR] FILE..."},
		{"rev", revMain, "[FILE]..."},
		{"rm", rmMain, "[-dfirRv] FILE..."},
		{"rmdir", rmdirMain, "[-pv] DIRECTORY..."},
		{"sed", sedMain, "[-nEsz] [-i[SUFFIX]] [-e SCRIPT]... [-f FILE]... [SCRIPT] [FILE]..."},
		{"seq", seqMain, "[-w] [-s STRING] [-f FORMAT] [FIRST [STEP]] LAST"},
		{"sha1sum", sumMain, "[-bc] [FILE]..."},
		{"sha224sum", sumMain, "[-bc] [FILE]..."},
		{"sha256sum", sumMain, "[-bc] [FILE]..."},
		{"sha384sum", sumMain, "[-bc] [FILE]..."},
		{"sha512sum", sumMain, "[-bc] [FILE]..."},
		{"sleep", sleepMain, "NUMBER[smhd]..."},
		{"sort", sortMain, "[-bdfghinrsuVz] [-k KEY]... [-t SEP] [-o FILE] [-c] [FILE]..."},
		{"split", splitMain, "[-l LINES | -b BYTES] [-a N] [-d] [FILE [PREFIX]]"},
		{"stat", statMain, "[-L] [-c FORMAT] FILE..."},
		{"sync", syncMain, "[FILE]..."},
		{"tac", tacMain, "[FILE]..."},
		{"tail", tailMain, "[-n [+]N | -c [+]N] [-qv] [FILE]..."},
		{"tar", tarMain, "-c|-x|-t [-f FILE] [-zjJ] [-C DIR] [--strip-components=N] [--exclude=PATTERN] [FILE]..."},
		{"tee", teeMain, "[-a] [FILE]..."},
		{"test", testMain, "EXPRESSION"},
		{"timeout", timeoutMain, "DURATION COMMAND [ARG]..."},
		{"touch", touchMain, "[-achm] [-d STRING | -r FILE | -t STAMP] FILE..."},
		{"tr", trMain, "[-cdst] SET1 [SET2]"},
		{"true", func(*call) int { return 0 }, ""},
		{"truncate", truncateMain, "-s SIZE | -r FILE [-c] FILE..."},
		{"uname", unameMain, "[-asnrvmo]"},
		{"uniq", uniqMain, "[-cdDiuz] [-f N] [-s N] [-w N] [INPUT [OUTPUT]]"},
		{"unxz", compressMain, "[-ckf] [FILE]..."},
		{"unzip", unzipMain, "[-lnopqj] [-d DIR] FILE [MEMBER]..."},
		{"unzstd", compressMain, "[-cf] [FILE]..."},
		{"wc", wcMain, "[-clmwL] [FILE]..."},
		{"which", whichMain, "[-a] NAME..."},
		{"whoami", whoamiMain, ""},
		{"xargs", xargsMain, "[-0rt] [-d DELIM] [-I REPLACE] [-L N] [-n N] [COMMAND [ARG]...]"},
		{"xz", compressMain, "-d [-ckf] [FILE]..."},
		{"xzcat", compressMain, "[FILE]..."},
		{"yes", yesMain, "[STRING]..."},
		{"zcat", compressMain, "[FILE]..."},
		{"zstd", compressMain, "[-cdfk] [FILE]..."},
		{"zstdcat", compressMain, "[FILE]..."},
	}
}

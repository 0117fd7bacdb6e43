package shell

import (
	"strings"
	"sync"
)

const (
	packageHint  = "a box has no package manager: COPY the files in, or use a base that has them; Python packages come as wheels"
	compilerHint = "a box runs WebAssembly programs and has no compiler: build outside and COPY the result in"
	networkHint  = "a box has no network during RUN: download outside and COPY or ADD the file"
	serviceHint  = "a box runs one program and has no services: name that program in CMD"
	pythonHint   = "there is no Python here: start FROM python:3.13"
	runtimeHint  = "boxer has Python for a base and no other language: COPY a WebAssembly build of the interpreter in"
	rootHint     = "commands of a box already run as its own root: leave it out"
)

var hints = sync.OnceValue(func() map[string]string {
	hints := map[string]string{}
	for hint, names := range map[string]string{
		packageHint: "apt apt-get apt-cache apt-key aptitude add-apt-repository dpkg apk yum dnf microdnf rpm zypper pacman brew snap" +
			" conda mamba gem npm npx yarn pnpm",
		compilerHint: "gcc g++ cc c++ clang clang++ make cmake ninja meson ld as ar go cargo rustc javac mvn gradle configure",
		networkHint:  "curl wget git svn hg ssh scp rsync ftp nc ping dig nslookup gpg",
		serviceHint:  "systemctl service initctl supervisord crontab cron dockerd docker nginx mount umount modprobe sysctl",
		pythonHint:   "python python3 python3.13 pip pip3",
		runtimeHint:  "node deno bun php ruby java lua Rscript",
		rootHint:     "sudo su doas gosu",
	} {
		for name := range strings.FieldsSeq(names) {
			hints[name] = hint
		}
	}
	for _, name := range []string{"useradd", "adduser", "groupadd", "addgroup", "usermod", "passwd"} {
		hints[name] = "a box has no tools for accounts: append lines to /etc/passwd and /etc/group"
	}
	for _, name := range []string{"ldconfig", "update-ca-certificates", "locale-gen", "update-alternatives", "update-locale"} {
		hints[name] = "there is nothing to update in a box: leave it out"
	}
	for _, name := range []string{"awk", "gawk", "mawk", "perl"} {
		hints[name] = "a box has no " + name + ": use python3, sed or cut"
	}
	return hints
})

// Hint says what to do instead of a well-known command that a box does not have; "" for any other name.
func Hint(name string) string { return hints()[name[strings.LastIndexByte(name, '/')+1:]] }

package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"boxer.dev/internal/bench/rival"
)

// ability is something that programs or those who run them may want. It is found out by trying: the program prints the answer.
type ability struct {
	key, what string
	before    string // a program that runs in a sandbox before, in the same process where there is one; "" if there is none
	program   string
}

// modules of the standard library that programs are asked for: those that need nothing of a system.
const modules = "argparse array ast asyncio base64 bisect bz2 calendar cmath collections configparser contextlib copy csv dataclasses " +
	"datetime decimal difflib enum fractions functools gzip hashlib heapq html http.client io itertools json logging lzma math operator " +
	"os pathlib pickle pprint queue random re secrets shutil sqlite3 statistics string struct tempfile textwrap tomllib traceback types " +
	"typing unicodedata unittest urllib.parse uuid xml.etree.ElementTree zipfile zlib zoneinfo"

// secretName is the file of the host's that programs try to read, in the directory that comes before it.
const secretName = "secret"

// abilities are all of them; secret is a file of the host's that anyone may read.
func abilities(secret string) []ability {
	return []ability{
		{key: "classes", what: "classes", program: "class A:\n    def f(self):\n        return 'yes'\nprint(A().f())"},
		{key: "standard_library", what: "standard library", program: importing(modules)},
		{key: "numpy", what: "numpy", program: "try:\n    import numpy\n    print('yes')\nexcept ImportError:\n    print('no')"},
		{key: "isolated_runs", what: "runs apart", before: "import sys\nsys.left_behind = 1\nleft_behind = 1\nprint('done')",
			program: "import sys\nseen = hasattr(sys, 'left_behind')\ntry:\n    left_behind\n    seen = True\nexcept NameError:\n    pass\nprint('no' if seen else 'yes')"},
		{key: "host_files_hidden", what: "host's files hidden",
			program: fmt.Sprintf("try:\n    open(%q).read()\n    print('no')\nexcept Exception:\n    print('yes')", secret)},
	}
}

// importing is a program that imports modules and prints how many it could. It has a statement for each, as some interpreters of
// Python have nothing else to import with.
func importing(names string) string {
	var text strings.Builder
	text.WriteString("got = 0\n")
	all := strings.Fields(names)
	for _, name := range all {
		fmt.Fprintf(&text, "try:\n    import %s\n    got += 1\nexcept Exception:\n    pass\n", name)
	}
	fmt.Fprintf(&text, "print(f'{got} of %d modules')", len(all))
	return text.String()
}

// asked runs a program, in a sandbox that is fresh.
type asked func(program string) (answer string, err error)

// Contenders are what reports tell of boxer and its rivals, and what each of those that are there can do. Boxer is the executable.
func Contenders(ctx context.Context, boxer, version string, rivals []*rival.Rival) ([]Contender, error) {
	dir, err := os.MkdirTemp("", "boxer-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	secret := dir + "/" + secretName
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		return nil, err
	}
	questions := abilities(secret)
	first := Contender{Key: "boxer", Name: "boxer", Version: version, Settings: "python:3.13, boxer run"}
	first.Can = can(questions, inProcesses(ctx, func(code string) []string { return []string{boxer, "run", "python:3.13", "-c", code} }, nil))
	all := []Contender{first}
	for _, r := range rivals {
		c := Contender{Key: r.Key, Name: r.Name, Version: r.Version, Settings: r.Settings, Missing: r.Missing}
		if r.Missing == "" {
			c.Can = rivalCan(ctx, r, questions)
			c.FirstStart, c.Installed = r.FirstStart, r.Installed
		}
		all = append(all, c)
	}
	return all, nil
}

func rivalCan(ctx context.Context, r *rival.Rival, questions []ability) map[string]string {
	if r.Driver == nil {
		return can(questions, inProcesses(ctx, r.Command, r.Env))
	}
	driver, err := r.Drive(ctx)
	if err != nil {
		return map[string]string{}
	}
	defer driver.Close()
	return can(questions, func(program string) (string, error) {
		out, _, err := driver.Ask(rival.Fresh, program)
		return out, err
	})
}

// can puts the questions.
func can(questions []ability, ask asked) map[string]string {
	answers := map[string]string{}
	for _, q := range questions {
		if q.before != "" {
			_, _ = ask(q.before) // what a sandbox refuses leaves nothing behind
		}
		answer, err := ask(q.program)
		answers[q.key] = strings.TrimSpace(answer)
		if err != nil || answers[q.key] == "" {
			answers[q.key] = "fails"
		}
	}
	return answers
}

func inProcesses(ctx context.Context, command func(code string) []string, env []string) asked {
	return func(program string) (string, error) {
		line := command(program)
		cmd := exec.CommandContext(ctx, line[0], line[1:]...)
		cmd.Env = append(os.Environ(), env...)
		var out bytes.Buffer
		cmd.Stdout = &out
		err := cmd.Run()
		return out.String(), err
	}
}

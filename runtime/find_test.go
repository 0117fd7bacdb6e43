package runtime

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestParseShebang(t *testing.T) {
	for line, want := range map[string][2]string{
		"#!/bin/sh":                           {"/bin/sh", ""},
		"#! /bin/sh ":                         {"/bin/sh", ""},
		"#!\t/bin/sh\t-eu":                    {"/bin/sh", "-eu"},
		"#!/usr/bin/env -S python3 -X  utf8 ": {"/usr/bin/env", "-S python3 -X  utf8"},
		"#!/bin/sh\r":                         {"/bin/sh", ""},
		"#!":                                  {"", ""},
		"#!  ":                                {"", ""},
	} {
		if interpreter, argument := parseShebang([]byte(line)); interpreter != want[0] || argument != want[1] {
			t.Errorf("%q: %q, %q; want %q", line, interpreter, argument, want)
		}
	}
}

func TestScripts(t *testing.T) {
	chain := map[string]string{"/s0": "#!/bin/guest args\n"}
	for i := range 5 {
		chain[fmt.Sprintf("/s%d", i+1)] = fmt.Sprintf("#!/s%d\n", i)
	}
	for name, data := range map[string]string{
		"/bin/script":  "#!/bin/guest args\n",
		"/bin/options": "#!/bin/guest args  -a  b \n",
		"/bin/by-env":  "#!/usr/bin/env guest\n",
		"/bin/split":   "#!/usr/bin/env -S guest args -x\n",
		"/bin/sh-made": "#!/bin/sh -e\necho \"$0 $1\"\nfalse\necho not reached\n",
		"/bash-made":   "#!/usr/bin/env bash\nnames=(a b)\n[[ $0 == /bash* ]] && echo ${names[1]}\n",
		"/ash-made":    "#!/bin/ash -e\necho \"$0\"\n",
		"/lost":        "#!/bin/nothing\n",
		"/bare-sh":     "#!sh\n",
		"/empty":       "#!\n",
		"/bare":        "#!guest args\n",
		"/loop":        "#!/loop\n",
		"/around":      "#!/usr/bin/env /around\n",
		"/plain":       "print('no first line')\n",
		"/link/":       "",
	} {
		chain[name] = data
	}
	b := newBox(t, chain, v1.Config{Env: []string{"PATH=/sbin:/bin"}})
	for _, test := range []struct {
		args   string
		want   string // output, or part of the error
		status int
	}{
		{"/bin/script a b", `["/bin/guest" "args" "/bin/script" "a" "b"]`, 0},
		{"script a", `["/bin/guest" "args" "/bin/script" "a"]`, 0},
		{"bin/script", `["/bin/guest" "args" "bin/script"]`, 0},
		{"options a", `["/bin/guest" "args  -a  b" "/bin/options" "a"]`, 99}, // one argument, as in Linux
		{"split a", `["guest" "args" "-x" "/bin/split" "a"]`, 0},
		{"sh-made x", "/bin/sh-made x", 1},
		{"/bash-made", "b\n", 0},
		{"/ash-made", "/ash-made\n", 0},
		{"dash -c nosuchcommand", "", 127},
		{"/opt/bash", "no such file", StatusNotFound},
		{"/s3", `["/bin/guest" "args" "/s0" "/s1" "/s2" "/s3"]`, 0},
		{"/s4", "more than 4 scripts", StatusNotExecutable},
		{"/loop", "more than 4 scripts", StatusNotExecutable},
		{"/around", "", StatusNotExecutable},
		{"/lost", `"/lost": the interpreter "/bin/nothing" that its first line names is not in the box`, StatusNotFound},
		{"/empty", "names no interpreter", StatusNotExecutable},
		{"/bare", `interpreter "guest"`, StatusNotFound},
		{"/bare-sh", `interpreter "sh"`, StatusNotFound},
		{"/plain", "text without #!", StatusNotExecutable},
	} {
		t.Run(test.args, func(t *testing.T) {
			got, err := run(t, b, Cmd{Args: strings.Fields(test.args)})
			said := got.Stdout
			if err != nil {
				said += err.Error()
			}
			if got.Status != test.status || test.status != 99 && !strings.Contains(said, test.want) {
				t.Errorf("%+v, %v; want %q, %d", got, err, test.want, test.status)
			}
		})
	}
	_, err := run(t, b, Cmd{Args: []string{"/loop"}})
	if !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a script that is its own interpreter: %v is not ELOOP", err)
	}
}

func TestNotFoundHints(t *testing.T) {
	b := newBox(t, map[string]string{"/app/a.out": "", "/app/main.py": ""}, v1.Config{WorkingDir: "/app"})
	for name, want := range map[string]string{
		"apt-get": "package manager", "/usr/bin/python3": "FROM python:3.13", "main.py": "python3 main.py",
		"a.out": "./a.out", "/a.out": "", "other": "", "./other": "",
	} {
		_, err := run(t, b, Cmd{Args: []string{name}})
		var missing *NotFoundError
		if !errors.As(err, &missing) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if hint := missing.Hint(); !strings.Contains(hint, want) || want == "" && hint != "" {
			t.Errorf("%s: hint %q, want %q", name, hint, want)
		}
	}
}

func TestNotExecutable(t *testing.T) {
	elf := "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + "\x02\x00\x3e\x00" + strings.Repeat("\x00", 44)
	noImport := startModule()
	noImport[2] = vector(append(append(text("env"), text("fork")...), 0, 0))
	noImport[7] = vector(exportFunc("_start", 1))
	wrongType := startModule()
	wrongType[2] = vector(append(append(text("wasi_snapshot_preview1"), text("fd_write")...), 0, 0))
	memory := startModule()
	delete(memory, 5)
	memory[2] = vector(append(append(text("env"), text("memory")...), 2, 0, 1))
	library := startModule()
	library[7] = vector(exportFunc("add", 0))
	takes := startModule()
	takes[3] = vector([]byte{2})
	invalid := startModule(0x41, 1) // leaves a value behind
	b := newBox(t, map[string]string{
		"/elf": elf, "/gz": "\x1f\x8b\x08\x00", "/none": "", "/dir/": "", "/text": "hello\n",
		"/component":  "\x00asm\x0d\x00\x01\x00",
		"/short":      "\x00asm",
		"/cut":        string(startModule().module()[:20]),
		"/invalid":    string(invalid.module()),
		"/library":    string(library.module()),
		"/takes":      string(takes.module()),
		"/no-import":  string(noImport.module()),
		"/wrong-type": string(wrongType.module()),
		"/memory":     string(memory.module()),
	}, v1.Config{})
	for name, want := range map[string]string{
		"/elf":        "ELF executable for x86-64",
		"/gz":         "gzip-compressed file",
		"/none":       "empty file",
		"/dir":        "a directory",
		"/text":       "text without #!",
		"/component":  "WebAssembly component",
		"/short":      "cut off",
		"/cut":        "invalid module",
		"/invalid":    "invalid module",
		"/library":    "exports no function _start",
		"/takes":      "_start takes or returns values",
		"/no-import":  `imports the function "env"."fork"`,
		"/wrong-type": `"wasi_snapshot_preview1"."fd_write" with another type`,
		"/memory":     `imports the memory "env"."memory"`,
	} {
		got, err := run(t, b, Cmd{Args: []string{name}})
		var refused *NotExecutableError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) || got.Status != StatusNotExecutable {
			t.Errorf("%s: status %d, %v; want %q", name, got.Status, err, want)
		}
	}
}

func TestModuleIsAProgramWhateverItsMode(t *testing.T) {
	module, err := guest()
	if err != nil {
		t.Fatal(err)
	}
	b := newBox(t, map[string]string{"/opt/plain": string(module), "/first/plain": "a text", "/script": "#!/bin/guest\n"},
		v1.Config{Env: []string{"PATH=/first:/opt:/bin"}})
	for _, name := range []string{"plain", "/opt/plain"} {
		if got, err := run(t, b, Cmd{Args: []string{name}}); got.Stdout != "hello\n" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	tree := newTree(t, nil)
	if err := tree.WriteFile("/script", []byte("#!/bin/guest\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := run(t, b, Cmd{Args: []string{"/script"}, FS: tree}); got.Status != StatusNotExecutable {
		t.Errorf("a script without execute permission: %+v, %v", got, err)
	}
}

func TestBuiltinsAnswerWhereTheBoxHasNone(t *testing.T) {
	own := map[string]string{"/usr/bin/cat": "#!/bin/guest args\n"}
	for _, test := range []struct {
		files map[string]string
		args  []string
		want  string
	}{
		{nil, []string{"sh", "-c", "echo $((1+1))"}, "2\n"},
		{nil, []string{"/bin/sh", "-c", "echo hi | cat"}, "hi\n"},
		{nil, []string{"/usr/bin/env", "A=1", "sh", "-c", "echo $A"}, "1\n"},
		{nil, []string{"/bin/../bin/cat", "/etc/x"}, "x"},
		{nil, []string{"sh", "-c", "guest args | cat; guest exit 4; echo $?"}, "[\"guest\" \"args\"]\n4\n"},
		{own, []string{"cat", "/etc/x"}, "[\"/bin/guest\" \"args\" \"/usr/bin/cat\" \"/etc/x\"]\n"},
		{own, []string{"/bin/cat", "/etc/x"}, "x"},
	} {
		files := map[string]string{"/etc/x": "x"}
		for name, data := range test.files {
			files[name] = data
		}
		got, err := run(t, newBox(t, files, v1.Config{}), Cmd{Args: test.args})
		if diff := cmp.Diff(test.want, got.Stdout); diff != "" {
			t.Errorf("%q: %s%v %s", test.args, diff, err, got.Stderr)
		}
	}
	if got, err := run(t, newBox(t, nil, v1.Config{}), Cmd{Args: []string{"/opt/sh"}}); got.Status != StatusNotFound {
		t.Errorf("/opt/sh: %+v, %v", got, err)
	}
}

func TestFailuresWithinTheShell(t *testing.T) {
	b := newBox(t, map[string]string{"/elf": "\x7fELF", "/trap": string(startModule(0).module())}, v1.Config{})
	for script, want := range map[string]string{
		"none; echo $?":           "127\n",
		"/elf; echo $?":           "126\n",
		"/trap; echo $?":          "134\n",
		"guest exit 300; echo $?": "44\n",
	} {
		got, err := run(t, b, Cmd{Args: []string{"sh", "-c", script}})
		if got.Stdout != want {
			t.Errorf("%s: %+v, %v", script, got, err)
		}
		if strings.Contains(script, "trap") && !strings.Contains(got.Stderr, "wasm backtrace") {
			t.Errorf("a trap without backtrace: %q", got.Stderr)
		}
	}
}

// What a command turned out to be is remembered for runs that begin as that one did, and for no others.
func TestFirstCommandIsRemembered(t *testing.T) {
	module, err := guest()
	if err != nil {
		t.Fatal(err)
	}
	e, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.Load(layered(t, e, map[string][]byte{"bin/p": module, "there/p": module}))
	if err != nil {
		t.Fatal(err)
	}
	here := t.TempDir()
	if err := os.WriteFile(filepath.Join(here, "p"), []byte("#!/bin/p args\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	script := File{Path: "/sbin/p", Mode: 0o755, Data: []byte("#!/bin/p args\n")}
	path := []string{"PATH=/sbin:/bin"}
	for range 2 {
		for _, test := range []struct {
			cmd  Cmd
			want string // output, or part of the error
		}{
			{Cmd{Args: []string{"p", "args"}, Env: path}, `["p" "args"]`},
			{Cmd{Args: []string{"p", "args"}, Env: path, Files: []File{script}}, `["/bin/p" "args" "/sbin/p" "args"]`},
			{Cmd{Args: []string{"p", "args"}, Env: path, Mounts: []Mount{{Source: here, Target: "/sbin"}}}, `["/bin/p" "args" "/sbin/p" "args"]`},
			{Cmd{Args: []string{"p", "args"}, Env: []string{"PATH=/there:/bin"}}, `["p" "args"]`},
			{Cmd{Args: []string{"p", "args"}, Env: []string{"PATH=."}, Dir: "/bin"}, `["p" "args"]`},
			{Cmd{Args: []string{"p", "args"}, Env: []string{"PATH=."}, Dir: "/"}, `"p"`},
			{Cmd{Args: []string{"./p", "args"}, Dir: "/there"}, `["./p" "args"]`},
			{Cmd{Args: []string{"./p", "args"}, Dir: "/elsewhere"}, `"p"`},
			{Cmd{Args: []string{"sh", "-c", "rm /bin/p; p args"}, Env: path}, "p: "},
		} {
			got, err := run(t, b, test.cmd)
			if !strings.Contains(got.Stdout+got.Stderr+fmt.Sprint(err), test.want) {
				t.Errorf("%q in %q with %q: %q, %v, want %s", test.cmd.Args, test.cmd.Dir, test.cmd.Env, got.Stdout+got.Stderr, err, test.want)
			}
		}
	}
	if n := len(b.programs.found); n != 4 {
		t.Errorf("%d commands are remembered, want 4", n)
	}
	for i := range 2 * maxPrograms {
		c := Cmd{Args: []string{"p", "args"}, Env: []string{fmt.Sprintf("PATH=/bin:/%d", i)}}
		if got, err := run(t, b, c); err != nil || got.Stdout == "" {
			t.Fatalf("%q, %v", got.Stdout, err)
		}
	}
	if n := len(b.programs.found); n > maxPrograms {
		t.Errorf("%d commands are remembered, more than %d", n, maxPrograms)
	}
}

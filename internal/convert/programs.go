package convert

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"boxer.dev/internal/coreutils"
	"boxer.dev/internal/shell"
)

// outcome is what becomes of one command.
type outcome struct {
	keep        bool
	replacement string // takes its place, if it stands alone
}

var (
	kept    = outcome{keep: true}
	dropped = outcome{}
)

// builtins are commands that a shell has in itself.
var builtins = strings.Fields(": . [ alias bg break cd command continue declare echo eval exec exit export false fg getopts hash jobs let local " +
	"popd printf pushd pwd read readonly return set shift shopt source test times trap true type typeset ulimit umask unalias unset wait")

// call judges one command of a RUN. Words that a box does not want are taken out of it.
func (c *converter) call(call *syntax.CallExpr, f *finding) outcome {
	words := literals(call.Args)
	if len(words) > 1 && words[0] == "sudo" {
		f.found(Differs, "without sudo: commands of a box run as its root")
		call.Args = call.Args[1:]
		return c.call(call, f)
	}
	name := base(words[0])
	switch {
	case name == "." || name == "source":
		return c.activate(words, f)
	case name == "chown" || name == "chgrp":
		f.found(Differs, "owners are recorded, and nothing in a box enforces them")
		return kept
	case slices.Contains(builtins, name):
		return kept
	case isPip(name):
		c.rename(call, words[0], "pip")
		return c.pip(call, words[1:], f)
	case isPython(name):
		return c.interpreter(call, words, f)
	case name == "virtualenv" || name == "uv":
		return c.environmentTool(call, words, f)
	case name == "apt-get" || name == "apt" || name == "apk" || name == "yum" || name == "dnf" || name == "microdnf":
		return c.packages(name, words[1:], f)
	case name == "useradd" || name == "adduser":
		return c.user(words[1:], f)
	case name == "groupadd" || name == "addgroup":
		return c.group(words[1:], f)
	}
	return c.known(name, words, f)
}

// known judges commands by what the shell of a box says of them.
func (c *converter) known(name string, words []string, f *finding) outcome {
	if _, ok := coreutils.LookupCommand(words[0]); ok || coreutils.IsShell(words[0]) {
		return kept
	}
	switch name {
	case "curl", "wget":
		f.found(No, "%s: RUN has no network; ADD fetches: ADD URL PATH, with --checksum=sha256:… if it matters", name)
		return dropped
	case "git":
		f.found(No, "git: RUN has no network; ADD fetches repositories: ADD https://HOST/REPOSITORY.git DIR")
		return dropped
	case "poetry", "pipenv", "pdm", "conda", "mamba", "pipx":
		f.found(No, "%s cannot work in a box: write requirements.txt on the host (%s) and RUN pip install -r requirements.txt", name, exports[name])
		return dropped
	case "update-ca-certificates", "ldconfig", "locale-gen", "update-locale", "update-alternatives":
		f.found(Differs, "without %s: there is nothing to update", name)
		return dropped
	}
	if hint := shell.Hint(name); hint != "" {
		f.found(No, "%s: %s", name, hint)
		return dropped
	}
	c.other(words[0], f)
	return kept
}

var exports = map[string]string{
	"poetry": "poetry export", "pipenv": "pipenv requirements", "pdm": "pdm export", "conda": "pip list --format freeze",
	"mamba": "pip list --format freeze", "pipx": "name the package",
}

// other judges a program of which nothing is known but its name.
func (c *converter) other(word string, f *finding) {
	name := base(word)
	if _, ok := coreutils.LookupCommand(word); ok || coreutils.IsShell(word) || slices.Contains(builtins, name) || name == "" {
		return
	}
	if hint := shell.Hint(name); hint != "" && !isPython(name) && !isPip(name) {
		f.found(No, "%s: %s", name, hint)
		return
	}
	f.found(Differs, "%s has to be a script, a command of a Python package or a WebAssembly program", name)
}

// interpreter judges python ….
func (c *converter) interpreter(call *syntax.CallExpr, words []string, f *finding) outcome {
	if !c.python {
		f.found(No, "there is no Python in this stage: FROM python:%s", minor(c.Python))
		return dropped
	}
	c.rename(call, words[0], "python")
	if len(words) > 2 && words[1] == "-m" {
		switch words[2] {
		case "venv", "virtualenv":
			return c.venv(words[3:], f)
		case "pip":
			return c.pip(call, words[3:], f)
		case "ensurepip":
			f.found(Differs, "without ensurepip: the base has pip")
			return dropped
		}
	}
	return kept
}

// rename calls what lies in a virtual environment, or has another version in its name, by its name in the base.
func (c *converter) rename(call *syntax.CallExpr, word, name string) {
	if strings.Contains(word, "/") || strings.Contains(word, ".") {
		call.Args[0] = literal(name)
	}
}

func (c *converter) venv(args []string, f *finding) outcome {
	for _, arg := range args {
		if !strings.HasPrefix(arg, "-") {
			c.venvs = append(c.venvs, strings.TrimSuffix(arg, "/"))
		}
	}
	f.found(Differs, "without a virtual environment: a box is one already")
	return dropped
}

// activate judges `. DIR/bin/activate`; other files are scripts.
func (c *converter) activate(words []string, f *finding) outcome {
	if len(words) > 1 && path.Base(words[1]) == "activate" {
		f.found(Differs, "without a virtual environment: a box is one already")
		return dropped
	}
	return kept
}

// environmentTool judges virtualenv and uv.
func (c *converter) environmentTool(call *syntax.CallExpr, words []string, f *finding) outcome {
	switch {
	case base(words[0]) == "virtualenv":
		return c.venv(words[1:], f)
	case len(words) > 1 && words[1] == "venv":
		return c.venv(words[2:], f)
	case len(words) > 2 && words[1] == "pip" && words[2] == "install":
		call.Args = call.Args[1:]
		call.Args = slices.DeleteFunc(call.Args, func(w *syntax.Word) bool { return w.Lit() == "--system" })
		return c.pip(call, literals(call.Args)[1:], f)
	}
	f.found(No, "uv is a program for Linux: write requirements.txt on the host (uv export) and RUN pip install -r requirements.txt")
	return dropped
}

// fetch turns a command that does nothing but fetch a file or a repository into ADD; "" if it is none.
func (c *converter) fetch(stmt *syntax.Stmt) string {
	call, ok := stmt.Cmd.(*syntax.CallExpr)
	if !ok || !isSimple(stmt, call) || len(call.Assigns) > 0 {
		return ""
	}
	words := literals(call.Args)
	var urls, paths []string
	for i := 1; i < len(words); i++ {
		switch word := words[i]; {
		case strings.HasPrefix(word, "https://") || strings.HasPrefix(word, "http://"):
			urls = append(urls, word)
		case outputOption().MatchString(word) && i+1 < len(words) && words[0] != "git":
			i++
			paths = append(paths, words[i])
		case !strings.HasPrefix(word, "-") && word != "clone" && words[0] == "git":
			paths = append(paths, word)
		}
	}
	if len(urls) != 1 || len(paths) != 1 || strings.ContainsAny(urls[0]+paths[0], " \"'") {
		return ""
	}
	switch words[0] {
	case "curl", "wget":
		return fmt.Sprintf("ADD %s %s", urls[0], paths[0])
	case "git":
		if words[1] == "clone" && strings.HasSuffix(urls[0], ".git") {
			return fmt.Sprintf("ADD %s %s", urls[0], paths[0])
		}
	}
	return ""
}

var outputOption = grammar(`^(-[a-zA-Z]*[oO]|--output|--output-document)$`)

func base(word string) string { return path.Base(word) }

var (
	pythonName = grammar(`^python(3(\.[0-9]+)?)?$`)
	pipName    = grammar(`^pip(3(\.[0-9]+)?)?$`)
)

func isPython(name string) bool { return pythonName().MatchString(name) }
func isPip(name string) bool    { return pipName().MatchString(name) }

// literals are words as far as they can be told without running anything.
func literals(words []*syntax.Word) []string {
	texts := make([]string, len(words))
	for i, word := range words {
		texts[i] = text(word)
	}
	return texts
}

func text(word *syntax.Word) string {
	var b strings.Builder
	for _, part := range word.Parts {
		switch p := part.(type) {
		case *syntax.Lit:
			b.WriteString(p.Value)
		case *syntax.SglQuoted:
			b.WriteString(p.Value)
		case *syntax.DblQuoted:
			b.WriteString(text(&syntax.Word{Parts: p.Parts}))
		default:
			b.WriteString(render(&syntax.Word{Parts: []syntax.WordPart{part}}))
		}
	}
	return b.String()
}

func literal(text string) *syntax.Word {
	return &syntax.Word{Parts: []syntax.WordPart{&syntax.Lit{Value: text}}}
}

// execForm is a command as JSON, as CMD takes it.
func execForm(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		text, err := json.Marshal(word)
		if err != nil {
			return ""
		}
		quoted[i] = string(text)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

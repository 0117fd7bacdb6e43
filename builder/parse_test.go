package builder

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseErrors(t *testing.T) {
	tests := []struct{ name, boxfile, err, hint string }{
		{"empty", "", "Boxfile: it has no instructions", "FROM python:3.13"},
		{"only comments", "# a\n\n", "Boxfile: it has no instructions", "FROM"},
		{"no FROM", "ARG a=1\n", "Boxfile: it has no FROM", "FROM"},
		{"before FROM", "\nCOPY a b\nFROM scratch\n", "Boxfile:2: COPY: there is no FROM before it\n     1 |\n     2 | >>> COPY a b\n     3 |     FROM scratch", "FROM"},
		{"unknown", "FROM scratch\nCOPPY a b\n", "Boxfile:2: COPPY: unknown instruction\n     1 |     FROM scratch\n     2 | >>> COPPY a b", "did you mean COPY?"},
		{"unknown, far off", "FROM scratch\nFROBNICATE\n", "Boxfile:2: FROBNICATE: unknown instruction", "ADD ALLOW ARG CMD COPY"},
		{"no destination", "FROM scratch\nCOPY a\n", "Boxfile:2: COPY: COPY requires at least two arguments", ""},
		{"unknown flag", "FROM scratch\nCOPY --chowm=1 a b\n", "Boxfile:2: COPY: unknown flag: --chowm", ""},
		{"bad escape", "# escape=x\nFROM scratch\n", "Boxfile:0: invalid escape token", ""},
		{"bad stage name", "FROM scratch AS 1a\n", "Boxfile:1: FROM: invalid name for build stage", ""},
		{"three FROM words", "FROM a b\n", "Boxfile:1: FROM: FROM requires either one or three arguments", ""},
		{"continued", "FROM scratch\nRUN a \\\n  b\nENV\n", "Boxfile:4: ENV: ENV requires at least one argument", ""},
		{"open here-document", "FROM scratch\nRUN <<EOF\necho\n", "Boxfile:2: RUN: unterminated heredoc", ""},
		{"zero byte", "FROM scratch\n\x00", "Boxfile: not a text file", ""},
		{"shell form of SHELL", "FROM scratch\nSHELL sh -c\n", "Boxfile:2: SHELL: ", ""},

		{"SNAPSHOT before FROM", "SNAPSHOT import app\n", "Boxfile:1: SNAPSHOT: there is no FROM before it", "FROM"},
		{"SNAPSHOT with flags", "FROM scratch\nSNAPSHOT --all import app\n", "Boxfile:2: SNAPSHOT: it takes no flags", ""},
		{"SNAPSHOT without end", "FROM scratch\n snapshot <<EOF\nimport app\n", "Boxfile:2: SNAPSHOT: unterminated heredoc\n     1 |     FROM scratch\n     2 | >>>  snapshot <<EOF\n     3 |     import app", ""},
		{"SNAPSHOT of nothing", "FROM scratch\nSNAPSHOT <<EOF\n\nEOF\n", "Boxfile:2: SNAPSHOT: the here-document is empty", ""},
		{"SNAPSHOT of two", "FROM scratch\nSNAPSHOT <<A <<B\nA\nB\n", "Boxfile:2: SNAPSHOT: a here-document is all of the text", ""},
		{"SNAPSHOT continued", "FROM scratch\nSNAPSHOT \\\n<<A\nENV a=1\nA\n", "Boxfile:2: SNAPSHOT: a here-document is all of the text", ""},
		{"LIMIT of nothing", "FROM scratch\nLIMIT\n", "Boxfile:2: LIMIT: nothing is asked for", "write LIMIT"},
		{"LIMIT unknown", "FROM scratch\nLIMIT disk=1g\n", "Boxfile:2: LIMIT: there is no limit \"disk=1g\"", "write LIMIT"},
		{"LIMIT with a flag", "FROM scratch\nLIMIT --soft memory=1g\n", "Boxfile:2: LIMIT: it takes no flags", "write LIMIT"},
		{"ALLOW without address", "FROM scratch\nALLOW net\n", "Boxfile:2: ALLOW: net: \"\" is not HOST:PORT", "write ALLOW"},
		{"ALLOW unknown", "FROM scratch\nALLOW gpu\n", "Boxfile:2: ALLOW: there is nothing to allow called \"gpu\"", "write ALLOW"},
		{"host network", "FROM scratch\nRUN --network=host true\n", "Boxfile:2: RUN: --network=host is not supported", "no network"},
		{"insecure", "FROM scratch\nRUN --security=insecure true\n", "Boxfile:2: RUN: --security is not supported", "leave the flag out"},
		{"COPY --from=$x", "FROM scratch\nCOPY --from=$x a b\n", "Boxfile:2: COPY: --from takes no variables", "FROM"},
		{"COPY of a URL", "FROM scratch\nCOPY https://example.org/a b\n", "Boxfile:2: COPY: https://example.org/a: a URL is not fetched", "ADD fetches it"},
		{"COPY of a repository", "FROM scratch\nCOPY git@example.org:a/b.git#v1 b\n", "Boxfile:2: COPY: git@example.org:a/b.git#v1: a git repository is not fetched", "ADD fetches it"},
		{"ONBUILD ONBUILD", "FROM scratch\nONBUILD ONBUILD RUN true\n", "Boxfile:2: ONBUILD: Chaining ONBUILD", ""},
		{"ONBUILD FROM", "FROM scratch\nONBUILD FROM scratch\n", "Boxfile:2: ONBUILD: FROM isn't allowed as an ONBUILD trigger", ""},
		{"ONBUILD MAINTAINER", "FROM scratch\nONBUILD MAINTAINER me\n", "Boxfile:2: ONBUILD: MAINTAINER isn't allowed", ""},
		{"ONBUILD of nothing", "FROM scratch\nONBUILD\n", "Boxfile:2: ONBUILD: ONBUILD requires at least one argument", ""},
		{"ONBUILD of a slip", "FROM scratch\nONBUILD COPPY a b\n", "Boxfile:2: ONBUILD: unknown instruction", "did you mean COPY?"},
		{"HEALTHCHECK of what", "FROM scratch\nHEALTHCHECK true\n", "Boxfile:2: HEALTHCHECK: Unknown type", ""},
		{"HEALTHCHECK without command", "FROM scratch\nHEALTHCHECK CMD\n", "Boxfile:2: HEALTHCHECK: Missing command", ""},
		{"HEALTHCHECK NONE of something", "FROM scratch\nHEALTHCHECK NONE true\n", "Boxfile:2: HEALTHCHECK: HEALTHCHECK NONE takes no arguments", ""},
		{"HEALTHCHECK too often", "FROM scratch\nHEALTHCHECK --interval=1us CMD true\n", "Boxfile:2: HEALTHCHECK: Interval", ""},
		{"HEALTHCHECK negative", "FROM scratch\nHEALTHCHECK --retries=-1 CMD true\n", "Boxfile:2: HEALTHCHECK: --retries cannot be negative", ""},
		{"checksum of two", "FROM scratch\nADD --checksum=sha256:00 a b c/\n", "Boxfile:2: ADD: --checksum is of one source", "an ADD for each"},
		{"empty RUN", "FROM scratch\nRUN\n", "Boxfile:2: RUN: no command is given", ""},
		{"empty exec form", "FROM scratch\nRUN []\n", "Boxfile:2: RUN: no command is given", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("Boxfile", strings.NewReader(test.boxfile))
			var placed *Error
			if !errors.As(err, &placed) {
				t.Fatalf("got %v (%T), want an *Error", err, err)
			}
			if want := strings.Replace(test.err, ":0:", ":", 1); !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got  %s\nwant %s…", err, want)
			}
			if got := placed.Hint(); !strings.Contains(got, test.hint) {
				t.Errorf("hint %q, want it to have %q", got, test.hint)
			}
		})
	}
}

// TestTerminalEscapesInMessages is the hole of guests that steer the terminal through error messages.
func TestTerminalEscapesInMessages(t *testing.T) {
	_, err := Parse("Boxfile", strings.NewReader("FROM scratch\n\x1b]0;owned\a\x1b[31mCOPY a b\n"))
	if err == nil || strings.ContainsAny(err.Error()+hintOf(err), "\x1b\a") {
		t.Errorf("got %q", err)
	}
}

func TestParseKeepsEmptyContinuationLines(t *testing.T) {
	b, err := Parse("Boxfile", strings.NewReader("FROM scratch\nENV a=1 \\\n\n  b=2\n"))
	if err != nil {
		t.Fatal(err)
	}
	warnings, _, err := Check(t.Context(), Options{Boxfile: b})
	if err != nil || len(warnings) != 1 || warnings[0].Rule != "NoEmptyContinuation" || warnings[0].Line != 4 {
		t.Errorf("warnings %+v, %v", warnings, err)
	}
}

func TestOpenBoxfile(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if _, err := OpenBoxfile(root, "", nil); err == nil || !strings.Contains(hintOf(err), "create a Boxfile") {
		t.Errorf("no Boxfile: %v", err)
	}
	outside := filepath.Join(t.TempDir(), "Other")
	for file, base := range map[string]string{filepath.Join(dir, "Dockerfile"): "docker", outside: "outside"} {
		if err := os.WriteFile(file, []byte("FROM "+base), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func(name, wantName, wantBase string) {
		t.Helper()
		b, err := OpenBoxfile(root, name, strings.NewReader("FROM stdin"))
		if err != nil {
			t.Fatal(err)
		}
		p, err := b.program()
		if err != nil {
			t.Fatal(err)
		}
		if b.Name != wantName || p.stages[0].BaseName != wantBase {
			t.Errorf("%q opens %s, FROM %s; want %s, FROM %s", name, b.Name, p.stages[0].BaseName, wantName, wantBase)
		}
	}
	check("", "Dockerfile", "docker")
	check("-", "stdin", "stdin")
	check(outside, outside, "outside")
	if err := os.WriteFile(filepath.Join(dir, "Boxfile"), []byte("FROM box"), 0o600); err != nil {
		t.Fatal(err)
	}
	check("", "Boxfile", "box")
}

// corpus returns BuildKit's own test files for its parser.
func corpus(t testing.TB, kind string) map[string][]byte {
	t.Helper()
	dir := filepath.Join(buildKitDir(t), "parser", kind)
	files, err := filepath.Glob(filepath.Join(dir, "*", "Dockerfile"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files in %s (%v); run: go mod download github.com/moby/buildkit", dir, err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		if all[filepath.Base(filepath.Dir(file))], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// What BuildKit's parser is tested with has the tree that its authors published, and none of it makes Parse fail in another
// way than with an error that has a place.
func TestBuildKitTrees(t *testing.T) {
	for name, data := range corpus(t, "testfiles") {
		t.Run(name, func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join(buildKitDir(t), "parser", "testfiles", name, "result"))
			if err != nil {
				t.Fatal(err)
			}
			tree, err := parseAST(data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), tree.AST.Dump()+"\n"); diff != "" {
				t.Errorf("tree (-want +got):\n%s", diff)
			}
			b, err := Parse(name, bytes.NewReader(data))
			var placed *Error
			switch {
			case err != nil && (!errors.As(err, &placed) || placed.File != name):
				t.Errorf("got %v (%T), want an *Error", err, err)
			case err != nil:
				t.Logf("%v", err)
			case len(b.nodes) != len(tree.AST.Children):
				t.Errorf("%d instructions, want %d", len(b.nodes), len(tree.AST.Children))
			}
		})
	}
}

// What BuildKit's parser refuses, Parse refuses too.
func TestBuildKitNegativeTrees(t *testing.T) {
	for name, data := range corpus(t, "testfiles-negative") {
		var placed *Error
		if _, err := Parse(name, bytes.NewReader(data)); !errors.As(err, &placed) {
			t.Errorf("%s: got %v (%T), want an *Error", name, err, err)
		}
	}
}

// The tables that BuildKit's expansion is tested with hold for that of a stage.
func TestBuildKitExpansion(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(buildKitDir(t), "shell", "envVarTest"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBuild(Options{Boxfile: mustParse(t, "FROM scratch\n")})
	if err != nil {
		t.Fatal(err)
	}
	s := newStage(b, &node{})
	s.env = environment{"PWD=/home", "SHELL=bash", "KOREAN=한국어", "NULL="}
	count := 0
	for line := range strings.Lines(string(data)) {
		columns := strings.Split(strings.TrimSpace(line), "|")
		if len(columns) != 3 || strings.TrimSpace(columns[0]) == "W" || strings.HasPrefix(line, "#") {
			continue
		}
		count++
		word, want := strings.TrimSpace(columns[1]), strings.TrimSpace(columns[2])
		got, err := s.expandWord(word)
		if failed := err != nil; failed != (want == "error") || !failed && got != want {
			t.Errorf("%s: %q, %v; want %q", word, got, err, want)
		}
	}
	if count < 100 {
		t.Errorf("only %d lines in the table", count)
	}
}

func FuzzParse(f *testing.F) {
	for _, data := range corpus(f, "testfiles") {
		f.Add(data)
	}
	f.Add([]byte("FROM a AS b\nCOPY --from=b <<x <<-y /\n1\nx\n\t2\ny\nRUN --network=none <<E cat\n$a\nE\nEXPOSE 1-2/udp"))
	f.Add([]byte("FROM a\nSNAPSHOT <<E\nSNAPSHOT <<F\nE\nCOPY a \\\nSNAPSHOT <<E\nE\nsnapshot import a, \\\n b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Parse("Boxfile", bytes.NewReader(data))
		var placed *Error
		switch {
		case err == nil && (b == nil || len(b.nodes) == 0):
			t.Fatal("neither a Boxfile nor an error")
		case err != nil && (!errors.As(err, &placed) || placed.Line < 0 || placed.Line > bytes.Count(data, []byte("\n"))+1):
			t.Fatalf("error without a place: %v", err)
		case err != nil && strings.ContainsAny(err.Error(), "\x1b\a\b"):
			t.Fatalf("control characters in %q", err)
		}
	})
}

package builder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"boxer.dev/oci"
)

// BuildKit says what the configuration of an image is to be. testdata/oracle/main.go asks the part of it that carries
// instructions out, which is not linked here: it would bring a hundred modules. Its answers are kept in
// testdata/oracle/answers.json, under the digest of what it was asked.
//
// The questions are the Dockerfiles in BuildKit's own tests, as far as they are written out there, and those of
// testdata/oracle/cases. RUN, COPY and ADD are left out of them: they change no configuration, and what they would read is
// not there.

var questions = flag.String("questions", "", "write the questions for testdata/oracle into this file")

// question and answer are those of testdata/oracle/main.go.
type question struct {
	Name, Dockerfile, Target string
	Args                     map[string]string
}

type answer struct {
	Name     string // digest of the question
	Config   map[string]any
	Author   string
	History  []string
	Warnings []string
	Error    string
}

// digest names a question. Where it comes from makes no difference.
func (q question) digest() string {
	data, err := json.Marshal(question{"", q.Dockerfile, q.Target, q.Args})
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(data))[:16]
}

func buildKitDir(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/moby/buildkit").Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		t.Fatalf("finding BuildKit's sources: %v; run: go mod download github.com/moby/buildkit", err)
	}
	return filepath.Join(dir, "frontend", "dockerfile")
}

// publishedDockerfiles are those in BuildKit's tests.
func publishedDockerfiles(t *testing.T) []question {
	t.Helper()
	var all []question
	for _, dir := range []string{"", "dockerfile2llb"} {
		files, err := filepath.Glob(filepath.Join(buildKitDir(t), dir, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no tests in BuildKit's sources: %v", err)
		}
		for _, file := range files {
			all = append(all, dockerfilesIn(t, file)...)
		}
	}
	return all
}

var fromLine = regexp.MustCompile(`(?mi)^\s*FROM\s+\S`)

func dockerfilesIn(t *testing.T, file string) (found []question) {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := goparser.ParseFile(set, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if _, joined := n.(*ast.BinaryExpr); joined {
			return false // a part of a Dockerfile
		}
		literal, ok := n.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(literal.Value)
		if err == nil && fromLine.MatchString(text) && !strings.Contains(text, "%") {
			name := fmt.Sprintf("%s:%d", filepath.Base(file), set.Position(literal.Pos()).Line)
			found = append(found, question{Name: name, Dockerfile: text})
		}
		return true
	})
	return found
}

// ownCases are those of testdata/oracle/cases: Dockerfiles, with build arguments and the target in comments of the first lines.
func ownCases(t *testing.T) (all []question) {
	t.Helper()
	files, err := filepath.Glob("testdata/oracle/cases/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		q := question{Name: filepath.Base(file), Dockerfile: string(data)}
		for line := range strings.Lines(q.Dockerfile) {
			if arg, ok := strings.CutPrefix(strings.TrimSpace(line), "# build-arg "); ok {
				if q.Args == nil {
					q.Args = map[string]string{}
				}
				name, value, _ := strings.Cut(arg, "=")
				q.Args[name] = value
			} else if target, ok := strings.CutPrefix(strings.TrimSpace(line), "# target "); ok {
				q.Target = target
			}
		}
		all = append(all, q)
	}
	return all
}

// withoutFiles leaves RUN, COPY and ADD out. ok is false for what the parser refuses.
func withoutFiles(text string) (_ string, ok bool) {
	result, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return "", false
	}
	lines := strings.SplitAfter(text, "\n")
	for _, node := range result.AST.Children {
		switch strings.ToLower(node.Value) {
		case "run", "copy", "add":
			for i := node.StartLine; i <= node.EndLine && i <= len(lines); i++ {
				lines[i-1] = "\n"
			}
		}
	}
	return strings.Join(lines, ""), true
}

// inapplicable says why a question is none for boxer.
func inapplicable(text string, err error) string {
	var message string
	if err != nil {
		message = err.Error()
	}
	switch {
	case regexp.MustCompile(`(?i)FROM\s+--platform`).MatchString(text):
		return "boxes have one platform"
	case strings.Contains(message, "--mount"):
		return "mounts of RUN are tested elsewhere"
	case strings.Contains(message, "is not in /etc/passwd of the box"):
		return "BuildKit looks up users later"
	case strings.Contains(message, "bad SOURCE_DATE_EPOCH"):
		return "SOURCE_DATE_EPOCH is a number of seconds, not a source"
	}
	return ""
}

func TestBuildKitDispatch(t *testing.T) {
	var asked []question
	for _, q := range append(publishedDockerfiles(t), ownCases(t)...) {
		if text, ok := withoutFiles(q.Dockerfile); ok && fromLine.MatchString(text) {
			q.Dockerfile = text
			asked = append(asked, q)
		}
	}
	if *questions != "" {
		writeQuestions(t, asked)
		return
	}
	answers := readAnswers(t)
	store := newStore(t)
	compared, skipped := 0, map[string]int{}
	for _, q := range asked {
		want, ok := answers[q.digest()]
		if !ok {
			t.Errorf("%s: BuildKit has not been asked; testdata/oracle/main.go says how to", q.Name)
			continue
		}
		got, err := ourAnswer(t, q, store)
		if reason := inapplicable(q.Dockerfile, err); reason != "" {
			skipped[reason]++
			continue
		}
		compared++
		compareAnswers(t, q, want, got, err)
	}
	t.Logf("compared %d; not applicable: %v", compared, skipped)
	if compared < 200 {
		t.Errorf("only %d questions were compared", compared)
	}
}

func writeQuestions(t *testing.T, asked []question) {
	t.Helper()
	for i, q := range asked {
		asked[i].Name = q.digest()
	}
	slices.SortFunc(asked, func(a, b question) int { return strings.Compare(a.Name, b.Name) })
	asked = slices.CompactFunc(asked, func(a, b question) bool { return a.Name == b.Name })
	data, err := json.Marshal(asked)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(*questions, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func readAnswers(t *testing.T) map[string]answer {
	t.Helper()
	data, err := os.ReadFile("testdata/oracle/answers.json")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]answer{}
	for line := range bytes.Lines(data) {
		var a answer
		if err := json.Unmarshal(line, &a); err != nil {
			t.Fatal(err)
		}
		all[a.Name] = a
	}
	return all
}

// anyImage resolves every name to an image of boxer's platform with nothing in it but PATH.
func anyImage(_ context.Context, name string) (v1.Image, string, error) {
	if _, err := oci.Normalize(name); err != nil {
		return nil, "", err
	}
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		OS: oci.Platform.OS, Architecture: oci.Platform.Architecture, Config: v1.Config{Env: []string{"PATH=" + defaultPath}},
	})
	return img, "", err
}

func ourAnswer(t *testing.T, q question, store *oci.Store) (answer, error) {
	t.Helper()
	boxfile, err := Parse("Boxfile", strings.NewReader(q.Dockerfile))
	if err != nil {
		return answer{}, err
	}
	args := q.Args
	if args == nil {
		args = map[string]string{}
	}
	res, err := Build(t.Context(), Options{Boxfile: boxfile, Args: args, Target: q.Target, Resolve: anyImage, Rootfs: store.Rootfs, Run: testRun})
	if err != nil {
		return answer{}, err
	}
	raw, err := res.Image.RawConfigFile()
	if err != nil {
		return answer{}, err
	}
	var file struct {
		Author  string         `json:"author"`
		Config  map[string]any `json:"config"`
		History []v1.History   `json:"history"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return answer{}, err
	}
	a := answer{Config: file.Config, Author: file.Author}
	for _, h := range file.History {
		a.History = append(a.History, h.CreatedBy)
	}
	for _, w := range res.Warnings {
		if w.Rule != "" {
			a.Warnings = append(a.Warnings, fmt.Sprintf("%d: %s: %s", w.Line, w.Rule, w.Text))
		}
	}
	return a, nil
}

func compareAnswers(t *testing.T, q question, want, got answer, err error) {
	t.Helper()
	if want.Error != "" || err != nil {
		if (want.Error != "") != (err != nil) {
			t.Errorf("%s: error %v, BuildKit's %q\n%s", q.Name, err, want.Error, q.Dockerfile)
		}
		return
	}
	normalize(want.Config)
	normalize(got.Config)
	if diff := cmp.Diff(want.Config, got.Config); diff != "" {
		t.Errorf("%s: configuration (-BuildKit +boxer):\n%s\n%s", q.Name, diff, q.Dockerfile)
	}
	if want.Author != got.Author {
		t.Errorf("%s: author %q, BuildKit's %q", q.Name, got.Author, want.Author)
	}
	if diff := cmp.Diff(want.History, got.History); diff != "" {
		t.Errorf("%s: history (-BuildKit +boxer):\n%s\n%s", q.Name, diff, q.Dockerfile)
	}
	if diff := cmp.Diff(unique(want.Warnings), unique(got.Warnings)); diff != "" {
		t.Errorf("%s: warnings (-BuildKit +boxer):\n%s\n%s", q.Name, diff, q.Dockerfile)
	}
}

// normalize leaves out what BuildKit writes down where boxer leaves the default to whoever runs the box.
func normalize(config map[string]any) {
	delete(config, "ArgsEscaped") // was for Docker on Windows
	if dir, ok := config["WorkingDir"].(string); ok {
		if config["WorkingDir"] = path.Clean(dir); dir == "/" {
			delete(config, "WorkingDir")
		}
	}
	if env, ok := config["Env"].([]any); ok {
		env = slices.DeleteFunc(env, func(kv any) bool { return kv == "PATH="+defaultPath })
		if config["Env"] = env; len(env) == 0 {
			delete(config, "Env")
		}
	}
	maps.DeleteFunc(config, func(_ string, v any) bool { return v == nil })
}

func unique(list []string) []string {
	sorted := slices.Sorted(slices.Values(list))
	return slices.Compact(sorted)
}

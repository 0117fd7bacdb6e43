package project

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"boxer.dev/builder"
)

// directory is a file system of what a test names, each file empty unless text follows behind a blank.
func directory(files ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for _, file := range files {
		name, text, _ := strings.Cut(file, " ")
		fsys[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return fsys
}

func TestFind(t *testing.T) {
	script := func(name string) []string {
		return []string{"python", "-c", fmt.Sprintf("import sys; from %s import main; sys.exit(main())", name)}
	}
	for _, test := range []struct {
		name  string
		files []string
		want  Project
	}{
		{"main", []string{"main.py", "app.py"}, Project{Start: []string{"python", "main.py"}, Why: "main.py"}},
		{"app", []string{"app.py from __future__ import annotations\nimport os.path, sys\nfrom helper import x\nimport os\nif x:\n    import late\n", "helper.py"},
			Project{Start: []string{"python", "app.py"}, Why: "app.py", Imports: []string{"os", "helper"}}},
		{"only file", []string{"report.py", "test_report.py", "setup.py"}, Project{Start: []string{"python", "report.py"}, Why: "report.py"}},
		{"no module's name", []string{"my-tool.py"}, Project{Start: []string{"python", "my-tool.py"}, Why: "my-tool.py"}},
		{"package", []string{"tool/__init__.py", "tool/__main__.py", "main.py"}, Project{Start: []string{"python", "-m", "tool"}, Why: "tool/__main__.py", Imports: []string{"tool"}}},
		{"package in src", []string{"src/tool/__main__.py", "src/tool/__init__.py", "docs/conf.py"},
			Project{Start: []string{"python", "-m", "tool"}, Why: "src/tool/__main__.py", Imports: []string{"tool"}, Source: "src"}},
		{"script", []string{"pyproject.toml [project]\nname = 'My Tool'\n[project.scripts]\nmy-tool = 'tool.cli:main'\nother = 'tool.other:main'", "tool/__init__.py"},
			Project{Name: "my-tool", Start: script("tool.cli"), Why: "the script my-tool of pyproject.toml", Imports: []string{"tool.cli"}}},
		{"poetry", []string{"pyproject.toml [tool.poetry]\nname = 'x'\n[tool.poetry.dependencies]\npython = '^3.12'\nrich = '*'\n[tool.poetry.scripts]\nx = 'x.y:main'\nz = {reference = 'z', type = 'file'}"},
			Project{Name: "x", Start: script("x.y"), Why: "the script x of pyproject.toml", Imports: []string{"x.y"},
				Notes: []string{"poetry lists the packages: write them to requirements.txt (poetry export -o requirements.txt) and init again with --force"}}},
		{"requirements", []string{"main.py", "requirements.txt # web\nflask\n", "pyproject.toml [project]\ndependencies = ['rich']"},
			Project{Requirements: "requirements.txt", Start: []string{"python", "main.py"}, Why: "main.py"}},
		{"no requirements", []string{"main.py", "requirements.txt # none\n\n"}, Project{Start: []string{"python", "main.py"}, Why: "main.py"}},
		{"dependencies", []string{"main.py", "pyproject.toml [project]\ndependencies = ['rich>=13', \"tomli; python_version < '3.11'\"]"},
			Project{Dependencies: []string{"rich>=13", "tomli; python_version < '3.11'"}, Start: []string{"python", "main.py"}, Why: "main.py"}},
		{"nothing", nil, Project{Start: []string{"python"}, Why: "nothing says where the program begins",
			Notes: []string{"name the program in CMD: there is no main.py, no package with a __main__.py and no [project.scripts]"}}},
		{"bad entry point", []string{"pyproject.toml [project.scripts]\nx = 'os; import evil'", "main.py"}, Project{Start: []string{"python", "main.py"}, Why: "main.py"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Find(directory(test.files...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Error(diff)
			}
			text := got.Boxfile("python:3.13")
			if _, err := builder.Parse("Boxfile", strings.NewReader(text)); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
		})
	}
}

func TestFindInvalid(t *testing.T) {
	_, err := Find(directory("pyproject.toml [project\n"))
	if err == nil || !strings.Contains(err.Error(), "reading pyproject.toml: line 1: toml: ") {
		t.Errorf("%v", err)
	}
}

func TestNameOf(t *testing.T) {
	for _, test := range []struct{ project, dir, want string }{
		{"tool", "dir", "tool"}, {"", "My Project_2", "my-project-2"}, {"", "/", "app"}, {"", "日本", "app"},
	} {
		p := Project{Name: test.project}
		if got := p.NameOf(test.dir); got != test.want {
			t.Errorf("%+v: got %s", test, got)
		}
	}
}

func TestIgnoreKeepsDockerignore(t *testing.T) {
	got := Ignore("secret\n!secret/not\n\n")
	if !strings.HasPrefix(got, ignored) || !strings.HasSuffix(got, "\nsecret\n!secret/not\n") {
		t.Errorf("%s", got)
	}
}

func ExampleProject_Boxfile() {
	p, err := Find(directory("requirements.txt rich\n", "src/tool/__main__.py"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(p.Boxfile("python:3.13"))
	fmt.Println(p.Download("3.13"))
	// Output:
	// FROM python:3.13
	// WORKDIR /app
	//
	// # Packages come first, so that a change of the sources does not install them again.
	// COPY requirements.txt ./
	// RUN pip install -r requirements.txt
	//
	// COPY . .
	// ENV PYTHONPATH=/app/src
	//
	// # With the line below, runs start with this imported already.
	// # SNAPSHOT import tool
	//
	// CMD ["python", "-m", "tool"]
	// pip download -d wheels --only-binary :all: --platform any --python-version 3.13 -r requirements.txt
}

// FuzzFind: whatever the files of a project say, the Boxfile that is made of it is one, and its name can be a box's.
func FuzzFind(f *testing.F) {
	f.Add("[project]\nname = 'Ünï \x1b'\ndependencies = ['a;b', \"c\\nRUN x\"]\n[project.scripts]\nx = 'a:b'\n", "-r other\n", "import flask\n")
	f.Add("[tool.poetry]\nname='x'\n[tool.poetry.scripts]\ny = {callable='z'}\n", "", "if __name__ == '__main__':\n")
	f.Fuzz(func(t *testing.T, pyproject, requirements, main string) {
		files := fstest.MapFS{
			"pyproject.toml": {Data: []byte(pyproject)}, "requirements.txt": {Data: []byte(requirements)}, "main.py": {Data: []byte(main)},
		}
		p, err := Find(files)
		if err != nil {
			return
		}
		if name := p.NameOf("dir"); name == "" || strings.ContainsFunc(name, func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
			t.Errorf("name %q", name)
		}
		if _, err := builder.Parse("Boxfile", strings.NewReader(p.Boxfile("python:3.13"))); err != nil {
			t.Errorf("%v\n%s", err, p.Boxfile("python:3.13"))
		}
	})
}

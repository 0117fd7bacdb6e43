// Package project finds out what a Python project consists of, and writes the Boxfile that it can start with.
package project

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Project is what was found in a directory.
type Project struct {
	Name         string   // for the box: fit to be a tag; empty: nothing names it
	Requirements string   // the file that lists packages; empty: none that lists any
	Dependencies []string // of pyproject.toml, where there is no Requirements
	Start        []string // argv of the program
	Why          string   // what Start was found by
	Imports      []string // modules that Start begins with, for SNAPSHOT
	Source       string   // directory that modules are found in, if it is not the project's own: "src"
	Notes        []string // what to know before the first build
}

// pyproject is what a pyproject.toml says (packaging.python.org, "pyproject.toml specification").
type pyproject struct {
	Project struct {
		Name         string
		Dependencies []string
		Scripts      map[string]string
	}
	Tool struct {
		Poetry struct {
			Name         string
			Dependencies map[string]any
			Scripts      map[string]any
		}
	}
}

// Find looks at the files of a project. The error is about files that cannot be read or that do not say what they should.
func Find(fsys fs.FS) (*Project, error) {
	var p Project
	described, err := readPyproject(fsys)
	if err != nil {
		return nil, err
	}
	p.Name = boxName(described.Project.Name + described.Tool.Poetry.Name)
	if err := p.findPackages(fsys, described); err != nil {
		return nil, err
	}
	if err := p.findStart(fsys, described); err != nil {
		return nil, err
	}
	p.note(fsys, described)
	return &p, nil
}

func readPyproject(fsys fs.FS) (described pyproject, err error) {
	const name = "pyproject.toml"
	text, err := fs.ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return described, nil
	}
	if err != nil {
		return described, fmt.Errorf("reading %s: %w", name, err)
	}
	var malformed *toml.DecodeError
	switch err := toml.Unmarshal(text, &described); {
	case errors.As(err, &malformed):
		line, _ := malformed.Position()
		return described, fmt.Errorf("reading %s: line %d: %w", name, line, err)
	case err != nil:
		return described, fmt.Errorf("reading %s: %w", name, err)
	}
	return described, nil
}

var notInName = grammar(`[^a-z0-9]+`)

// boxName makes a name of a box of any name; "" if nothing is left of it.
func boxName(name string) string {
	return strings.Trim(notInName().ReplaceAllString(strings.ToLower(name), "-"), "-")
}

// NameOf is the name that a box gets: the project's, else one made of its directory's.
func (p *Project) NameOf(dir string) string {
	for _, name := range []string{p.Name, boxName(dir)} {
		if name != "" {
			return name
		}
	}
	return "app"
}

// requirements are the files that list packages, by custom.
var requirements = []string{"requirements.txt", "requirements/base.txt", "requirements/prod.txt", "requirements/production.txt"}

func (p *Project) findPackages(fsys fs.FS, described pyproject) error {
	for _, name := range requirements {
		text, err := fs.ReadFile(fsys, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if listsAny(string(text)) {
			p.Requirements = name
		}
		return nil
	}
	p.Dependencies = described.Project.Dependencies
	return nil
}

// listsAny tells whether a requirements file names anything at all.
func listsAny(text string) bool {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return true
		}
	}
	return false
}

// mains are files that a program begins in, by custom, the likeliest first.
var mains = []string{"main.py", "app.py", "__main__.py", "run.py", "cli.py"}

func (p *Project) findStart(fsys fs.FS, described pyproject) error {
	packages, err := p.packages(fsys)
	if err != nil {
		return err
	}
	if p.fromScripts(described) {
		return nil
	}
	for _, name := range packages {
		if exists(fsys, path.Join(p.Source, name, "__main__.py")) {
			p.Start, p.Why, p.Imports = []string{"python", "-m", name}, path.Join(p.Source, name, "__main__.py"), []string{name}
			return nil
		}
	}
	for _, name := range mains {
		if exists(fsys, name) {
			return p.startFile(fsys, name)
		}
	}
	files, err := fs.Glob(fsys, "*.py")
	if err != nil {
		return err
	}
	files = slices.DeleteFunc(files, func(name string) bool {
		return name == "setup.py" || name == "conftest.py" || strings.HasPrefix(name, "test_") || strings.HasSuffix(name, "_test.py")
	})
	if len(files) == 1 {
		return p.startFile(fsys, files[0])
	}
	p.Start, p.Why = []string{"python"}, "nothing says where the program begins"
	p.Notes = append(p.Notes, "name the program in CMD: there is no main.py, no package with a __main__.py and no [project.scripts]")
	return nil
}

// imported finds the modules that a file imports before it does anything else.
var imported = grammar(`^(?:import|from)\s+([A-Za-z_]\w*)`)

// startFile starts a file. Imported is what that imports, not itself: its own code is what runs.
func (p *Project) startFile(fsys fs.FS, name string) error {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	p.Start, p.Why = []string{"python", name}, name
	for line := range strings.Lines(string(text)) {
		if match := imported().FindStringSubmatch(line); match != nil && match[1] != "__future__" && !slices.Contains(p.Imports, match[1]) {
			p.Imports = append(p.Imports, match[1])
		}
	}
	return nil
}

// entryPoint is what [project.scripts] says of a script (packaging.python.org, "Entry points specification").
var entryPoint = grammar(`^([A-Za-z_][\w.]*)\s*:\s*([A-Za-z_][\w.]*)$`)

// fromScripts starts the script that pyproject.toml names: the one that is called like the project, or else the only one. It
// is called as an installed script calls it, so that it need not be installed.
func (p *Project) fromScripts(described pyproject) bool {
	scripts := map[string]string{}
	for name, value := range described.Tool.Poetry.Scripts {
		if text, ok := value.(string); ok {
			scripts[name] = text
		}
	}
	for name, value := range described.Project.Scripts {
		scripts[name] = value
	}
	for name, value := range scripts {
		if len(scripts) > 1 && boxName(name) != p.Name {
			continue
		}
		match := entryPoint().FindStringSubmatch(strings.TrimSpace(value))
		if match == nil {
			continue
		}
		module, function := match[1], match[2]
		first, _, _ := strings.Cut(function, ".")
		p.Start = []string{"python", "-c", fmt.Sprintf("import sys; from %s import %s; sys.exit(%s())", module, first, function)}
		p.Why, p.Imports = fmt.Sprintf("the script %s of pyproject.toml", name), []string{module}
		return true
	}
	return false
}

// packages lists the project's packages. Where they are in src, that is the Source.
func (p *Project) packages(fsys fs.FS) (names []string, err error) {
	for _, dir := range []string{".", "src"} {
		entries, err := fs.ReadDir(fsys, dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			name := entry.Name()
			if !entry.IsDir() || !isModule(name) || name == "tests" || name == "test" || name == "docs" {
				continue
			}
			if exists(fsys, path.Join(dir, name, "__init__.py")) || exists(fsys, path.Join(dir, name, "__main__.py")) {
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			if dir != "." {
				p.Source = dir
			}
			return names, nil
		}
	}
	return nil, nil
}

var moduleName = grammar(`^[A-Za-z_]\w*$`)

func isModule(name string) bool { return moduleName().MatchString(name) }

func exists(fsys fs.FS, name string) bool {
	info, err := fs.Stat(fsys, name)
	return err == nil && info.Mode().IsRegular()
}

// note tells what the first build would stumble over.
func (p *Project) note(fsys fs.FS, described pyproject) {
	if p.Requirements == "" && len(p.Dependencies) == 0 && len(described.Tool.Poetry.Dependencies) > 1 { // python itself is one
		p.Notes = append(p.Notes, "poetry lists the packages: write them to requirements.txt (poetry export -o requirements.txt) and init again with --force")
	}
	for name, export := range map[string]string{"Pipfile": "pipenv requirements > requirements.txt", "environment.yml": "pip list --format freeze > requirements.txt"} {
		if p.Requirements == "" && len(p.Dependencies) == 0 && exists(fsys, name) {
			p.Notes = append(p.Notes, fmt.Sprintf("%s lists the packages: write them to requirements.txt (%s) and init again with --force", name, export))
		}
	}
	if exists(fsys, "Dockerfile") {
		p.Notes = append(p.Notes, "there is a Dockerfile: `boxer convert Dockerfile` makes a Boxfile of it")
	}
	slices.Sort(p.Notes)
}

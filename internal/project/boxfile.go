package project

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Boxfile is a Boxfile for the project. base is what it starts from, such as python:3.13.
func (p *Project) Boxfile(base string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "FROM %s\nWORKDIR /app\n\n", base)
	switch {
	case p.Requirements != "":
		b.WriteString("# Packages come first, so that a change of the sources does not install them again.\n")
		fmt.Fprintf(&b, "COPY %s ./\nRUN pip install -r %s\n\n", p.Requirements, baseName(p.Requirements))
	case len(p.Dependencies) > 0:
		b.WriteString("# The dependencies of pyproject.toml. They come first, so that a change of the sources does not install them again.\n")
		fmt.Fprintf(&b, "RUN pip install%s\n\n", quoted(p.Dependencies))
	}
	b.WriteString("COPY . .\n")
	if p.Source != "" {
		fmt.Fprintf(&b, "ENV PYTHONPATH=/app/%s\n", p.Source)
	}
	if len(p.Imports) > 0 {
		fmt.Fprintf(&b, "\n# With the line below, runs start with this imported already.\n# SNAPSHOT import %s\n", strings.Join(p.Imports, ", "))
	}
	fmt.Fprintf(&b, "\nCMD %s\n", execForm(p.Start))
	return b.String()
}

// Download is the command by which the host fetches the project's packages for a build; "" if there are none.
// python is the version that they are for, such as 3.13.
func (p *Project) Download(python string) string {
	// Wheels for any platform are those without native code.
	download := "pip download -d wheels --only-binary :all: --platform any --python-version " + python
	switch {
	case p.Requirements != "":
		return download + " -r " + p.Requirements
	case len(p.Dependencies) > 0:
		return download + quoted(p.Dependencies)
	}
	return ""
}

// ignored is what a box has no use for.
const ignored = `# What the build does not see: one pattern a line, as in .dockerignore.
Boxfile
Dockerfile
.boxignore
.dockerignore
.git
.gitignore
.env
.venv
venv
wheels
build
dist
node_modules
**/__pycache__
**/*.pyc
**/*.egg-info
.coverage
.mypy_cache
.nox
.pytest_cache
.ruff_cache
.tox
`

// Ignore is a .boxignore. What a .dockerignore says, which it takes the place of, is part of it.
func Ignore(dockerignore string) string {
	if dockerignore = strings.TrimRight(dockerignore, "\n"); dockerignore == "" {
		return ignored
	}
	return ignored + "\n# From .dockerignore.\n" + dockerignore + "\n"
}

func baseName(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// quoted is a list of requirements as a shell takes it.
func quoted(words []string) string {
	var b strings.Builder
	for _, word := range words {
		fmt.Fprintf(&b, " '%s'", strings.ReplaceAll(word, "'", `"`)) // to PEP 508 either quote is the same
	}
	return b.String()
}

func execForm(words []string) string {
	texts := make([]string, len(words))
	for i, word := range words {
		text, err := json.Marshal(word)
		if err != nil {
			return ""
		}
		texts[i] = string(text)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

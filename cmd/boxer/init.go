package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"boxer.dev/builder"
	"boxer.dev/internal/project"
)

func initCommand(a *app) *cobra.Command {
	var force bool
	command := &cobra.Command{
		Use:   "init [OPTIONS] [DIR]",
		Short: "Write a Boxfile for the Python project in a directory",
		Long: `Write a Boxfile and a .boxignore for the Python project in a directory, the current one by default.

Packages come from requirements.txt or pyproject.toml; the program is the script that
pyproject.toml names, else a package with a __main__.py, else main.py, app.py or the only .py file.`,
		Args:              arguments(cobra.MaximumNArgs(1)),
		ValidArgsFunction: completeDirectories,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"."}
			}
			return a.init(args[0], force)
		},
	}
	command.Flags().BoolVar(&force, "force", false, "overwrite files that are there")
	return command
}

const ignoreFile = ".boxignore"

func (a *app) init(dir string, force bool) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	found, err := project.Find(root.FS())
	if err != nil {
		return err
	}
	python, err := minorPython()
	if err != nil {
		return err
	}
	const name = "Boxfile"
	if err := writeNew(root, name, found.Boxfile("python:"+python), force); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return withHint(fmt.Errorf("there is a %s already in %s", name, dir), "--force overwrites it")
		}
		return err
	}
	dockerignore, err := root.ReadFile(".dockerignore")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err = writeNew(root, ignoreFile, project.Ignore(string(dockerignore)), force)
	kept := errors.Is(err, fs.ErrExist)
	if err != nil && !kept {
		return err
	}
	a.describe(found, python, dir, kept)
	return nil
}

// writeNew writes a file that is not there, or any with force.
func writeNew(root *os.Root, name, text string, force bool) error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	file, err := root.OpenFile(name, flags, 0o666)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// minorPython is the first two numbers of the version of boxer's Python.
func minorPython() (string, error) {
	img, err := builtIn(builder.PythonBase)
	if err != nil {
		return "", err
	}
	version, err := builder.PythonVersion(img)
	if err != nil {
		return "", err
	}
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], "."), nil
}

// describe says what was found, and what to type next.
func (a *app) describe(p *project.Project, python, dir string, ignoreKept bool) {
	packages := "no packages"
	switch {
	case p.Requirements != "":
		packages = "the packages of " + p.Requirements
	case len(p.Dependencies) > 0:
		packages = "the dependencies of pyproject.toml"
	}
	fmt.Fprintf(a.stderr, "Boxfile: python:%s, %s, starts %s\n", python, packages, printable(p.Why))
	if ignoreKept {
		fmt.Fprintf(a.stderr, "%s: kept as it is\n", ignoreFile)
	}
	for _, note := range p.Notes {
		fmt.Fprintf(a.stderr, "note: %s\n", printable(note))
	}
	whole, err := filepath.Abs(dir)
	if err != nil {
		whole = dir
	}
	name := p.NameOf(filepath.Base(whole))
	fmt.Fprintln(a.stderr, "next:")
	if filepath.Clean(dir) != "." {
		fmt.Fprintf(a.stderr, "  cd %s\n", printable(dir))
	}
	wheels := ""
	if download := p.Download(python); download != "" {
		fmt.Fprintf(a.stderr, "  %s\n", printable(download))
		wheels = "--wheels wheels "
	}
	fmt.Fprintf(a.stderr, "  boxer build %s-t %s .\n  boxer run %s\n", wheels, name, name)
}

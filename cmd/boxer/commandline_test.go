package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"boxer.dev/builder"
	"boxer.dev/oci"
	"boxer.dev/runtime"
)

// TestHelpFits holds every command's help to the width that a terminal beside something else has. Where flags are in groups, none but
// --help is left over.
func TestHelpFits(t *testing.T) {
	const columns = 100
	var visit func(*cobra.Command)
	visit = func(command *cobra.Command) {
		var help bytes.Buffer
		command.SetOut(&help)
		if err := command.Help(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(help.String()) {
			if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > columns {
				t.Errorf("%s --help: over %d columns: %s", command.CommandPath(), columns, line)
			}
		}
		if _, rest, found := strings.Cut(help.String(), "\nOther:\n"); found && strings.Count(rest, "--") != 1 {
			t.Errorf("%s --help: flags in no group:\n%s", command.CommandPath(), rest)
		}
		for _, c := range command.Commands() {
			visit(c)
		}
	}
	visit(rootCommand(&app{}, nil))
}

// TestOneCommand: a tree that has the wanted command alone answers what the whole tree does.
func TestOneCommand(t *testing.T) {
	help := func(root *cobra.Command, args ...string) string {
		var text bytes.Buffer
		root.SetOut(&text)
		root.SetArgs(args)
		if err := root.Execute(); err != nil {
			t.Errorf("%v: %v", args, err)
		}
		return text.String()
	}
	for _, c := range commands() {
		one := rootCommand(&app{}, []string{c.name, "--help"})
		if all := one.Commands(); len(all) != 1 || all[0].Name() != c.name {
			t.Errorf("for %s, there are %d commands, the first is %s", c.name, len(all), all[0].Name())
		}
		if diff := cmp.Diff(help(rootCommand(&app{}, nil), c.name, "--help"), help(one, c.name, "--help")); diff != "" {
			t.Errorf("%s --help (-all +one):\n%s", c.name, diff)
		}
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

var errFull = errors.New("no room")

// TestOutputIsNotLostInSilence: results that could not be written are a failure.
func TestOutputIsNotLostInSilence(t *testing.T) {
	t.Setenv("BOXER_HOME", t.TempDir())
	for _, line := range []string{
		"version", "images", "inspect ubuntu", "inspect --format {{.Id}} ubuntu", "history ubuntu", "history -q ubuntu", "save ubuntu",
	} {
		var stderr bytes.Buffer
		if status := doMain(strings.Fields(line), nil, full{}, &stderr); status != 1 {
			t.Errorf("%s: status %d, want 1", line, status)
		}
		if !strings.Contains(stderr.String(), errFull.Error()) {
			t.Errorf("%s: stderr %q, want %q", line, stderr.String(), errFull)
		}
	}
}

// TestUnrunnableBoxIsNotKept: what the store would refuse to open is found out by the build.
func TestUnrunnableBoxIsNotKept(t *testing.T) {
	img, err := builtIn(builder.RootBase)
	if err != nil {
		t.Fatalf("%v\nhint: make base", err)
	}
	store, err := oci.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	boxfile, err := builder.Parse("Boxfile", strings.NewReader("FROM ubuntu"))
	if err != nil {
		t.Fatal(err)
	}
	results, err := new(app).results(resultOptions{}, []string{"app"})
	if err != nil {
		t.Fatal(err)
	}
	options := builder.Options{
		Boxfile: boxfile,
		Resolve: func(context.Context, string) (v1.Image, string, error) { return img, "", nil },
		Rootfs:  func(v1.Image) (*oci.Rootfs, error) { return &oci.Rootfs{}, nil },
	}
	store.Limits.Files = 1
	if _, err := makeBox(t.Context(), options, store, cacheOptions{}, results, nil); !errors.Is(err, oci.ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
	if list, err := store.List(); err != nil || len(list) > 0 {
		t.Errorf("the store has %v, %v", list, err)
	}
}

// TestRunsAreBounded: no program of a box can fill the host's memory with files.
func TestRunsAreBounded(t *testing.T) {
	limits, err := new(limitOptions).merge(runtime.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if limits.Writable <= 0 || limits.Files <= 0 {
		t.Errorf("limits %+v", limits)
	}
}

func TestLongVariable(t *testing.T) {
	key := "KEY=" + strings.Repeat("x", 100_000)
	lines, err := envFile(strings.NewReader(key + "\n"))
	if diff := cmp.Diff([]string{key}, lines); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

// TestCacheOfUserWithoutHome: where there can be no cache directory, boxer's home has one.
func TestCacheOfUserWithoutHome(t *testing.T) {
	file, home := filepath.Join(t.TempDir(), "file"), t.TempDir()
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "LocalAppData"} {
		t.Setenv(name, file)
	}
	t.Setenv("BOXER_CACHE", "")
	t.Setenv("BOXER_HOME", home)
	dir, err := cacheDir()
	if want := filepath.Join(home, "code"); dir != want || err != nil {
		t.Errorf("%q, %v; want %q", dir, err, want)
	}
}

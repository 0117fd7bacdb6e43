package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"boxer.dev/bases"
	"boxer.dev/internal/registry/registrytest"
	"boxer.dev/runtime/isolate"
)

func TestMain(m *testing.M) {
	isolate.Main()
	// The executables that scripts write are copies of this test.
	if self, err := os.Open(os.Args[0]); err == nil {
		if carried, _ := carriedBy(self); carried != nil {
			main()
		}
		self.Close()
	}
	testscript.Main(m, map[string]func(){"boxer": main})
}

// TestScript runs the command lines of testdata/script that need nothing but this module.
func TestScript(t *testing.T) { runScripts(t, "testdata/script") }

// TestPythonScript runs those that need the Python base.
func TestPythonScript(t *testing.T) {
	if _, err := bases.Layout(bases.Python); err != nil {
		t.Fatalf("%v\nhint: make base", err)
	}
	runScripts(t, "testdata/python")
}

// runScripts gives every script a home of its own, all of them one cache of compiled code, the user's, and further variables.
func runScripts(t *testing.T, dir string, variables ...string) {
	cache, err := cacheDir()
	if err != nil {
		t.Fatal(err)
	}
	programs := buildPrograms(t)
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"status": status, "nowhere": nowhere, "again": again, "registry": registries(t), "other": other(t)},
		Setup: func(env *testscript.Env) error {
			env.Setenv("BOXER_HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("BOXER_CACHE", cache)
			env.Setenv("PROGRAMS", programs)
			env.Setenv("DOCKER_CONFIG", filepath.Join(env.WorkDir, "docker"))
			env.Setenv("HTTPS_PROXY", "http://127.0.0.1:1") // nobody listens there: no test asks a registry outside
			env.Vars = append(env.Vars, variables...)
			return nil
		},
	})
}

// status is a script command: `status N COMMAND [ARG...]` runs a command and wants exit status N of it.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got, how := 0, error(nil)
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got, how = exit.ExitCode(), exit
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d (%v), want %d", got, how, want)
	}
}

// registries is a script command: `registry NAME [tls] [login] [debian]` starts a registry in memory, or Debian's, that ends with
// the test. NAME is set to its host and port, NAME_CA to the file with its authority.
func registries(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) == 0 {
			ts.Fatalf("usage: registry NAME [tls] [login] [debian]")
		}
		server := registrytest.Start(t, registrytest.Options{
			TLS: slices.Contains(args, "tls"), Login: slices.Contains(args, "login"), Debian: slices.Contains(args, "debian"),
		})
		ts.Setenv(args[0], server.Host)
		ts.Setenv(args[0]+"_CA", server.CA)
	}
}

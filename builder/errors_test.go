package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"boxer.dev/oci"
)

// errorContext is a context with something of everything that can go wrong.
func errorContext(t *testing.T) *os.Root {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the context needs symlinks and named pipes, which Windows does not let everybody make")
	}
	outer := t.TempDir()
	dir := filepath.Join(outer, "context")
	for name, text := range map[string]string{
		"context/app.py": "app", "context/b.txt": "b", "context/dir/file": "f", "context/over/dir/x": "x",
		"context/secret.key": "k", "context/.boxignore": "secret.*\nsecrets\n", "context/secrets/a": "a", "outside": "o",
		"context/whiteout/.wh.gone": "w", "context/broken.tar.gz": "\x1f\x8b\x08not really gzip",
	} {
		writeFile(t, filepath.Join(outer, name), []byte(text))
	}
	for name, target := range map[string]string{
		"out": "../outside", "absolute": filepath.Join(outer, "outside"), "dangling": "missing", "loop": "loop", "tosecret": "secret.key",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := makeFIFO(filepath.Join(dir, "pipe")); err != nil {
		t.Fatal(err)
	}
	makeTar(t, dir, "climb.tar", []string{"ok", "../../escaped"})
	makeTar(t, dir, "badlink.tar", []string{"ok", "a=missing"})
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func TestBuildErrors(t *testing.T) {
	tests := []struct{ name, boxfile, err, hint string }{
		{"missing", "COPY nothing /", "Boxfile:2: COPY: nothing is not in the build context\n     1 |     FROM scratch\n     2 | >>> COPY nothing /", ""},
		{"slip", "COPY app.yp /", "COPY: app.yp is not in the build context", "did you mean app.py?"},
		{"slip in a directory", "COPY dir/flie /", "COPY: dir/flie is not in the build context", "did you mean dir/file?"},
		{"ignored", "COPY secret.key /", "COPY: secret.key is not in the build context", "the rules in .boxignore may leave it out"},
		{"ignored directory", "COPY secrets /", "COPY: secrets is not in the build context", ".boxignore"},
		{"link to what is ignored", "COPY tosecret /", "COPY: tosecret is not in the build context", ".boxignore"},
		{"nothing fits", "COPY *.nothing **/none /", "COPY: nothing in the build context fits \"*.nothing **/none\"", ".boxignore"},
		{"bad pattern", "COPY [a /", "COPY: bad pattern [a", ""},
		{"parent", "COPY ../outside /", "COPY: ../outside is outside of the build context", "-f for the Boxfile"},
		{"hidden parent", "COPY dir/../../outside /", "COPY: dir/../../outside is outside of the build context", ""},
		{"link out", "COPY out /", "COPY: out is a symlink: it leads out of the build context", "copy what it points to"},
		{"absolute link", "COPY absolute /", "COPY: absolute is a symlink: it leads out of the build context", ""},
		{"dangling link", "COPY dangling /", "COPY: dangling is not in the build context", ""},
		{"link loop", "COPY loop /", "COPY: loop: too many levels of symbolic links", ""},
		{"named pipe", "COPY pipe /", "COPY: pipe is a named pipe, not a file or directory", ""},
		{"ADD of a named pipe", "ADD pipe /", "ADD: pipe is a named pipe", ""},
		{"two for one name", "COPY app.py b.txt /one", "COPY: 2 sources for one destination", "end it with a slash: /one/"},
		{"pattern for one name", "COPY *.* /one", "sources for one destination", "/one/"},
		{"file for directory", "COPY over /x/\nCOPY app.py /x/dir/\nCOPY dir /y/\nCOPY app.py /y\nCOPY dir/file /z/dir\nCOPY over /z/", "Boxfile:7: COPY: cannot make a directory of /z/dir", ""},
		{"directory for file", "COPY app.py /dir\nCOPY over /y/\nCOPY dir /dir", "Boxfile:4: COPY: /dir of the box is not a directory", ""},
		{"file in the way", "COPY app.py /f\nCOPY b.txt /f/x/", "COPY: /f of the box is not a directory", ""},
		{"whiteout", "COPY whiteout /", "image layers reserve names that begin with .wh.", "rename the file"},
		{"unknown user", "COPY --chown=ada app.py /", "COPY: --chown=ada: ada is not in /etc/passwd of the box", "give its number"},
		{"unknown group", "COPY --chown=1:staff app.py /", "staff is not in /etc/group of the box", ""},
		{"no such id", "COPY --chown=4294967295 app.py /", "4294967295 is not in /etc/passwd", ""},
		{"bad mode", "COPY --chmod=rwx app.py /", "COPY: --chmod=rwx: bad mode", "07777"},
		{"later stage", "FROM scratch AS x\nCOPY --from=later a /\nFROM scratch AS later\nFROM x", "Boxfile:3: COPY: stage later does not come before this one", ""},
		{"own stage", "FROM scratch AS x\nCOPY --from=X a /\nFROM x", "Boxfile:3: COPY: a stage cannot copy from itself", ""},
		{"missing in a stage", "RUN true\nFROM scratch AS b\nCOPY --from=0 a /", "COPY: a is not in 0", ""},
		{"no such image", "COPY --from=nowhere a /", "COPY: nowhere: no such image", ""},

		{"climbing archive", "ADD climb.tar /a/b/", "ADD: unpacking climb.tar: ../../escaped leads out of the destination", ""},
		{"archive with a bad link", "ADD badlink.tar /", "ADD: unpacking badlink.tar: a: linking to missing", ""},
		{"COPY of a URL in a variable", "ARG u=https://example.org/x\nCOPY $u /", "COPY: https://example.org/x: a URL is not fetched", "ADD"},
		{"--checksum of a file", "ADD --checksum=sha256:00 app.py /", "ADD: --checksum is of what is fetched, and app.py is not", "COPY"},
		{"bad checksum", "ADD --checksum=sha256:00 http://127.0.0.1:1/x /", "ADD: bad checksum sha256:00", "64 hexadecimal digits"},
		{"bad query", "ADD https://example.org/x.git?rev=1 /", "ADD: https://example.org/x.git?rev=1: unknown query rev", "subdir"},
		{"option to git", "ADD https://example.org/x.git#--upload-pack=x /", "is not the name of anything in a repository", ""},
		{"URL without a name", "ADD http://127.0.0.1:1/ /x/", "ADD: http://127.0.0.1:1/ does not tell the file's name", "/dir/name"},
		{"unknown user of --link", "COPY --link --chown=ada app.py /", "COPY: --chown=ada: names are looked up in the box", "give numbers"},
		{"bad pattern of --exclude", "COPY --exclude=[a . /", "COPY: --exclude=[a: syntax error in pattern", ""},
		{"missing with --parents", "COPY --parents dir/nothing /", "COPY: dir/nothing is not in the build context", ""},
		{"missing behind the point", "COPY --parents dir/./flie /", "COPY: dir/flie is not in the build context", "did you mean dir/file?"},
		{"nothing fits with --parents", "COPY --parents dir/*.nothing /", "COPY: nothing in the build context fits dir/*.nothing", ""},
		{"--parents out of the context", "COPY --parents dir/../../outside /", "COPY: dir/../../outside is outside of the build context", ""},

		{"workdir in a file", "COPY app.py /f\nWORKDIR /f/x", "WORKDIR: /f of the box is not a directory", ""},
		{"mandatory variable", "ENV a=${b:?needed}", "needed", ""},
		{"bad port", "EXPOSE 99999", "EXPOSE: bad port 99999", "8080/udp"},
		{"bad protocol", "EXPOSE 80/icmp", "EXPOSE: bad port 80/icmp", "tcp, udp and sctp"},
		{"no port", "EXPOSE 80:", "EXPOSE: bad port \"\"", ""},
		{"bad signal", "STOPSIGNAL SIGNOTHING", "STOPSIGNAL: unknown signal", "SIGTERM"},
		{"no user", "USER $nobody", "USER: no user is named", ""},

		{"exit status", "RUN fail 3", "Boxfile:2: RUN: /bin/sh -c \"fail 3\": exit status 3", ""},
		{"unavailable", "RUN apt-get install gcc", "RUN: /bin/sh -c \"apt-get install gcc\": apt-get: not found", "no such thing in a box"},
	}
	root := errorContext(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			opts := Options{Context: root, Run: testRun, TempDir: t.TempDir(), Resolve: nothingToResolve, Rootfs: newStore(t).Rootfs}
			opts.Boxfile = mustParse(t, "FROM scratch\n"+test.boxfile+"\n")
			_, err := Build(t.Context(), opts)
			var placed *Error
			if !errors.As(err, &placed) {
				t.Fatalf("got %v (%T), want an *Error", err, err)
			}
			if !strings.Contains(err.Error(), test.err) {
				t.Errorf("got  %s\nwant %s", err, test.err)
			}
			if hint := placed.Hint(); !strings.Contains(hint, test.hint) {
				t.Errorf("hint %q, want it to have %q", hint, test.hint)
			}
			if left, err := os.ReadDir(opts.TempDir); err != nil || len(left) > 0 {
				t.Errorf("the build left %v in its directory for temporary files (%v)", left, err)
			}
		})
	}
}

func nothingToResolve(_ context.Context, ref string) (v1.Image, string, error) {
	return nil, "", fmt.Errorf("%s: %w", ref, oci.ErrNotFound)
}

func TestFailedCommand(t *testing.T) {
	_, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\nRUN fail 3\n"), Run: testRun})
	var failed *RunError
	if !errors.As(err, &failed) || failed.Status != 3 || failed.Output != "one\ntwo ·[31mred" {
		t.Fatalf("got %+v", failed)
	}
}

func TestFromErrors(t *testing.T) {
	linux, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	onbuild, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "wasip1", Architecture: "wasm", Config: v1.Config{OnBuild: []string{"RUN x"}}})
	if err != nil {
		t.Fatal(err)
	}
	badOnbuild, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "wasip1", Architecture: "wasm", Config: v1.Config{OnBuild: []string{"COPPY x"}}})
	if err != nil {
		t.Fatal(err)
	}
	images := map[string]v1.Image{"linux": linux, "onbuild": onbuild, "badonbuild": badOnbuild}
	resolve := func(ctx context.Context, ref string) (v1.Image, string, error) {
		if img, ok := images[ref]; ok {
			return img, "", nil
		}
		return nothingToResolve(ctx, ref)
	}
	tests := []struct{ boxfile, err, hint string }{
		{"FROM nowhere", "Boxfile:1: FROM: nowhere: no such image", ""},
		{"FROM linux", "FROM: linux is an image for linux/amd64, not for wasip1/wasm", "not WebAssembly"},
		{"FROM onbuild", "Boxfile:1: RUN: there is nothing to run commands with", ""},
		{"FROM badonbuild", "Boxfile:1: FROM: unknown instruction", "ONBUILD COPPY x"},
		{"FROM $nothing", "FROM: $nothing is empty here", "--build-arg"},
		{"FROM --platform=linux/amd64 scratch", "FROM: platform linux/amd64: boxes are of wasip1/wasm only", "leave --platform out"},
		{"FROM later\nFROM scratch AS later", "Boxfile:1: FROM: later: no such image", ""},
	}
	for _, test := range tests {
		_, err := Build(t.Context(), Options{
			Boxfile: mustParse(t, test.boxfile+"\n"), Target: "0", Resolve: resolve, Rootfs: newStore(t).Rootfs,
		})
		if err == nil || !strings.Contains(err.Error(), test.err) || !strings.Contains(hintOf(err), test.hint) {
			t.Errorf("%s: got %v (hint %q), want %s (hint %q)", test.boxfile, err, hintOf(err), test.err, test.hint)
		}
	}
	for _, platform := range []string{"wasip1/wasm", "wasip1", "WASI/wasm", "$TARGETPLATFORM"} {
		_, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM --platform="+platform+" scratch\nENV a=1")})
		if err != nil {
			t.Errorf("--platform=%s: %v", platform, err)
		}
	}
}

func TestTargetErrors(t *testing.T) {
	_, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch AS a\nFROM scratch AS b\n"), Target: "c"})
	if err == nil || !strings.Contains(err.Error(), "it has no stage c") || !strings.Contains(hintOf(err), "a, b") {
		t.Errorf("got %v, hint %q", err, hintOf(err))
	}
}

func TestNoContext(t *testing.T) {
	_, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\nCOPY a b\n")})
	if err == nil || !strings.Contains(err.Error(), "there is no build context") {
		t.Errorf("got %v", err)
	}
}

func TestExcerpt(t *testing.T) {
	b, err := Parse("Boxfile", strings.NewReader("FROM scratch\n# a comment\nCOPY a \\\n  b\x1b[31m \\\n  /c/\n\nRUN <<EOF\n"+
		strings.Repeat("line\n", 20)+"EOF\nCMD [\"x\"]\n"))
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[int]string{
		0:   "",
		100: "",
		1:   "\n     1 | >>> FROM scratch\n     2 |     # a comment\n     3 |     COPY a \\",
		3: "\n     1 |     FROM scratch\n     2 |     # a comment\n     3 | >>> COPY a \\\n     4 | >>>   b·[31m \\\n     5 | >>>   /c/\n" +
			"     6 |\n     7 |     RUN <<EOF",
		7: "\n     5 |       /c/\n     6 |\n     7 | >>> RUN <<EOF" + numbered(8, 14, "\n%6d | >>> line") +
			"\n       | >>> … 14 more\n    29 |     CMD [\"x\"]",
		29: "\n    27 |     line\n    28 |     EOF\n    29 | >>> CMD [\"x\"]",
	} {
		if diff := cmp.Diff(want, b.excerpt(line)); diff != "" {
			t.Errorf("line %d:\n%s", line, diff)
		}
	}
}

func numbered(from, to int, format string) (text string) {
	for n := from; n <= to; n++ {
		text += fmt.Sprintf(format, n)
	}
	return text
}

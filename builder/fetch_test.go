package builder

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
)

// buildFiles builds a Boxfile and returns the listing of its files.
func buildFiles(t *testing.T, boxfile string, opts Options) string {
	t.Helper()
	opts.Boxfile = mustParse(t, boxfile)
	if opts.TempDir == "" {
		opts.TempDir = t.TempDir()
	}
	res, err := Build(t.Context(), opts)
	if err != nil {
		t.Fatalf("%v (hint %q)", err, hintOf(err))
	}
	if left, err := os.ReadDir(opts.TempDir); err != nil || len(left) > 0 {
		t.Errorf("the build left %v in its directory for temporary files (%v)", left, err)
	}
	return describeResult(t, res)["files"]
}

func gzipTar(t *testing.T, name, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), ModTime: time.Unix(1000, 0)}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// webServer serves a few files on loopback.
func webServer(t *testing.T) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/dir/file.txt", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Last-Modified", "Thu, 01 Jan 1970 01:00:00 GMT")
		io.WriteString(w, "hello")
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/dir/file.txt", http.StatusFound) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
	})
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) })
	mux.HandleFunc("/private", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	mux.HandleFunc("/a.tar.gz", func(w http.ResponseWriter, _ *http.Request) { w.Write(gzipTar(t, "in/archive", "packed")) })
	mux.HandleFunc("/short", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "too little")
	})
	mux.HandleFunc("/Boxfile", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "FROM scratch\nLABEL from=web\n") })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func TestAddFromTheWeb(t *testing.T) {
	url := webServer(t).URL
	sum := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("hello")))
	tests := []struct{ add, files string }{
		{"ADD " + url + "/dir/file.txt /x/", "0755 0:0 /x/\n0600 0:0 /x/file.txt \"hello\" 1970-01-01T01:00:00Z\n"},
		{"ADD " + url + "/dir/file.txt?query=1#fragment /x/", "0755 0:0 /x/\n0600 0:0 /x/file.txt \"hello\" 1970-01-01T01:00:00Z\n"},
		{"ADD --chown=3:4 --chmod=755 --checksum=" + sum + " " + url + "/moved /name", "0755 3:4 /name \"hello\" 1970-01-01T01:00:00Z\n"},
		{"ARG u=" + url + "\nADD --link $u/dir/file.txt .", "0600 0:0 /file.txt \"hello\" 1970-01-01T01:00:00Z\n"},
		{"ADD --unpack " + url + "/a.tar.gz /x/", "0755 0:0 /x/\n0755 0:0 /x/in/\n0644 0:0 /x/in/archive \"packed\" 1970-01-01T00:16:40Z\n"},
	}
	for _, test := range tests {
		got := buildFiles(t, "FROM scratch\n"+test.add+"\n", Options{})
		if diff := cmp.Diff(test.files, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.add, diff)
		}
	}
	got := buildFiles(t, "FROM scratch\nADD "+url+"/a.tar.gz /\n", Options{})
	if !strings.Contains(got, "0600 0:0 /a.tar.gz") {
		t.Errorf("an archive from the web was unpacked: %s", got)
	}
}

func TestAddFromTheWebErrors(t *testing.T) {
	server := webServer(t)
	closed := httptest.NewServer(nil)
	closed.Close()
	tests := []struct{ add, err, hint string }{
		{server.URL + "/nothing /x/", "the server answers 404", "is the address right?"},
		{server.URL + "/private /x/", "the server answers 403", "passwords"},
		{server.URL + "/away /x/", "unsupported protocol scheme", "COPY it"},
		{server.URL + "/round /x/", "stopped after 10 redirects", "COPY it"},
		{server.URL + "/short /x/", "unexpected EOF", ""},
		{closed.URL + "/x /x/", "connection refused", "COPY it"},
		{"--checksum=sha256:" + strings.Repeat("0", 64) + " " + server.URL + "/dir/file.txt /x/", "has the checksum sha256:2cf24dba", "changed"},
		{strings.Replace(server.URL, "//", "//user:secret@", 1) + "/nothing /x/", "http://…@127.0.0.1", ""},
	}
	for _, test := range tests {
		temp := t.TempDir()
		_, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\nADD "+test.add+"\n"), TempDir: temp})
		if err == nil || !strings.Contains(err.Error(), test.err) || !strings.Contains(hintOf(err), test.hint) {
			t.Errorf("ADD %s: got %v (hint %q), want %s (hint %q)", test.add, err, hintOf(err), test.err, test.hint)
		}
		if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
			t.Errorf("the build left %v (%v)", left, err)
		}
	}
}

// A download that a build is no longer waiting for ends.
func TestCancelledDownload(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	}))
	defer server.Close()
	if _, err := Build(ctx, Options{Boxfile: mustParse(t, "FROM scratch\nADD "+server.URL+"/x /\n")}); err == nil || ctx.Err() == nil {
		t.Errorf("got %v", err)
	}
}

// gitServer serves a repository by git's own program on loopback, and returns its address and its commits, oldest first.
func gitServer(t *testing.T) (url string, commits []string) {
	t.Helper()
	program, err := exec.LookPath("git")
	if err != nil {
		t.Fatalf("%v; install git", err)
	}
	projects := t.TempDir()
	work := filepath.Join(projects, "work.git")
	run := func(args ...string) string {
		t.Helper()
		command := exec.Command(program, append([]string{"-C", work}, args...)...)
		command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b",
			"GIT_AUTHOR_DATE=2001-02-03T04:05:06Z", "GIT_COMMITTER_DATE=2001-02-03T04:05:06Z")
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	commit := func(files ...string) {
		for _, name := range files {
			writeFile(t, filepath.Join(work, name), []byte(name+"\n"))
		}
		run("add", "-A")
		run("commit", "-q", "-m", "a commit")
		commits = append(commits, run("rev-parse", "HEAD"))
	}
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	run("init", "-q", "-b", "main")
	run("config", "http.receivepack", "false")
	commit("old")
	run("tag", "-a", "-m", "a tag", "v1")
	run("rm", "-q", "old")
	if err := os.MkdirAll(filepath.Join(work, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../../../etc/passwd", filepath.Join(work, "sub", "out")); err != nil {
		t.Fatal(err)
	}
	commit("README", "sub/Boxfile", "sub/tool.sh")
	run("update-index", "--chmod=+x", "sub/tool.sh")
	run("commit", "-q", "-m", "executable")
	commits = append(commits, run("rev-parse", "HEAD"))
	run("reset", "-q", "--hard")
	run("branch", "feature/x", "HEAD~1")

	out, err := exec.Command(program, "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"), Stderr: io.Discard,
		Env: []string{"GIT_PROJECT_ROOT=" + projects, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	})
	t.Cleanup(server.Close)
	return server.URL + "/work.git", commits
}

func TestAddFromARepository(t *testing.T) {
	url, commits := gitServer(t)
	const head = "0644 0:0 /README \"README\\n\"\n0755 0:0 /sub/\n0644 0:0 /sub/Boxfile \"sub/Boxfile\\n\"\n" +
		"0777 0:0 /sub/out -> ../../../../etc/passwd\n0755 0:0 /sub/tool.sh \"sub/tool.sh\\n\"\n"
	const sub = "0644 0:0 /Boxfile \"sub/Boxfile\\n\"\n0777 0:0 /out -> ../../../../etc/passwd\n0755 0:0 /tool.sh \"sub/tool.sh\\n\"\n"
	const old = "0644 0:0 /old \"old\\n\"\n"
	tests := []struct{ source, files string }{
		{url, head},
		{url + "#main", head},
		{url + "#:sub", sub},
		{url + "#main:sub/../sub", sub},
		{url + "#v1", old},
		{url + "#refs/tags/v1", old},
		{url + "?tag=v1", old},
		{url + "?branch=main&subdir=sub&submodules=0", sub},
		{url + "#" + commits[0], old},
		{url + "#" + commits[0][:9], old},
		{url + "?ref=v1&checksum=" + commits[0], old},
		{url + "?checksum=" + commits[2][:12], head},
		{"--checksum=" + commits[2] + " " + url, head},
		{"--keep-git-dir=false " + url + "#feature/x", strings.Replace(head, "0755 0:0 /sub/tool.sh", "0644 0:0 /sub/tool.sh", 1)},
	}
	for _, test := range tests {
		got := buildFiles(t, "FROM scratch\nADD "+test.source+" /\n", Options{})
		if diff := cmp.Diff(test.files, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.source, diff)
		}
	}
	kept := buildFiles(t, "FROM scratch\nADD --keep-git-dir "+url+" /src\n", Options{})
	if !strings.Contains(kept, " /src/.git/HEAD ") || strings.Contains(kept, "hooks") || strings.Contains(kept, "logs") {
		t.Errorf("kept %s", kept)
	}
	if again := buildFiles(t, "FROM scratch\nADD "+url+"?keep-git-dir=1 /src\n", Options{}); again != kept {
		t.Errorf("twice the same repository differs:\n%s", cmp.Diff(kept, again))
	}
}

func TestAddFromARepositoryErrors(t *testing.T) {
	url, commits := gitServer(t)
	tests := []struct{ add, err, hint string }{
		{url + "#nothing /x", "couldn't find remote ref nothing", "a branch, a tag or a commit"},
		{url + "#:nothing /x", "has no directory nothing", ""},
		{url + "#:sub/out /x", "has no directory sub/out", ""},
		{"--checksum=" + commits[0] + " " + url + " /x", "it is at commit " + commits[2], "since the checksum was taken"},
		{"--checksum=sha256:00 " + url + " /x", "bad checksum", "the commit's"},
		{"--keep-git-dir=true " + url + "?keep-git-dir=false /x", "contradict each other", ""},
		{strings.Replace(url, "work", "missing", 1) + " /x", "fetching " + strings.Replace(url, "work", "missing", 1), ""},
		{url + "#" + strings.Repeat("a", 40) + " /x", "it has no commit", ""},
	}
	for _, test := range tests {
		_, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\nADD "+test.add+"\n")})
		if err == nil || !strings.Contains(err.Error(), test.err) || !strings.Contains(hintOf(err), test.hint) {
			t.Errorf("ADD %s: got %v (hint %q), want %s (hint %q)", test.add, err, hintOf(err), test.err, test.hint)
		}
	}
}

func TestNoGitProgram(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\nADD http://127.0.0.1:1/a.git /\n")})
	if err == nil || !strings.Contains(err.Error(), "there is no git program") || !strings.Contains(hintOf(err), "install git") {
		t.Errorf("got %v (hint %q)", err, hintOf(err))
	}
}

// TestRepositoryRunsNothing is the hole of a configuration or a repository that makes git run a program.
func TestRepositoryRunsNothing(t *testing.T) {
	url, _ := gitServer(t)
	home := t.TempDir()
	trace := filepath.Join(home, "ran")
	script := filepath.Join(home, "script")
	writeFile(t, script, []byte("#!/bin/sh\necho ran >> "+trace+"\n"))
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, hook := range []string{"post-checkout", "reference-transaction"} {
		writeFile(t, filepath.Join(home, "hooks", hook), []byte("#!/bin/sh\necho hook >> "+trace+"\n"))
		if err := os.Chmod(filepath.Join(home, "hooks", hook), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(home, ".gitconfig"), fmt.Appendf(nil,
		"[core]\n hooksPath = %s/hooks\n fsmonitor = %s\n[credential]\n helper = %s\n[filter \"x\"]\n smudge = %s\n", home, script, script, script))
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv("GIT_ASKPASS", script)
	t.Setenv("SSH_ASKPASS", script)
	t.Setenv("GIT_SSH", script)
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "core.hooksPath")
	t.Setenv("GIT_CONFIG_VALUE_0", filepath.Join(home, "hooks"))
	buildFiles(t, "FROM scratch\nADD "+url+" /\n", Options{})
	private := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", "Basic")
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer private.Close()
	_, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\nADD "+private.URL+"/x.git /\n")})
	if err == nil || !strings.Contains(hintOf(err), "private or does not exist") {
		t.Errorf("got %v (hint %q)", err, hintOf(err))
	}
	if ran, err := os.ReadFile(trace); err == nil {
		t.Errorf("programs of the user's configuration were run: %s", ran)
	}
}

// gitAddresses are what users write, and what may be mistaken for it.
var gitAddresses = []string{
	"https://example.com/a.git", "https://example.com/a", "https://example.com/a.git#v1", "https://example.com/a.git#v1:b/c", "https://example.com/a.git#:/b/../c",
	"http://example.com/a.git?ref=x", "https://u:p@example.com/a.git", "https://example.com/a.git/", "https://example.com/a.gitx", "ssh://git@example.com/a", "git://example.com/a#x",
	"git@example.com:a/b.git", "git@example.com:a/b.git#x:y", "git@example.com:a?ref=x#y", "git@[::1]:a", "user@host:", "a:b", "a@b", "./a.git", "ftp://x/a.git", "HTTPS://example.com/a.git",
	"https://example.com/a.git?tag=v1", "https://example.com/a.git?branch=x&tag=y", "https://example.com/a.git?checksum=abc&subdir=d", "https://example.com/a.git?submodules", "https://example.com/a.git?ref=",
	"https://example.com/a.git?keep-git-dir=maybe", "https://example.com/a.git?x=1", "https://example.com/a.git?ref=a&ref=b", "https://example.com/a.git?ref=a#b", "https://example.com/a.git?branch=refs/heads/x",
	"https://example.com/a.git?mtime=commit", "https://example.com/a.git?mtime=x", "https://example.com/a.git?fetch-by-commit&commit=abc", "https://example.com/%zz.git", "https://example.com/a.git?ref=%zz",
}

func FuzzParseGitRef(f *testing.F) {
	for _, address := range gitAddresses {
		f.Add(address)
	}
	f.Fuzz(compareGitRef)
}

// compareGitRef compares with BuildKit's parser. What boxer refuses on top is what git could take for an option.
func compareGitRef(t *testing.T, address string) {
	if strings.HasPrefix(address, "github.com/") {
		return // a directory, here; OpenContext knows what docker makes of it
	}
	got, ok, err := parseGitRef(address)
	want, isGit, wantErr := dfgitutil.ParseGitRef(address)
	if ok != isGit {
		t.Fatalf("%q: a repository %t, want %t (%v)", address, ok, isGit, wantErr)
	}
	if wantErr != nil && ok && err == nil {
		t.Fatalf("%q: no error, want %v", address, wantErr)
	}
	if err != nil || wantErr != nil {
		if wantErr == nil && got.check() == nil {
			t.Fatalf("%q: %v", address, err)
		}
		return
	}
	same := gitRef{remote: want.Remote, ref: want.Ref, subdir: want.SubDir, checksum: want.Checksum,
		keepGitDir: want.KeepGitDir, submodules: want.Submodules, fetchByCommit: want.FetchByCommit}
	if diff := cmp.Diff(same, got, cmp.AllowUnexported(gitRef{})); diff != "" {
		t.Fatalf("%q (-want +got):\n%s", address, diff)
	}
}

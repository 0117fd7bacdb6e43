package builder

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"boxer.dev/oci"
)

// TestSocketInContext is the hole of a context that holds what cannot be read to an end.
func TestSocketInContext(t *testing.T) {
	tree, dir := openTree(t, "d/file")
	// The name of a socket has room for a hundred bytes, and a test's directory may need more.
	t.Chdir(dir)
	listener, err := net.Listen("unix", "socket")
	if err != nil {
		t.Skip("no sockets in this file system: ", err)
	}
	defer listener.Close()
	if err := os.Rename("socket", filepath.Join("d", "socket")); err != nil {
		t.Fatal(err)
	}
	res, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\nCOPY d /d/\n"), Context: tree.root})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0].Text, "d/socket is a socket and was not copied") {
		t.Errorf("warnings %+v", res.Warnings)
	}
	for _, copyIt := range []string{"COPY d/socket /", "ADD d/socket /", "COPY --parents d/./socket /x/"} {
		res, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\n"+copyIt+"\n"), Context: tree.root})
		switch {
		case strings.Contains(copyIt, "--parents"):
			if err != nil || len(res.Warnings) != 1 {
				t.Errorf("%s: %v", copyIt, err)
			}
		case err == nil || !strings.Contains(err.Error(), "d/socket is a socket, not a file or directory"):
			t.Errorf("%s: %v", copyIt, err)
		}
	}
}

// TestCaseCollisions is the hole of two names that a file system takes for one: boxes tell them apart.
func TestCaseCollisions(t *testing.T) {
	archive := tarOf(t, tarFile("README", "1"), tarFile("readme", "2"), tarFile("Dir/x", "3"), tarFile("dir/x", "4"))
	tree, dir := openTree(t)
	writeFile(t, filepath.Join(dir, "a.tar"), archive)
	got := buildFiles(t, "FROM scratch\nADD a.tar /a/\nCOPY <<Eof <<EOF /b/\nx\nEof\ny\nEOF\n", Options{Context: tree.root})
	want := `0755 0:0 /a/
0755 0:0 /a/Dir/
0644 0:0 /a/Dir/x "3" 1970-01-01T00:00:00Z
0644 0:0 /a/README "1" 1970-01-01T00:00:00Z
0755 0:0 /a/dir/
0644 0:0 /a/dir/x "4" 1970-01-01T00:00:00Z
0644 0:0 /a/readme "2" 1970-01-01T00:00:00Z
0755 0:0 /b/
0644 0:0 /b/EOF "y\n"
0644 0:0 /b/Eof "x\n"
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestLinkLoopInContext is the hole of walks that never end.
func TestLinkLoopInContext(t *testing.T) {
	tree, dir := openTree(t, "d/file")
	for name, target := range map[string]string{"d/self": "self", "d/up": "..", "d/here": ".", "d/far": "../d/far/../d"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, boxfile := range []string{"COPY . /x/", "COPY **/file /x/", "COPY --parents **/file /x/", "COPY d/up/d/here/d/../d /x/", "COPY --exclude=file d/here /x/"} {
		_, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\n"+boxfile+"\n"), Context: tree.root})
		var placed *Error
		if err != nil && !errors.As(err, &placed) {
			t.Errorf("%s: %v (%T)", boxfile, err, err)
		}
	}
}

// TestDeepContext copies a directory deeper than any path the system takes.
func TestDeepContext(t *testing.T) {
	tree, dir := openTree(t)
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	const depth = 450
	for range depth {
		if err := root.Mkdir("directory", 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := root.OpenRoot("directory")
		if err := errors.Join(err, root.Close()); err != nil {
			t.Fatal(err)
		}
		root = next
	}
	if err := root.Close(); err != nil {
		t.Fatal(err)
	}
	for _, boxfile := range []string{"COPY . /x/", "COPY --parents **/nothing /x/"} {
		_, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\n"+boxfile+"\n"), Context: tree.root})
		var placed *Error
		if err == nil || !errors.As(err, &placed) {
			continue // a box may be as deep
		}
		t.Logf("%s: %.100s", boxfile, err)
	}
}

// TestHugeSparseFile is the hole of a file that takes no room where it is and days where it is copied to.
func TestHugeSparseFile(t *testing.T) {
	for _, test := range []struct {
		files int
		size  int64
		want  string
	}{
		{1, 10 << 30, "huge0 is 10GiB long and nearly all holes"},
		{1, 1 << 40, "huge0 is 1TiB long and nearly all holes"},
		{17, 1 << 30, "the files come to more than 16GiB"},
	} {
		tree, dir := openTree(t)
		for i := range test.files {
			name := filepath.Join(dir, "huge"+strconv.Itoa(i))
			writeFile(t, name, nil)
			if err := os.Truncate(name, test.size); err != nil {
				t.Skip("no sparse files of a terabyte in this file system: ", err)
			}
		}
		_, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\nCOPY . /\n"), Context: tree.root})
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(hintOf(err), ".boxignore") {
			t.Errorf("%d files of %d bytes: got %v (hint %q)", test.files, test.size, err, hintOf(err))
		}
	}
}

// TestTooManyFiles: more files than a box can hold are refused while they are counted, not when all of them are in a layer.
func TestTooManyFiles(t *testing.T) {
	limit := boxLimits.Files
	boxLimits.Files = 3
	defer func() { boxLimits.Files = limit }()
	tree, _ := openTree(t, "d/1", "d/2", "d/3", "e/4")
	store, err := oci.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, cache := range []*oci.Cache{nil, store.Cache()} {
		_, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\nCOPY d /d/\n"), Context: tree.root, Cache: cache})
		if err != nil {
			t.Errorf("three files: %v", err)
		}
		_, err = Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\nCOPY . /\n"), Context: tree.root, Cache: cache})
		if err == nil || !strings.Contains(err.Error(), "with e/4 there are more than 3 files") && !strings.Contains(err.Error(), "with /e/4 there are") {
			t.Errorf("four files: %v", err)
		}
	}
}

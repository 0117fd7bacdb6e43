package builder

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tarOf makes a tar of entries.
func tarOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		text := []byte(h.PAXRecords["test.text"])
		h.PAXRecords = nil
		h.Size = int64(len(text))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tarFile(name, text string) tar.Header {
	return tar.Header{Name: name, Mode: 0o644, PAXRecords: map[string]string{"test.text": text}}
}

func tarLink(kind byte, name, to string) tar.Header {
	return tar.Header{Typeflag: kind, Name: name, Linkname: to}
}

// buildContextOf builds what a context holds, and returns its files.
func buildContextOf(t *testing.T, source string, stdin io.Reader, file string) (string, error) {
	t.Helper()
	temp := t.TempDir()
	c, err := OpenContext(t.Context(), source, stdin, temp, nil)
	if err != nil {
		if left, _ := os.ReadDir(temp); len(left) > 0 {
			t.Errorf("%s: left %v", source, left)
		}
		return "", err
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(temp); len(left) > 0 {
			t.Errorf("%s: left %v", source, left)
		}
	}()
	boxfile, err := c.Boxfile(file, strings.NewReader("FROM scratch\nCOPY . /stdin/\n"))
	if err != nil {
		return "", err
	}
	res, err := Build(t.Context(), Options{Boxfile: boxfile, Context: c.Root})
	if err != nil {
		return "", err
	}
	return describeResult(t, res)["files"], nil
}

func TestOpenContext(t *testing.T) {
	archive := tarOf(t, tarFile("Boxfile", "FROM scratch\nCOPY in /\n"), tarFile("./in/a", "a"), tarLink(tar.TypeSymlink, "in/l", "a"),
		tarLink(tar.TypeLink, "in/h", "/in/a"), tar.Header{Typeflag: tar.TypeFifo, Name: "in/pipe"}, tarFile("docker/Other", "FROM scratch\nCOPY in/a /other\n"))
	const files = "0644 0:0 /a \"a\"\n0644 0:0 /h \"a\"\n0777 0:0 /l -> a\n"
	web := webServer(t).URL
	repository, _ := gitServer(t)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "Boxfile"), []byte("FROM scratch\nCOPY Boxfile /dir\n"))
	tests := []struct {
		name, source string
		stdin        []byte
		file, files  string
	}{
		{"directory", dir, nil, "", "0644 0:0 /dir \"FROM scratch\\nCOPY Boxfile /dir\\n\"\n"},
		{"archive", "-", archive, "", files},
		{"a Boxfile of the archive", "-", archive, "docker/Other", "0644 0:0 /other \"a\"\n"},
		{"compressed", "-", gzipTar(t, "Dockerfile", "FROM scratch\nCOPY . /\n"), "", "0644 0:0 /Dockerfile \"FROM scratch\\nCOPY . /\\n\"\n"},
		{"Boxfile", "-", []byte("FROM scratch\nCOPY <<a <<b /\n1\na\n2\nb\n"), "", "0644 0:0 /a \"1\\n\"\n0644 0:0 /b \"2\\n\"\n"},
		{"Boxfile of the web", web + "/Boxfile", nil, "", ""},
		{"archive of the web", web + "/a.tar.gz", nil, "-", "0755 0:0 /stdin/\n0755 0:0 /stdin/in/\n0644 0:0 /stdin/in/archive \"packed\"\n"},
		{"repository", repository + "#v1", nil, "-", "0755 0:0 /stdin/\n0644 0:0 /stdin/old \"old\\n\"\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := buildContextOf(t, test.source, bytes.NewReader(test.stdin), test.file)
			if err != nil || got != test.files {
				t.Errorf("got %v\n%s\nwant\n%s", err, got, test.files)
			}
		})
	}
}

func TestOpenContextErrors(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	archive := tarOf(t, tarFile("a", "a"))
	repository, _ := gitServer(t)
	server := httptest.NewServer(nil)
	server.Close()
	tests := []struct {
		name, source string
		stdin        []byte
		file         string
		err, hint    string
	}{
		{"missing", outside, nil, "", "opening the build context", "repository"},
		{"empty", "-", nil, "", "neither a tar archive nor a Boxfile", "tar -cz"},
		{"binary", "-", []byte("\x7fELF\x00\x00"), "", "neither a tar archive nor a Boxfile", ""},
		{"not gzip", "-", []byte("\x1f\x8b\x08oops"), "", "reading the build context from stdin", ""},
		{"cut", "-", tarOf(t, tarFile("a", strings.Repeat("a", 1000)))[:600], "", "unexpected EOF", ""},
		{"no Boxfile", "-", archive, "", "no Boxfile in", "create a Boxfile"},
		{"-f of nothing", "-", archive, "b", "there is no b in stdin", "of the context"},
		{"-f out of it", "-", archive, "../../../../../etc/passwd", "there is no ../../../../../etc/passwd in stdin", ""},
		{"-f -", "-", archive, "-", "cannot be both", "into the archive"},
		{"-f with a Boxfile", "-", []byte("FROM scratch\n"), "x", "stdin is a Boxfile already", "leave -f out"},
		{"no files", "-", []byte("FROM scratch\nCOPY a /\n"), "", "there is no build context to copy from", ""},
		{"climbing", "-", tarOf(t, tarFile("../"+filepath.Base(outside), "x")), "", "it leads out of the archive", ""},
		{"through a link", "-", tarOf(t, tarLink(tar.TypeSymlink, "l", filepath.Dir(outside)), tarFile("l/outside", "x")), "", "l/outside: statat l: path escapes from parent", ""},
		{"hard link out", "-", tarOf(t, tarLink(tar.TypeSymlink, "l", "/etc"), tarLink(tar.TypeLink, "h", "l/passwd")), "", "h: ", ""},
		{"repository without Boxfile", repository, nil, "", "no Boxfile in", ""},
		{"repository that is not there", server.URL + "/x.git", nil, "", "fetching " + server.URL + "/x.git", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := buildContextOf(t, test.source, bytes.NewReader(test.stdin), test.file)
			if err == nil || !strings.Contains(err.Error(), test.err) || !strings.Contains(hintOf(err), test.hint) {
				t.Errorf("got %v (hint %q), want %s (hint %q)", err, hintOf(err), test.err, test.hint)
			}
			if _, err := os.Lstat(outside); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s was written", outside)
			}
		})
	}
}

func FuzzUnpackContext(f *testing.F) {
	f.Add(tarOf(f, tarFile("a/b", "text"), tarLink(tar.TypeSymlink, "l", "a"), tarFile("l/c", "x"), tarLink(tar.TypeLink, "h", "a/b")))
	f.Add(tarOf(f, tarLink(tar.TypeSymlink, "l", "../.."), tarFile("l/outside", "x"), tarFile("/abs", "y")))
	f.Fuzz(func(t *testing.T, data []byte) {
		outer := t.TempDir()
		if err := os.Mkdir(filepath.Join(outer, "in"), 0o755); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(filepath.Join(outer, "in"))
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		in := &inflation{source: bytes.NewReader(data)}
		_ = unpackInto(root, in, in)
		if names, err := os.ReadDir(outer); err != nil || len(names) != 1 {
			t.Fatalf("outside: %v, %v", names, err)
		}
	})
}

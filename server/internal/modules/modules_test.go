package modules

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"boxer.dev/oci"
)

func content(s string) (Digest, func() ([]byte, error)) {
	return DigestOf([]byte(s)), func() ([]byte, error) { return []byte(s), nil }
}

func shelf(t *testing.T, s *Shelf) *Shelf {
	t.Helper()
	s.Dir = t.TempDir()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// put puts a text on the shelf and takes it off again.
func put(t *testing.T, s *Shelf, text string) {
	t.Helper()
	digest, read := content(text)
	root, release, err := s.Use(t.Context(), digest, read)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	got, err := root.FS().ReadFile(Program)
	if err != nil || string(got) != text {
		t.Fatalf("got %q, %v", got, err)
	}
	if e := root.Config.Config.Entrypoint; len(e) != 1 || e[0] != Program {
		t.Errorf("the entrypoint is %q", e)
	}
}

func files(t *testing.T, s *Shelf) (n int) {
	t.Helper()
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestShelfDropsWhatWasUsedLongestAgo(t *testing.T) {
	var dropped []string
	s := shelf(t, &Shelf{Most: 2, Bytes: 10, Dropped: func(r *oci.Rootfs) {
		text, _ := r.FS().ReadFile(Program)
		dropped = append(dropped, string(text))
	}})
	for _, text := range []string{"a", "b", "a", "c", "0123456789", "d"} {
		put(t, s, text)
	}
	if got := strings.Join(dropped, " "); got != "b a c 0123456789" || files(t, s) != 1 {
		t.Errorf("dropped %s; %d are left", got, files(t, s))
	}
}

func TestShelfKeepsWhatIsInUse(t *testing.T) {
	s := shelf(t, &Shelf{Most: 1})
	digest, read := content("in use")
	root, release, err := s.Use(t.Context(), digest, read)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a")
	put(t, s, "b")
	same, releaseSame, err := s.Use(t.Context(), digest, func() ([]byte, error) { return nil, errors.New("it is there") })
	if err != nil || same != root {
		t.Errorf("%v", err)
	}
	releaseSame()
	if _, err := root.FS().ReadFile(Program); err != nil {
		t.Error(err)
	}
	release()
	release() // which does nothing
	if n := files(t, s); n != 1 {
		t.Errorf("%d modules are kept", n)
	}
}

func TestShelfMakesAModuleOnce(t *testing.T) {
	s := shelf(t, &Shelf{})
	digest, read := content("x")
	made := 0
	var users sync.WaitGroup
	for range 20 {
		users.Go(func() {
			_, release, err := s.Use(t.Context(), digest, func() ([]byte, error) {
				made++
				return read()
			})
			if err != nil {
				t.Error(err)
				return
			}
			release()
		})
	}
	users.Wait()
	if made != 1 {
		t.Errorf("it was made %d times", made)
	}
}

func TestShelfForgetsFailures(t *testing.T) {
	s := shelf(t, &Shelf{})
	digest, read := content("x")
	failure := errors.New("gone")
	if _, _, err := s.Use(t.Context(), digest, func() ([]byte, error) { return nil, failure }); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	other := func() ([]byte, error) { return []byte("y"), nil }
	if _, _, err := s.Use(t.Context(), digest, other); err == nil {
		t.Error("another module was taken for it")
	}
	put(t, s, "x")
	_ = read
	ended, end := context.WithCancel(t.Context())
	end()
	begun, goOn := make(chan bool), make(chan bool)
	first := make(chan error)
	slow, slowly := content("slow")
	go func() {
		_, release, err := s.Use(t.Context(), slow, func() ([]byte, error) {
			begun <- true
			<-goOn
			return slowly()
		})
		if err == nil {
			release()
		}
		first <- err
	}()
	<-begun
	if _, _, err := s.Use(ended, slow, slowly); !errors.Is(err, context.Canceled) {
		t.Errorf("whoever has gone waits: %v", err)
	}
	goOn <- true
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func TestClosedShelf(t *testing.T) {
	s := &Shelf{}
	digest, read := content("x")
	_, release, err := s.Use(t.Context(), digest, read)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	release()
	if _, _, err := s.Use(t.Context(), digest, read); err == nil {
		t.Error("a closed shelf takes modules")
	}
	if _, err := os.Stat(s.remove); err == nil {
		t.Error("the directory is still there")
	}
}

func TestFind(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	write := func(text string, path ...string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(path...), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one", first, "a")
	write("two", second, "a")
	write("three", second, "b")
	write("four and more", second, "large")
	if err := os.Mkdir(filepath.Join(first, "dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	d := &Directories{MaxSize: 10}
	for _, dir := range []string{first, second} {
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { root.Close() })
		d.Roots = append(d.Roots, root)
	}
	for name, want := range map[string]string{"a": "one", "b": "three", "./b": "three", "dir/../a": "one", filepath.Join(second, "a"): "two"} {
		for range 2 { // the second time the digest is known
			digest, read, err := d.Find(name)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if got, err := read(); string(got) != want || digest != DigestOf(got) || err != nil {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	}
	for name, want := range map[string]error{
		"missing": ErrMissing, filepath.Join(first, "missing"): ErrMissing, "dir": ErrMissing, ".": ErrMissing, first: ErrMissing,
		"../" + filepath.Base(second) + "/b": ErrOutside, filepath.Dir(first): ErrOutside, "/etc/passwd": ErrOutside, "": ErrOutside,
	} {
		if _, _, err := d.Find(name); !errors.Is(err, want) {
			t.Errorf("%q: %v", name, err)
		}
	}
	var large *SizeError
	if _, _, err := d.Find("large"); !errors.As(err, &large) || large.Size != 13 {
		t.Errorf("a large one: %v", err)
	}
	write("changed", first, "a")
	future := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(first, "a"), future, future); err != nil {
		t.Fatal(err)
	}
	if digest, _, err := d.Find("a"); err != nil || digest != DigestOf([]byte("changed")) {
		t.Errorf("a file that has changed: %v", err)
	}
}

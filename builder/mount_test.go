package builder

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// mountBuild builds a Boxfile with a context of some files. RUN puts its random numbers into /random: they tell what the step
// is known by.
func mountBuild(t *testing.T, boxfile string, files map[string]string, opts Options) (v1.Hash, error) {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		writeFile(t, filepath.Join(dir, name), []byte(data))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	opts.Boxfile, opts.Context = mustParse(t, boxfile), root
	if opts.Run == nil {
		opts.Run = func(_ context.Context, r RunRequest) (int, error) {
			number := make([]byte, 8)
			if _, err := io.ReadFull(r.Random, number); err != nil {
				return 0, err
			}
			return 0, r.FS.WriteFile("/random", fmt.Appendf(nil, "%x", number), 0o644)
		}
	}
	result, err := Build(t.Context(), opts)
	if err != nil {
		return v1.Hash{}, err
	}
	return result.Digest, nil
}

func secretOf(value string) func(string) ([]byte, bool, error) {
	return func(string) ([]byte, bool, error) { return []byte(value), true, nil }
}

// cacheDirs keeps cache mounts in directories that go with the test.
func cacheDirs(t *testing.T) func(context.Context, CacheMountRequest) (*CacheMount, error) {
	var lock sync.Mutex
	known := map[string]string{}
	return func(_ context.Context, r CacheMountRequest) (*CacheMount, error) {
		lock.Lock()
		defer lock.Unlock()
		dir, ok := known[r.ID]
		if !ok {
			dir = t.TempDir()
			known[r.ID] = dir
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, err
		}
		return &CacheMount{Root: root, New: !ok, Close: root.Close}, nil
	}
}

// TestMountKeys: a step with mounts is known by the contents of files that are bound, and not by those of caches and secrets.
func TestMountKeys(t *testing.T) {
	digest := func(boxfile string, files map[string]string, secret string) v1.Hash {
		t.Helper()
		d, err := mountBuild(t, "FROM scratch\n"+boxfile+"\n", files, Options{Secret: secretOf(secret), CacheMount: cacheDirs(t)})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	const bind, secret, cache = "RUN --mount=source=a,target=/mnt x", "RUN --mount=type=secret,id=s x", "RUN --mount=type=cache,target=/c x"
	one, other := map[string]string{"a/f": "1", "b": "1"}, map[string]string{"a/f": "2", "b": "1"}
	if digest(bind, one, "") != digest(bind, map[string]string{"a/f": "1", "b": "2"}, "") {
		t.Error("bind: files that are not mounted count")
	}
	if digest(bind, one, "") == digest(bind, other, "") {
		t.Error("bind: the contents do not count")
	}
	if digest(bind, one, "") == digest(bind, map[string]string{"a/g": "1", "b": "1"}, "") {
		t.Error("bind: the names do not count")
	}
	if digest(secret, one, "first secret") != digest(secret, one, "second secret") {
		t.Error("secret: what it says counts")
	}
	for _, pair := range [][2]string{
		{bind, "RUN --mount=source=a,target=/elsewhere x"}, {cache, "RUN --mount=type=cache,target=/c,id=other x"},
		{secret, "RUN --mount=type=secret,id=t,target=/run/secrets/s x"}, {"RUN --mount=type=tmpfs,target=/c x", cache},
	} {
		if digest(pair[0], one, "same") == digest(pair[1], one, "same") {
			t.Errorf("%s and %s are the same", pair[0], pair[1])
		}
	}
}

// TestMountsAreNotInLayers: whatever is mounted, wherever, the image is the one that a RUN without mounts makes.
func TestMountsAreNotInLayers(t *testing.T) {
	write := func(_ context.Context, r RunRequest) (int, error) {
		for _, dir := range []string{"/c", "/t", "/m", "/deep/er"} {
			if st, err := r.FS.Stat(dir); err == nil && st.IsDir() {
				if err := r.FS.WriteFile(dir+"/written", []byte("x"), 0o644); err != nil {
					return 0, err
				}
			}
		}
		return 0, r.FS.WriteFile("/kept", []byte("kept"), 0o644)
	}
	layers := func(flags string) []v1.Hash {
		t.Helper()
		var made []v1.Hash
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "f"), []byte("x"))
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		result, err := Build(t.Context(), Options{
			Boxfile: mustParse(t, "FROM scratch\nRUN "+flags+" x\n"), Context: root, Run: write, CacheMount: cacheDirs(t), Secret: secretOf("the secret itself"),
		})
		if err != nil {
			t.Fatal(err)
		}
		file, err := result.Image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range file.History {
			if strings.Contains(h.CreatedBy, "mount") || strings.Contains(h.CreatedBy, "secret") {
				t.Errorf("the history tells of %q", h.CreatedBy)
			}
		}
		return append(made, file.RootFS.DiffIDs...)
	}
	plain := layers("")
	for _, flags := range []string{
		"--mount=type=cache,target=/c", "--mount=type=tmpfs,target=/t", "--mount=target=/m,rw", "--mount=target=/m,source=f",
		"--mount=type=secret,id=s", "--mount=type=secret,id=s,target=/etc/a/b/c", "--mount=type=secret,id=s,env=S",
		"--mount=type=tmpfs,target=/deep --mount=type=cache,target=/deep/er --mount=target=/deep/er/still,rw",
	} {
		if got := layers(flags); fmt.Sprint(got) != fmt.Sprint(plain) {
			t.Errorf("%s: %v, want %v", flags, got, plain)
		}
	}
}

func TestCacheMountBeginsWithFiles(t *testing.T) {
	caches := cacheDirs(t)
	boxfile := "FROM scratch AS first\nCOPY a /dir/a\nFROM scratch\nRUN --mount=type=cache,target=/c,from=first,source=/dir x\n"
	var seen []string
	look := func(_ context.Context, r RunRequest) (int, error) {
		data, err := r.FS.ReadFile("/c/a")
		if err != nil {
			return 0, err
		}
		seen = append(seen, string(data))
		return 0, r.FS.WriteFile("/c/a", []byte("changed"), 0o644)
	}
	for range 2 {
		if _, err := mountBuild(t, boxfile, map[string]string{"a": "first"}, Options{Run: look, CacheMount: caches}); err != nil {
			t.Fatal(err)
		}
	}
	if fmt.Sprint(seen) != "[first changed]" {
		t.Errorf("%q", seen)
	}
}

// TestSecretInLayer: a layer that would hold a secret, whole or a line of it, in a file, a name or a link, is not made.
func TestSecretInLayer(t *testing.T) {
	key := "-----BEGIN-----\n" + rand.Text() + "\n-----END-----\n"
	line := strings.Split(key, "\n")[1]
	for what, write := range map[string]func(r RunRequest) error{
		"a file":           func(r RunRequest) error { return r.FS.WriteFile("/x", []byte("key: "+key), 0o600) },
		"a line of it":     func(r RunRequest) error { return r.FS.WriteFile("/x", []byte(line), 0o600) },
		"far in":           func(r RunRequest) error { return r.FS.WriteFile("/x", append(make([]byte, 64<<10-5), line...), 0o600) },
		"a name":           func(r RunRequest) error { return r.FS.WriteFile("/"+line, nil, 0o600) },
		"a symlink":        func(r RunRequest) error { return r.FS.Symlink("/"+line, "/x") },
		"nothing":          func(r RunRequest) error { return r.FS.WriteFile("/x", []byte("-----"), 0o600) },
		"what it removed":  func(r RunRequest) error { r.FS.WriteFile("/x", []byte(key), 0o600); return r.FS.Remove("/x") },
		"what it mounted":  func(r RunRequest) error { _, err := r.FS.ReadFile("/run/secrets/key"); return err },
		"a cache, not it":  func(r RunRequest) error { return r.FS.WriteFile("/c/x", []byte(key), 0o600) },
		"its variable too": func(r RunRequest) error { return r.FS.WriteFile("/x", []byte(strings.Join(r.Env, " ")), 0o600) },
	} {
		refused := map[string]bool{"a file": true, "a line of it": true, "far in": true, "a name": true, "a symlink": true, "its variable too": true}[what]
		_, err := mountBuild(t, "FROM scratch\nRUN --mount=type=secret,id=key,target=/run/secrets/key,env=KEY --mount=type=cache,target=/c x\n", nil, Options{
			Secret: secretOf(key), CacheMount: cacheDirs(t), Run: func(_ context.Context, r RunRequest) (int, error) { return 0, write(r) },
		})
		if (err != nil) != refused || err != nil && (!strings.Contains(err.Error(), "would hold secret key") || strings.Contains(err.Error(), line)) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

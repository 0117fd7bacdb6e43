package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"boxer.dev/builder"
	"boxer.dev/internal/volume"
)

// TestCacheMountSharing: shared caches are one directory for all; private ones one for each at a time, used again; of locked
// ones there is one user, and the next gets what that one left.
func TestCacheMountSharing(t *testing.T) {
	t.Setenv("BOXER_HOME", t.TempDir())
	a := new(app)
	take := func(sharing builder.CacheSharing) *builder.CacheMount {
		t.Helper()
		c, err := a.useCacheMount(t.Context(), builder.CacheMountRequest{ID: "/root/.cache\n..", Sharing: sharing})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	one, two := take(builder.CacheShared), take(builder.CacheShared)
	if !one.New || two.New || one.Root.Name() != two.Root.Name() {
		t.Errorf("shared: %v and %v", one, two)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	locked := builder.CacheMountRequest{ID: "/root/.cache\n..", Sharing: builder.CacheLocked}
	if _, err := a.useCacheMount(ended, locked); !errors.Is(err, context.Canceled) {
		t.Errorf("locked while others share it: %v", err)
	}
	one.Close()
	two.Close()

	first, second := take(builder.CachePrivate), take(builder.CachePrivate)
	if first.Root.Name() == second.Root.Name() {
		t.Errorf("private: both get %s", first.Root.Name())
	}
	name := first.Root.Name()
	first.Close()
	if again := take(builder.CachePrivate); again.Root.Name() != name || again.New {
		t.Errorf("private: %s, want %s again", again.Root.Name(), name)
	} else {
		again.Close()
	}
	second.Close()

	alone := take(builder.CacheLocked)
	if err := os.WriteFile(filepath.Join(alone.Root.Name(), "left"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	waited := make(chan error)
	go func() {
		next, err := a.useCacheMount(t.Context(), locked)
		if err == nil {
			_, err = next.Root.Stat("left")
			next.Close()
		}
		waited <- err
	}()
	alone.Close()
	if err := <-waited; err != nil {
		t.Errorf("locked: %v", err)
	}

	caches, err := a.cacheMounts()
	if err != nil {
		t.Fatal(err)
	}
	if pruned, err := caches.Prune(func(volume.Volume) bool { return true }); err != nil || len(pruned.Volumes) != 3 {
		t.Errorf("pruned %v, %v", pruned, err)
	}
}

func TestParseSecret(t *testing.T) {
	t.Setenv("SET", "value")
	file := filepath.Join(t.TempDir(), "a,b")
	if err := os.WriteFile(file, []byte("from the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for spec, want := range map[string]string{
		`id=x,env=SET`: "value", `id=SET`: "value", `type=env,id=x,src=SET`: "value", `type=env,id=SET`: "value", `id=x,"src=` + file + `"`: "from the file\n",
		`id=x,"source=` + file + `",type=file`: "from the file\n",
	} {
		id, s, err := parseSecret(spec)
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		if data, err := s.read(); err != nil || string(data) != want || id == "" {
			t.Errorf("%s: %q %q, %v", spec, id, data, err)
		}
	}
	for _, spec := range []string{``, `x`, `src=a`, `id=`, `id=x,src=a,env=B`, `id=x,type=vault`, `id=x,file=a`, `id=x,"src`} {
		if id, s, err := parseSecret(spec); err == nil {
			t.Errorf("%s: %q %v", spec, id, s)
		}
	}
	if _, err := (secret{variable: "NOT_SET_AT_ALL"}).read(); err == nil {
		t.Error("a variable that is not set is read")
	}
	if err := os.WriteFile(file, make([]byte, maxSecret+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (secret{file: file}).read(); err == nil {
		t.Error("a secret that is too large is read")
	}
}

package volume

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func newVolumes(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "volumes"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustCreate(t *testing.T, s *Store, name string) Volume {
	t.Helper()
	v, err := s.Create(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func names(t *testing.T, s *Store) []string {
	t.Helper()
	volumes, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for _, v := range volumes {
		list = append(list, v.Name)
	}
	return list
}

func TestCreate(t *testing.T) {
	s := newVolumes(t)
	v, err := s.Create("data", map[string]string{"team": "a"})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(v.Mountpoint); err != nil || !info.IsDir() {
		t.Errorf("mount point: %v", err)
	}
	again, err := s.Create("data", map[string]string{"team": "b"})
	if diff := cmp.Diff(v, again); diff != "" || err != nil {
		t.Errorf("creating it again: %v %s", err, diff)
	}
	got, err := s.Get("data")
	if diff := cmp.Diff(v, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if anonymous := mustCreate(t, s, ""); len(anonymous.Name) != 64 || !anonymous.Anonymous {
		t.Errorf("%+v", anonymous)
	}
}

func TestNames(t *testing.T) {
	s := newVolumes(t)
	for _, name := range []string{".", "..", "../x", "a/b", ".hidden", "-x", "a b", "a\x00", "a\n"} {
		if _, err := s.Create(name, nil); err == nil {
			t.Errorf("Create(%q): no error", name)
		}
		if _, err := s.Get(name); !errors.Is(err, ErrNotFound) {
			t.Errorf("Get(%q): %v", name, err)
		}
		if err := s.Remove(name); !errors.Is(err, ErrNotFound) {
			t.Errorf("Remove(%q): %v", name, err)
		}
	}
	if got := names(t, s); len(got) > 0 {
		t.Errorf("volumes %q", got)
	}
}

func TestRemove(t *testing.T) {
	s := newVolumes(t)
	v := mustCreate(t, s, "data")
	// What a box may leave: files, directories without any permission.
	closed := filepath.Join(v.Mountpoint, "closed")
	if err := os.MkdirAll(filepath.Join(closed, "deeper"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(closed, "deeper"), closed} {
		if err := os.Chmod(dir, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Remove("data"); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(s.dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
	if err := s.Remove("data"); !errors.Is(err, ErrNotFound) {
		t.Errorf("again: %v", err)
	}
}

func TestVolumeInUseStays(t *testing.T) {
	s := newVolumes(t)
	one, err := s.Use(t.Context(), "data", nil)
	if err != nil {
		t.Fatal(err)
	}
	two, err := s.Use(t.Context(), "data", nil)
	if err != nil {
		t.Fatal(err)
	}
	one.Close()
	if err := s.Remove("data"); !errors.Is(err, ErrInUse) {
		t.Errorf("%v, want ErrInUse", err)
	}
	if pruned, err := s.Prune(func(Volume) bool { return true }); err != nil || len(pruned.Volumes) > 0 {
		t.Errorf("pruned %v, %v", pruned, err)
	}
	two.Close()
	if err := s.Remove("data"); err != nil {
		t.Error(err)
	}
}

func TestPrune(t *testing.T) {
	s := newVolumes(t)
	mustCreate(t, s, "named")
	anonymous := mustCreate(t, s, "")
	if err := os.WriteFile(filepath.Join(anonymous.Mountpoint, "f"), []byte("12345"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(s.dir, gonePrefix+"x", dataDir), 0o777); err != nil {
		t.Fatal(err)
	}
	pruned, err := s.Prune(func(v Volume) bool { return v.Anonymous })
	if diff := cmp.Diff(Pruned{[]string{anonymous.Name}, 5}, pruned); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if got := names(t, s); !cmp.Equal(got, []string{"named"}) {
		t.Errorf("volumes %q", got)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, gonePrefix+"*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	if _, err := s.Prune(func(Volume) bool { return true }); err != nil || len(names(t, s)) > 0 {
		t.Errorf("%v", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	s := newVolumes(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 20 {
				use, err := s.Use(t.Context(), "data", nil)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := os.Stat(use.Mountpoint); err != nil {
					t.Errorf("a volume in use: %v", err)
				}
				use.Close()
				if err := s.Remove("data"); err != nil && !errors.Is(err, ErrInUse) && !errors.Is(err, ErrNotFound) {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

func TestUseAlone(t *testing.T) {
	s := newVolumes(t)
	alone, err := s.UseAlone(t.Context(), "cache", map[string]string{"id": "/root/.cache"})
	if err != nil {
		t.Fatal(err)
	}
	if !alone.New || alone.Labels["id"] != "/root/.cache" {
		t.Errorf("%+v", alone)
	}
	if _, err := s.TryUseAlone("cache", nil); !errors.Is(err, ErrInUse) {
		t.Errorf("a second one alone: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Use(ended, "cache", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting when the context has ended: %v", err)
	}
	if _, err := s.Create("other", nil); err != nil { // nobody waits with the store locked
		t.Error(err)
	}

	got := make(chan error)
	for range 4 {
		go func() {
			use, err := s.UseAlone(t.Context(), "cache", nil)
			if err == nil && use.New {
				err = errors.New("it was made twice")
			}
			if err == nil {
				err = use.Close()
			}
			got <- err
		}()
	}
	if err := alone.Close(); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if err := <-got; err != nil {
			t.Error(err)
		}
	}
	if list, err := s.List(); err != nil || len(list) != 2 || list[0].UsedAt().Before(list[0].CreatedAt) {
		t.Errorf("%v, %v", list, err)
	}
}

package oci

import (
	"archive/tar"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"boxer.dev/internal/lockfile"
)

// Whatever is done to a file of the store is found, and mended by storing the image again.
func TestExamine(t *testing.T) {
	truncate := func(t *testing.T, name string) { must(0, os.Truncate(name, 5)) }
	flip := func(t *testing.T, name string) {
		content := must(os.ReadFile(name))
		content[len(content)/2] ^= 1
		must(0, os.WriteFile(name, content, 0o600))
	}
	remove := func(t *testing.T, name string) { must(0, os.Remove(name)) }
	for name, c := range map[string]struct {
		part string // of the image
		harm func(*testing.T, string)
		deep bool // it takes a close look
	}{
		"layer is missing": {"layer", remove, false}, "layer is truncated": {"layer", truncate, false}, "layer is changed": {"layer", flip, true},
		"config is missing": {"config", remove, false}, "config is changed": {"config", flip, false},
		"manifest is missing": {"manifest", remove, false}, "manifest is changed": {"manifest", flip, false},
		"opened layer is truncated": {"opened", truncate, false}, "opened layer is changed": {"opened", flip, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			img := imageOf(t, layerOf(t, tarOf(t, tar.Header{Name: "a", Size: 1000}), Gzip))
			digest := mustPut(t, s, img, "app")
			check(t, open(s, img))
			if found := must(s.Examine(ExamineOptions{Deep: true})); len(found.Damages) > 0 || found.Images != 1 || found.Blobs != 3 || found.Layers != 1 || found.Compared != 1 {
				t.Fatalf("a whole store: %+v", found)
			}
			manifest := must(img.Manifest())
			c.harm(t, map[string]string{
				"layer":    must(s.blobPath(manifest.Layers[0].Digest)),
				"config":   must(s.blobPath(manifest.Config.Digest)),
				"manifest": must(s.blobPath(digest)),
				"opened":   s.layerPath(must(img.ConfigFile()).RootFS.DiffIDs[0]),
			}[c.part])
			if quick := must(s.Examine(ExamineOptions{})); (len(quick.Damages) == 0) != c.deep {
				t.Errorf("a quick look: %+v", quick.Damages)
			}
			found := must(s.Examine(ExamineOptions{Deep: true, Repair: true}))
			if len(found.Damages) != 1 || !found.Damages[0].Repaired {
				t.Errorf("a close look: %+v", found.Damages)
			}
			mustPut(t, s, img, "app")
			check(t, open(s, img))
			if again := must(s.Examine(ExamineOptions{Deep: true})); len(again.Damages) > 0 {
				t.Errorf("after the repair: %+v", again.Damages)
			}
			checkStore(t, s.Dir())
		})
	}
}

// Unfinished downloads are counted, and garbage.
func TestExamineUnfinished(t *testing.T) {
	s := newStore(t)
	check(t, os.WriteFile(filepath.Join(s.tempDir(), "abc"+partialSuffix), make([]byte, 7), 0o600))
	if found := must(s.Examine(ExamineOptions{})); found.Unfinished != 1 || found.UnfinishedBytes != 7 {
		t.Errorf("%+v", found)
	}
	must(s.GC())
	if found := must(s.Examine(ExamineOptions{})); found.Unfinished != 0 {
		t.Errorf("%+v", found)
	}
}

// A repair does not take away what another process is just writing.
func TestRepairWaitsForNobody(t *testing.T) {
	s := newStore(t)
	using := must(lockfile.Shared(s.lockFile()))
	defer using.Close()
	if _, err := s.Examine(ExamineOptions{Repair: true}); !errors.Is(err, ErrBusy) {
		t.Errorf("%v", err)
	}
	must(s.Examine(ExamineOptions{}))
}

func TestOrigins(t *testing.T) {
	s := newStore(t)
	img := namedImage(t, "a")
	mustPut(t, s, img, "app")
	layer := must(img.Manifest()).Layers[0].Digest
	for _, repository := range []string{"a.example/x", "b.example/y", "a.example/x", "a.example/x"} {
		check(t, s.NoteOrigin(repository, layer))
	}
	if got := s.Origins(layer); len(got) != 2 || got[0] != "a.example/x" || got[1] != "b.example/y" {
		t.Errorf("%q", got)
	}
	must(s.GC())
	if got := s.Origins(layer); len(got) != 2 {
		t.Errorf("after garbage collection: %q", got)
	}
	must(s.Remove("app", RemoveOptions{}))
	must(s.GC())
	if got := s.Origins(layer); len(got) != 0 {
		t.Errorf("of a blob that is gone: %q", got)
	}
}

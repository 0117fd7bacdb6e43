package oci

import (
	"archive/tar"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFlippedBits flips bits of every file of a store: documents, blobs, opened layers, records of the build cache. What is read
// then is what was stored, or an error; never something else, and never the end of the process. The one exception is an opened
// layer, of which only the header is summed: for the rest it is enough that nothing crashes, and that a deep look finds it.
func TestFlippedBits(t *testing.T) {
	s := newStore(t)
	lower := layerOf(t, tarOf(t, tar.Header{Name: "d/", Typeflag: dir}, tar.Header{Name: "d/f", Size: 3000}, tar.Header{Name: "d/h", Typeflag: link, Linkname: "d/f"}), Gzip)
	upper := layerOf(t, tarOf(t, tar.Header{Name: "d/.wh.h"}, tar.Header{Name: "l", Typeflag: sym, Linkname: "d/f"}, tar.Header{Name: "g", Size: 50}), Zstd)
	mustPut(t, s, imageOf(t, lower, upper), "app")
	check(t, s.Cache().Put(keyOf("step"), &CacheRecord{Text: "step"}, lower))
	want, err := readStore(t, s)
	check(t, err)
	rng := rand.New(rand.NewPCG(3, 4))
	noticed, files := 0, storeFiles(t, s.dir)
	for _, name := range files {
		whole := must(os.ReadFile(name))
		for range min(len(whole), 40) {
			flipped := append([]byte(nil), whole...)
			at := rng.IntN(len(whole))
			flipped[at] ^= 1 << rng.IntN(8)
			check(t, os.Remove(name), os.WriteFile(name, flipped, 0o600)) // another file: the old one is mapped
			got, err := readStore(t, s)
			opened := filepath.Dir(name) == s.layerDir()
			switch {
			case err != nil:
				noticed++
			case opened && string(must(os.ReadFile(name))) == string(flipped):
				if found := must(s.Examine(ExamineOptions{Deep: true})); len(found.Damages) != 1 {
					t.Errorf("byte %d of %s: damages %v", at, name, found.Damages)
				}
			case !cmp.Equal(want, got):
				t.Errorf("bit of byte %d of %s: %s", at, name, cmp.Diff(want, got))
			}
			check(t, removeIfThere(name), os.WriteFile(name, whole, 0o600))
		}
	}
	if len(files) < 8 || noticed < 100 {
		t.Errorf("of %d files, %d flips noticed", len(files), noticed)
	}
	if got, err := readStore(t, s); err != nil || !cmp.Equal(want, got) {
		t.Errorf("mended: %v, %v", got, err)
	}
}

// readStore reads all that a store holds, as a new process would.
func readStore(t *testing.T, old *Store) (map[string]string, error) {
	s, err := Open(old.dir)
	if err != nil {
		return nil, err
	}
	img, err := s.Image("app")
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	root, err := s.Rootfs(img)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	all, err := readable(t, root)
	if err != nil {
		return nil, err
	}
	all["config"] = fmt.Sprint(config)
	record, err := s.Cache().Get(keyOf("step"))
	if err != nil || record == nil {
		return nil, errors.Join(err, errors.New("no record"))
	}
	all["record"] = fmt.Sprint(record.Text, record.Data, record.Layer)
	layer, err := s.Cache().Open(record)
	if err != nil {
		return nil, err
	}
	return all, layer.Close()
}

// readable is a snapshot of a tree in which there may be errors.
func readable(t *testing.T, root *Rootfs) (map[string]string, error) {
	tree := root.FS()
	all := map[string]string{}
	err := fs.WalkDir(tree.IOFS(), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := tree.Lstat("/" + name)
		if err != nil {
			return err
		}
		target, _ := tree.Readlink("/" + name)
		data, _ := tree.ReadFile("/" + name)
		all["/"+name] = fmt.Sprint(st.Mode, st.UID, st.GID, st.Size, st.Mtime, target, string(data))
		return nil
	})
	return all, err
}

func storeFiles(t *testing.T, dir string) (files []string) {
	check(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if info, infoErr := d.Info(); err == nil && infoErr == nil && info.Mode().IsRegular() && info.Size() > 0 {
			files = append(files, name)
		}
		return err
	}))
	return files
}

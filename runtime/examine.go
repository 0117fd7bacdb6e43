package runtime

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"boxer.dev/oci"
	"boxer.dev/runtime/memory"
)

// Examined tells what a close look at a part of a cache has found.
type Examined struct {
	Whole   int
	Damaged []string // files, which are made anew when they are needed, or never used because another boxer made them
}

func (e *Examined) add(name string, err error, repair bool) error {
	if err == nil {
		e.Whole++
		return nil
	}
	e.Damaged = append(e.Damaged, name)
	if repair {
		return os.Remove(name)
	}
	return nil
}

// ExamineCode reads all machine code in Options.CacheDir and compares its checksums. Repairing removes what is damaged.
func ExamineCode(dir string, repair bool) (found Examined, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.code"))
	for _, name := range names {
		err = errors.Join(err, found.add(name, examineEntry(name), repair))
	}
	return found, err
}

func examineEntry(name string) error {
	for _, f := range []form{plain, restorable} {
		e, err := openEntry(name, f)
		if err != nil {
			return err
		}
		err = e.code.check()
		e.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// check reads the code and compares its checksum, which the engine's file has behind it.
func (f engineFile) check() error {
	if len(f.back) < 4 {
		return errDamaged
	}
	sum := crc32.New(castagnoli)
	if _, err := io.Copy(sum, io.NewSectionReader(f.segment.file, f.segment.at, f.segment.size)); err != nil {
		return err
	}
	if sum.Sum32() != binary.LittleEndian.Uint32(f.back) {
		return errDamaged
	}
	return nil
}

// ExamineImages lays the memory images of boxes out once more, and compares them with those in Options.CacheDir. Of images in there
// that no box has nothing is said. Repairing removes what is damaged.
func ExamineImages(dir string, repair bool, boxes iter.Seq[*oci.Rootfs]) (found Examined, err error) {
	scratch, err := os.MkdirTemp("", "boxer-doctor-")
	if err != nil {
		return found, err
	}
	e := &Engine{images: map[memory.Digest]*memory.Image{}, options: Options{CacheDir: scratch}}
	seen := map[memory.Digest]bool{}
	for root := range boxes {
		err = errors.Join(err, e.examineImages(root, dir, repair, seen, &found))
	}
	for _, i := range e.images {
		err = errors.Join(err, i.Close())
	}
	return found, errors.Join(err, os.RemoveAll(scratch))
}

func (e *Engine) examineImages(root *oci.Rootfs, dir string, repair bool, seen map[memory.Digest]bool, found *Examined) error {
	var failures []error
	for at, layer := range root.Layers {
		failures = append(failures, layer.ReservedNames(func(name string, whiteout bool) {
			if whiteout || !strings.HasSuffix(name, imageSuffix) {
				return
			}
			stored, err := layer.ReservedFile(name)
			if err != nil {
				return // the layer's damage, which is told as such
			}
			d, err := memory.DigestOf(stored)
			if err != nil || seen[d] {
				return
			}
			seen[d] = true
			cached := d.String() + imageSuffix
			if _, err := os.Stat(filepath.Join(dir, cached)); errors.Is(err, fs.ErrNotExist) {
				return
			}
			s, err := memory.Parse(stored)
			if err != nil {
				return
			}
			if _, err := e.openImage(root.Layers[:at], s.Module, stored); err != nil {
				failures = append(failures, fmt.Errorf("laying out a memory image: %w", err))
				return
			}
			err = compareFiles(filepath.Join(dir, cached), filepath.Join(e.options.CacheDir, cached))
			failures = append(failures, found.add(filepath.Join(dir, cached), err, repair))
		}))
	}
	return errors.Join(failures...)
}

// compareFiles answers errDamaged for files that differ.
func compareFiles(one, two string) error {
	a, err := os.Open(one)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := os.Open(two)
	if err != nil {
		return err
	}
	defer b.Close()
	const piece = 1 << 20
	x, y := make([]byte, piece), make([]byte, piece)
	for {
		n, err := io.ReadFull(a, x)
		m, _ := io.ReadFull(b, y)
		switch {
		case !bytes.Equal(x[:n], y[:m]):
			return errDamaged
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return err
		}
	}
}

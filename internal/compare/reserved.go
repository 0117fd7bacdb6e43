package compare

import (
	"bytes"
	"errors"
	"path"

	"boxer.dev/vfs"
)

// reserved compares the memory images, which lie in layers and are none of the files that a box sees.
func (d *fileDiff) reserved() error {
	before, err := reservedFiles(d.from.Layers())
	if err != nil {
		return err
	}
	after, err := reservedFiles(d.to.Layers())
	if err != nil {
		return err
	}
	for name, data := range before {
		f := File{Change: Deleted, Path: reservedPath(name), From: reservedEntry(data)}
		if now, ok := after[name]; ok {
			if sameView(data, now) || bytes.Equal(data, now) {
				continue
			}
			f.Change, f.What, f.To = Changed, []string{"contents"}, reservedEntry(now)
		}
		d.tell(f)
	}
	for name, data := range after {
		if _, ok := before[name]; !ok {
			d.tell(File{Change: Added, Path: reservedPath(name), To: reservedEntry(data)})
		}
	}
	return nil
}

func reservedPath(name string) string { return path.Join("/", vfs.Reserved, name) }

func reservedEntry(data []byte) *Entry {
	return &Entry{Kind: "memory image", Size: int64(len(data))}
}

// reservedFiles are the reserved files that count, as views of their layers.
func reservedFiles(layers []*vfs.Layer) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, layer := range layers {
		var failure error
		err := layer.ReservedNames(func(name string, _ bool) {
			data, err := layer.ReservedFile(name)
			if err != nil {
				failure = errors.Join(failure, err)
				return
			}
			delete(files, name)
			if data != nil {
				files[name] = data
			}
		})
		if err := errors.Join(err, failure); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// sameView tells whether two views are of the same memory.
func sameView(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

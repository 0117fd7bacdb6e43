package export

import (
	"archive/tar"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"boxer.dev/oci"
)

// File writes a file by way of another beside it, so that it is never there in part. What is no regular file (a device, a
// pipe) is written to as it is.
func File(name string, write func(io.Writer) error) error {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return intoPlace(name, write)
	default:
		if name, err = filepath.EvalSymlinks(name); err != nil {
			return err
		}
	}
	unfinished := filepath.Join(filepath.Dir(name), ".boxer-"+rand.Text())
	temp, err := os.OpenFile(unfinished, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	err = errors.Join(write(temp), temp.Close())
	if err == nil {
		err = publish(temp.Name(), name, info)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}

// publish gives a finished file its name, with the permissions of the file that was there.
func publish(temp, name string, before fs.FileInfo) error {
	if before != nil {
		if err := os.Chmod(temp, before.Mode().Perm()); err != nil {
			return err
		}
	}
	return os.Rename(temp, name)
}

func intoPlace(name string, write func(io.Writer) error) error {
	file, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

// LayoutDir writes images as an OCI image layout in a directory. Blobs that are there stay.
func LayoutDir(dir string, images ...oci.NamedImage) error {
	root, err := directory(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return layout(images, func(name string, content io.Reader) error {
		if err := writeBlob(root, name, content); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
		return nil
	})
}

// directory opens a directory, which is made if there is none.
func directory(name string) (*os.Root, error) {
	if err := os.MkdirAll(name, 0o777); err != nil {
		return nil, err
	}
	return os.OpenRoot(name)
}

// layout hands over the files of an OCI image layout, one after the other.
func layout(images []oci.NamedImage, file func(name string, content io.Reader) error) error {
	r, w := io.Pipe()
	go func() { w.CloseWithError(oci.Save(w, images...)) }()
	defer r.Close()
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := file(header.Name, archive); err != nil {
			return err
		}
	}
}

func writeBlob(root *os.Root, name string, content io.Reader) error {
	if err := root.MkdirAll(path.Dir(name), 0o777); err != nil {
		return err
	}
	file, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

package builder

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"

	"boxer.dev/vfs"
)

// mountFiles is a file, or a directory and what is in it, of the context or of another stage or image. They are found as those of
// a COPY are.
type mountFiles struct{ *copying }

// digest stands for the files: equal files, equal digest.
func (f mountFiles) digest(ctx context.Context) (string, error) {
	if f.stage.build.opts.Cache == nil {
		return f.digestAll(ctx)
	}
	return f.contents(ctx, []string{"mount", f.what.SourcePaths[0]})
}

// tree gives the files as a path in a tree of their own. Those of the context come as COPY would bring them: less what is
// ignored, with the owner and the times of a box.
func (f mountFiles) tree(ctx context.Context) (*vfs.FS, string, error) {
	if err := f.findAll(ctx); err != nil {
		return nil, "", err
	}
	source := f.found[0]
	if f.origin != nil {
		tree, err := f.origin.tree()
		return tree, path.Join("/", source.path), err
	}
	empty := newStage(f.stage.build, f.stage.node)
	var err error
	if f.edit, err = empty.edit(); err != nil {
		return nil, "", err
	}
	if err := f.one(ctx, source); err != nil {
		return nil, "", errors.Join(err, f.edit.close())
	}
	name := "/"
	if !source.file.isDir() {
		name = path.Join("/", source.base)
	}
	tree, err := empty.written(ctx, f.edit)
	if err == nil && !f.unchanged() {
		err = withHint(errors.New("files changed while they were read"), "build again")
	}
	return tree, name, err
}

// written is the tree that an edit makes, its contents in a file of the build's own.
func (s *stage) written(ctx context.Context, e *edit) (*vfs.FS, error) {
	file := s.build.layerFile()
	n, err := s.write(ctx, e, file)
	if err := errors.Join(err, e.close()); err != nil || n == 0 {
		return vfs.New(), err
	}
	layers, err := s.build.openLayer(file)
	return vfs.New(layers...), err
}

// copyFiles copies what is in a directory of one tree to a directory of another.
func copyFiles(to *vfs.FS, dest string, from *vfs.FS, dir string) error {
	entries, err := from.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, name := range sortedNames(entries) {
		if err := copyFile(to, path.Join(dest, name), from, path.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(to *vfs.FS, dest string, from *vfs.FS, name string) error {
	st, err := from.Lstat(name)
	if err != nil {
		return err
	}
	switch st.Mode.Type() {
	case fs.ModeDir:
		if err := to.Mkdir(dest, st.Mode&permissions); err != nil {
			return err
		}
		return copyFiles(to, dest, from, name)
	case fs.ModeSymlink:
		target, err := from.Readlink(name)
		if err != nil {
			return err
		}
		return to.Symlink(target, dest)
	case 0:
		return copyContent(to, dest, from, name, st.Mode&permissions)
	}
	return nil
}

func copyContent(to *vfs.FS, dest string, from *vfs.FS, name string, mode fs.FileMode) error {
	in, err := from.Open(name, vfs.O_RDONLY|vfs.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := to.Open(dest, vfs.O_WRONLY|vfs.O_CREATE|vfs.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

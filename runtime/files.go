package runtime

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/bmatcuk/doublestar/v4"

	"boxer.dev/vfs"
)

// File is a regular file of a box by its contents.
type File struct {
	Path string      // absolute, or relative to the run's working directory
	Mode fs.FileMode // permissions; 0: 0644
	Data []byte
}

// Collection is what is wanted of the files that a run leaves. The bounds hold for all of its files together.
type Collection struct {
	// Patterns are paths, absolute or relative to the run's working directory, with *, ?, [...], {a,b} and ** as a shell has them.
	// Only regular files of the box itself match; no symlink leads to one.
	Patterns []string
	MaxFiles int   // 0: 100
	MaxBytes int64 // 0: 8 MiB
	// Files are what was found, set when the run ends however it ends, with absolute paths.
	Files []File
	// Omitted tells how many matched and were not taken, for want of room or because they could not be read.
	Omitted int
}

const (
	defaultCollectedFiles = 100
	defaultCollectedBytes = 8 << 20
)

// Bounds are MaxFiles and MaxBytes, or what stands for 0.
func (c *Collection) Bounds() (files int, bytes int64) {
	if files = c.MaxFiles; files == 0 {
		files = defaultCollectedFiles
	}
	if bytes = c.MaxBytes; bytes == 0 {
		bytes = defaultCollectedBytes
	}
	return files, bytes
}

// bring makes files in a tree, with the directories that are missing on the way to them.
func bring(tree *vfs.FS, dir string, files []File, who user) error {
	for _, file := range files {
		name := absolute(dir, file.Path)
		if err := makeDirs(tree, path.Dir(name), who); err != nil {
			return fmt.Errorf("bringing a file: %w", &PlaceError{file.Path, err})
		}
		mode := file.Mode.Perm()
		if mode == 0 {
			mode = 0o644
		}
		err := tree.WriteFile(name, file.Data, mode)
		if err == nil {
			err = tree.Chown(name, int(who.uid), int(who.gid))
		}
		if err != nil {
			return fmt.Errorf("bringing a file: %w", &PlaceError{file.Path, err})
		}
	}
	return nil
}

// makeDirs is mkdir -p for a user.
func makeDirs(tree *vfs.FS, dir string, who user) error {
	if _, err := tree.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := makeDirs(tree, path.Dir(dir), who); err != nil {
		return err
	}
	if err := tree.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return tree.Chown(dir, int(who.uid), int(who.gid))
}

func absolute(dir, name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join("/", dir, name)
}

// collect looks for what is wanted of a tree.
func (c *Collection) collect(tree *vfs.FS, dir string) error {
	c.Files, c.Omitted = nil, 0
	taken := map[string]bool{}
	for _, pattern := range c.Patterns {
		name := absolute(dir, pattern)[1:]
		err := doublestar.GlobWalk(tree.IOFS(), name, func(found string, _ fs.DirEntry) error {
			if stat, err := tree.Lstat("/" + found); err == nil && stat.Mode.IsRegular() && !taken[found] {
				taken[found] = true
				c.take(tree, "/"+found)
			}
			return nil
		}, doublestar.WithNoFollow())
		if err != nil {
			return fmt.Errorf("collecting %q: %w", pattern, err)
		}
	}
	return nil
}

// take reads a file that there is room for. It may grow meanwhile, when the run was cut off.
func (c *Collection) take(tree *vfs.FS, name string) {
	files, room := c.Bounds()
	for _, f := range c.Files {
		room -= int64(len(f.Data))
	}
	f, err := tree.Open(name, vfs.O_RDONLY|vfs.O_NOFOLLOW, 0)
	if err != nil {
		c.Omitted++
		return
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil || !stat.Mode.IsRegular() || stat.Size > room || len(c.Files) >= files {
		c.Omitted++
		return
	}
	data, err := io.ReadAll(io.LimitReader(f, room+1))
	if err != nil || int64(len(data)) > room {
		c.Omitted++
		return
	}
	c.Files = append(c.Files, File{Path: name, Mode: stat.Mode.Perm(), Data: data})
}

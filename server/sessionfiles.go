package server

import (
	"errors"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"syscall"

	"boxer.dev/vfs"
)

// fileList is a directory in JSON.
type fileList struct {
	Entries []fileEntry `json:"entries"`
}

type fileEntry struct {
	Name string `json:"name"`
	Type string `json:"type"` // file, directory, symlink or other
	Size int64  `json:"size"`
}

// maxFile bounds a file that is sent, in bytes.
const maxFile = 64 << 20

// guestPath is where a request's path leads in a box.
func guestPath(r *http.Request) string { return path.Clean("/" + r.PathValue("path")) }

// fileProblem is the problem of an error of a tree.
func fileProblem(name string, err error) error {
	reason := err
	var at *fs.PathError
	if errors.As(err, &at) {
		reason = at.Err
	}
	status, code := http.StatusUnprocessableEntity, "file_error"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		status, code = http.StatusNotFound, "no_such_file"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		status, code = http.StatusInsufficientStorage, "no_room"
	}
	return newProblem(status, code, "%q: %s", name, reason)
}

// inFiles does something with the files of a session.
func (s *Server) inFiles(r *http.Request, do func(tree *vfs.FS, name string) error) error {
	x, done, err := s.sessions.use(keyOf(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	defer done()
	return do(x.live.FS(), guestPath(r))
}

// getFile sends a file as it is, or lists a directory.
func (s *Server) getFile(w http.ResponseWriter, r *http.Request) error {
	return s.inFiles(r, func(tree *vfs.FS, name string) error {
		stat, err := tree.Stat(name)
		switch {
		case err != nil:
			return fileProblem(name, err)
		case stat.IsDir():
			return s.listFiles(w, tree, name)
		}
		data, err := readFile(tree, name)
		if err != nil {
			return err
		}
		// Nothing of a box is to be taken for a page of this server.
		h := w.Header()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(name)}))
		h.Set("Content-Security-Policy", "sandbox")
		s.write(w, http.StatusOK, data)
		return nil
	})
}

// readFile reads a regular file: devices have no end, and a file that a program makes longer than the server's memory need not
// have any contents.
func readFile(tree *vfs.FS, name string) ([]byte, error) {
	f, err := tree.Open(name, vfs.O_RDONLY, 0)
	if err != nil {
		return nil, fileProblem(name, err)
	}
	defer f.Close()
	stat, err := f.Stat()
	switch {
	case err != nil:
		return nil, fileProblem(name, err)
	case !stat.Mode.IsRegular():
		return nil, newProblem(http.StatusUnprocessableEntity, "file_error", "%q is no regular file", name)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fileProblem(name, err)
	case len(data) > maxFile:
		return nil, newProblem(http.StatusUnprocessableEntity, "file_too_large", "%q is larger than %d bytes", name, maxFile)
	}
	return data, nil
}

func (s *Server) listFiles(w http.ResponseWriter, tree *vfs.FS, name string) error {
	entries, err := tree.ReadDir(name)
	if err != nil {
		return fileProblem(name, err)
	}
	list := fileList{[]fileEntry{}}
	for _, entry := range entries {
		e := fileEntry{Name: text([]byte(entry.Name())), Type: "other"}
		switch mode := entry.Type(); {
		case mode.IsRegular():
			e.Type = "file"
			if stat, err := tree.Lstat(path.Join(name, entry.Name())); err == nil {
				e.Size = stat.Size
			}
		case mode.IsDir():
			e.Type = "directory"
		case mode&fs.ModeSymlink != 0:
			e.Type = "symlink"
		}
		list.Entries = append(list.Entries, e)
	}
	return s.writeJSON(w, http.StatusOK, list)
}

// putFile makes a file, with the directories that are missing on the way.
func (s *Server) putFile(w http.ResponseWriter, r *http.Request) error {
	data, err := s.read(w, r)
	if err != nil {
		return err
	}
	return s.inFiles(r, func(tree *vfs.FS, name string) error {
		if stat, err := tree.Stat(name); err == nil && !stat.Mode.IsRegular() {
			return newProblem(http.StatusUnprocessableEntity, "file_error", "%q is no regular file", name)
		}
		err := tree.MkdirAll(path.Dir(name), 0o755)
		if err == nil {
			err = tree.WriteFile(name, data, 0o644)
		}
		if err != nil {
			return fileProblem(name, err)
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

// deleteFile removes a file, or a directory with what is in it.
func (s *Server) deleteFile(w http.ResponseWriter, r *http.Request) error {
	return s.inFiles(r, func(tree *vfs.FS, name string) error {
		if _, err := tree.Lstat(name); err != nil {
			return fileProblem(name, err)
		}
		if err := tree.RemoveAll(name); err != nil {
			return fileProblem(name, err)
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

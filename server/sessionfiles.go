package server

import (
	"errors"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"syscall"

	"boxer.dev/runtime"
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
	case errors.Is(err, runtime.ErrNotRegular):
		return newProblem(status, code, "%q is no regular file", name)
	case errors.Is(err, runtime.ErrTooLarge):
		return newProblem(status, "file_too_large", "%q is larger than %d bytes", name, maxFile)
	case errors.Is(err, fs.ErrNotExist):
		status, code = http.StatusNotFound, "no_such_file"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		status, code = http.StatusInsufficientStorage, "no_room"
	}
	return newProblem(status, code, "%q: %s", name, reason)
}

// inFiles does something with the files of a session.
func (s *Server) inFiles(r *http.Request, do func(files Session, name string) error) error {
	x, done, err := s.sessions.use(keyOf(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	defer done()
	name := guestPath(r)
	err = do(x.live, name)
	var at *fs.PathError
	if errors.As(err, &at) {
		return fileProblem(name, err)
	}
	if err != nil {
		return s.gone(x, err)
	}
	if r.Method != http.MethodGet {
		s.sessions.weigh(x)
	}
	return nil
}

// getFile sends a file as it is, or lists a directory.
func (s *Server) getFile(w http.ResponseWriter, r *http.Request) error {
	return s.inFiles(r, func(files Session, name string) error {
		found, err := files.Read(name, maxFile)
		if err != nil {
			return err
		}
		if found.Dir {
			return s.listFiles(w, found.Entries)
		}
		// Nothing of a box is to be taken for a page of this server.
		h := w.Header()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(name)}))
		h.Set("Content-Security-Policy", "sandbox")
		s.write(w, http.StatusOK, found.Data)
		return nil
	})
}

func (s *Server) listFiles(w http.ResponseWriter, entries []runtime.Entry) error {
	list := fileList{[]fileEntry{}}
	for _, entry := range entries {
		e := fileEntry{Name: text([]byte(entry.Name)), Type: "other", Size: entry.Size}
		switch mode := entry.Mode; {
		case mode.IsRegular():
			e.Type = "file"
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
	if err := s.sessions.room(keyOf(r), s.options.Sessions); err != nil {
		return err
	}
	data, err := s.read(w, r)
	if err != nil {
		return err
	}
	return s.inFiles(r, func(files Session, name string) error {
		if err := files.Write(name, data); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

// deleteFile removes a file, or a directory with what is in it.
func (s *Server) deleteFile(w http.ResponseWriter, r *http.Request) error {
	return s.inFiles(r, func(files Session, name string) error {
		if err := files.Remove(name); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

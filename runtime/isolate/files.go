package isolate

import (
	"bytes"
	"io/fs"
	"math"
	"path"

	"boxer.dev/runtime"
)

// Files cross whole: those that a run begins with in its request, those that are wanted of it in its result.

func appendFiles(b []byte, files []runtime.File) []byte {
	b = appendNumber(b, len(files))
	for _, f := range files {
		b = appendNumber(appendText(b, f.Path), int(f.Mode.Perm()))
		b = append(appendNumber(b, len(f.Data)), f.Data...)
	}
	return b
}

// files gives copies, since messages are overwritten.
func (p *parser) files() []runtime.File {
	n := p.number(len(p.rest))
	var files []runtime.File
	for range n {
		f := runtime.File{Path: p.text(), Mode: fs.FileMode(p.number(int(fs.ModePerm)))}
		if f.Data = bytes.Clone(p.bytes()); p.failed {
			return nil
		}
		files = append(files, f)
	}
	return files
}

// wanted is what a request says of the files that are wanted.
type wanted struct {
	patterns []string
	maxFiles int
	maxBytes int64
}

func newWanted(c *runtime.Collection) (w wanted) {
	if c == nil {
		return wanted{}
	}
	w.patterns = c.Patterns
	w.maxFiles, w.maxBytes = c.Bounds()
	w.maxBytes = min(w.maxBytes, maxTold*3/4) // the rest is for their names, and the other things that a result says
	return w
}

func (w wanted) append(b []byte) []byte {
	b = appendTexts(b, w.patterns)
	return appendNumber(appendNumber(b, max(w.maxFiles, 0)), max(w.maxBytes, 0))
}

func (p *parser) wanted() wanted {
	return wanted{patterns: p.texts(), maxFiles: p.number(math.MaxInt), maxBytes: int64(p.number(math.MaxInt))}
}

func (w wanted) collection() *runtime.Collection {
	if len(w.patterns) == 0 {
		return nil
	}
	return &runtime.Collection{Patterns: w.patterns, MaxFiles: w.maxFiles, MaxBytes: w.maxBytes}
}

// collected takes what a worker says that it found. One that gives more than it may, or what cannot be a path, lies.
func collected(c *runtime.Collection, files []runtime.File, omitted int) error {
	if c == nil || len(c.Patterns) == 0 {
		if len(files) > 0 || omitted > 0 {
			return errProtocol
		}
		return nil
	}
	most, room := c.Bounds()
	for _, f := range files {
		if room -= int64(len(f.Data)); room < 0 || !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path {
			return errProtocol
		}
	}
	if len(files) > most {
		return errProtocol
	}
	c.Files, c.Omitted = files, omitted
	return nil
}

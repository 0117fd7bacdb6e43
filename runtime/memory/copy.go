package memory

import "errors"

// errSize is how CopyFrom refuses.
var errSize = errors.New("the memories differ in size or image")

// CopyFrom makes the memory equal to another one of the same image, or of none, and the same size: its pages that are not
// the image's are copied. Nothing may change either of them meanwhile. It gives the number of pages of PageSize bytes.
// m must be as its image has it, or zero.
func (m *Memory) CopyFrom(from *Memory) (pages int, err error) {
	if m.image != from.image || m.length() != from.length() {
		return 0, errSize
	}
	runs, err := from.own()
	if err != nil {
		return 0, err
	}
	to, source := m.Bytes(), from.Bytes()
	for _, r := range runs {
		copy(to[r.from:r.to], source[r.from:r.to])
		pages += int(r.to-r.from) / PageSize
	}
	return pages, nil
}

// span is a part of a memory: the offset of its first byte, and that of the first byte behind it.
type span struct{ from, to uint64 }

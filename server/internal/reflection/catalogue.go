package reflection

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// catalogue is what clients are told of.
type catalogue struct {
	services []string
	files    func() (map[string][]byte, error) // what a compiler made of .proto files, by their paths: a FileDescriptorProto each
}

// newCatalogue prepares to read the files of messages when the first client asks: few servers are ever asked.
func newCatalogue(services []string, messages []proto.Message) *catalogue {
	return &catalogue{services, sync.OnceValues(func() (map[string][]byte, error) {
		files := map[string][]byte{}
		for _, m := range messages {
			path := m.ProtoReflect().Descriptor().ParentFile().Path()
			descriptor, err := compiled(m)
			if err != nil {
				return nil, fmt.Errorf("reading the description of %s: %w", path, err)
			}
			files[path] = descriptor
		}
		return files, nil
	})}
}

// compiled is the file that a message is in, as its package carries it. The method of generated messages that gives it is called
// deprecated in favour of one whose result only package descriptorpb turns into bytes again.
func compiled(m proto.Message) ([]byte, error) {
	compressed, _ := m.(interface{ Descriptor() ([]byte, []int) }).Descriptor()
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// named gives the file at a path and those it imports; nothing if there is none.
func (c *catalogue) named(path string) ([][]byte, error) {
	f, err := protoregistry.GlobalFiles.FindFileByPath(path)
	if err != nil {
		return nil, nil
	}
	return c.whole(f)
}

// defining gives the file that says what a name means, and those it imports; nothing if there is none.
func (c *catalogue) defining(name string) ([][]byte, error) {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return nil, nil
	}
	return c.whole(d.ParentFile())
}

// whole gives a file and those it imports; nothing if it is none of the catalogue's.
func (c *catalogue) whole(f protoreflect.FileDescriptor) ([][]byte, error) {
	files, err := c.files()
	if err != nil || files[f.Path()] == nil {
		return nil, err
	}
	found, seen := [][]byte{}, map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		found = append(found, files[f.Path()])
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
	}
	add(f)
	return found, nil
}

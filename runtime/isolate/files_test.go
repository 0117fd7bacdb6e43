package isolate

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boxer.dev/runtime"
)

func TestFilesCross(t *testing.T) {
	want := []runtime.File{{Path: "/a", Mode: 0o644, Data: []byte("x")}, {Path: "b/c", Data: []byte{}}}
	p := parser{rest: appendFiles(nil, want)}
	if got := p.files(); p.end() != nil || !cmp.Equal(want, got) {
		t.Errorf("got %v", got)
	}
}

// TestCollectedLies: a worker has no say in what it may give.
func TestCollectedLies(t *testing.T) {
	c := &runtime.Collection{Patterns: []string{"*"}, MaxFiles: 1, MaxBytes: 3}
	for name, files := range map[string][]runtime.File{
		"too many":         {{Path: "/a"}, {Path: "/b"}},
		"too large":        {{Path: "/a", Data: []byte("1234")}},
		"a relative path":  {{Path: "a"}},
		"a path upwards":   {{Path: "/../a"}},
		"no path":          {{}},
		"a path not clean": {{Path: "/a//b"}},
	} {
		if err := collected(c, files, 0); !errors.Is(err, errProtocol) || c.Files != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := collected(nil, nil, 1); !errors.Is(err, errProtocol) {
		t.Errorf("nothing was wanted: %v", err)
	}
	if err := collected(c, []runtime.File{{Path: "/a", Data: []byte("123")}}, 2); err != nil || len(c.Files) != 1 || c.Omitted != 2 {
		t.Errorf("what is allowed: %v, %+v", err, c)
	}
}

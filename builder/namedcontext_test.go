package builder

import (
	"context"
	"testing"
)

// A named context is what RUN --mount=from=NAME finds under its name, too.
func TestNamedContextAsSource(t *testing.T) {
	tree, _ := openTree(t, "dir/file")
	opts := Options{Boxfile: mustParse(t, "FROM scratch\n"), Contexts: map[string]NamedContext{"Data:latest": {Dir: tree.root}}}
	b, err := newBuild(opts)
	if err != nil {
		t.Fatal(err)
	}
	b.temp = t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b.plan(ctx, cancel)
	s, err := b.source(ctx, "data", &stage{build: b, node: b.nodes[0]})
	if err != nil {
		t.Fatal(err)
	}
	files, err := s.tree()
	if err != nil {
		t.Fatal(err)
	}
	if data, err := files.ReadFile("/dir/file"); err != nil || string(data) != "dir/file" {
		t.Errorf("got %q, %v", data, err)
	}
	if err := closeAll(b.opened); err != nil {
		t.Error(err)
	}
}

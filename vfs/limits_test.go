package vfs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
)

func TestLimits(t *testing.T) {
	layer := layerOf(t, []Entry{file("big"), file("a"), file("b"), dir("d"), file("d/x")}, map[string]string{"big": strings.Repeat("b", 1<<20)})
	fill := func(f *FS) error {
		for i := range 10_000 {
			if err := f.WriteFile(fmt.Sprintf("/file%d", i), nil, 0o644); err != nil {
				return err
			}
		}
		return nil
	}
	tests := []struct {
		name   string
		limits Limits
		do     func(f *FS) error
	}{
		{"bytes of a file", Limits{Bytes: 100 << 10}, func(f *FS) error { return f.WriteFile("/f", make([]byte, 200<<10), 0o644) }},
		{"bytes in small steps", Limits{Bytes: 100 << 10}, func(f *FS) error {
			h := open(t, f, "/f", O_WRONLY|O_CREATE)
			for range 200 << 10 {
				if _, err := h.Write([]byte("x")); err != nil {
					return err
				}
			}
			return nil
		}},
		// bashkit #1264, #1183: limits that count bytes alone, or not a copy-up.
		{"files", Limits{Files: 100}, fill},
		{"files by bytes", Limits{Bytes: 100 << 10}, fill},
		{"directories", Limits{Files: 10}, func(f *FS) error { return f.MkdirAll("/"+strings.Repeat("d/", 20), 0o755) }},
		{"symlinks", Limits{Bytes: 50 << 10}, func(f *FS) error {
			for range 100 {
				if err := f.Symlink(strings.Repeat("t", 4000), fmt.Sprint("/s", f.Used().Bytes)); err != nil {
					return err
				}
			}
			return nil
		}},
		{"hard links", Limits{Bytes: 50 << 10}, func(f *FS) error {
			for range 10_000 {
				if err := f.Link("/a", fmt.Sprint("/link", f.Used().Bytes)); err != nil {
					return err
				}
			}
			return nil
		}},
		{"copy-up of data", Limits{Bytes: 300 << 10}, func(f *FS) error {
			h := open(t, f, "/big", O_RDWR)
			for off := int64(0); off < 1<<20; off += 4 << 10 {
				if _, err := h.WriteAt([]byte("x"), off); err != nil {
					return err
				}
			}
			return nil
		}},
		{"copy-up of metadata", Limits{Files: 2}, func(f *FS) error {
			return errors.Join(f.Chmod("/a", 0o600), f.Chmod("/b", 0o600), f.Chmod("/big", 0o600))
		}},
		{"allocation", Limits{Bytes: 100 << 10}, func(f *FS) error {
			return open(t, f, "/f", O_WRONLY|O_CREATE).Allocate(0, 1<<40)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := New(layer)
			f.Configure(Config{Limits: tt.limits})
			wantErrno(t, "at the limit", tt.do(f), syscall.ENOSPC)
			used := f.Used()
			if l := tt.limits; l.Bytes > 0 && used.Bytes > l.Bytes || l.Files > 0 && used.Files > l.Files {
				t.Errorf("used %+v of %+v", used, l)
			}
			wantErrno(t, "in a fork", tt.do(f.Fork()), syscall.ENOSPC)
			ents, err := f.ReadDir("/")
			must(t, err)
			for _, e := range ents {
				must(t, f.RemoveAll("/"+e.Name()))
			}
			// What is left is the root, which was changed, and files still open.
			if used := f.Used(); used.Files > 2 {
				t.Errorf("used after removing all: %+v", used)
			}
		})
	}
}

// TestLimitFillsExactly: a write goes as far as there is room.
func TestLimitFillsExactly(t *testing.T) {
	f := New()
	f.Configure(Config{Limits: Limits{Bytes: 50_000}})
	h := open(t, f, "/f", O_RDWR|O_CREATE)
	n, err := h.Write(make([]byte, 100_000))
	wantErrno(t, "write", err, syscall.ENOSPC)
	if s, err := h.Stat(); err != nil || s.Size != int64(n) || n < 45_000 {
		t.Errorf("wrote %d, size %d, %v", n, s.Size, err)
	}
	if used := f.Used().Bytes; used != 50_000 {
		t.Errorf("used %d", used)
	}
	must(t, h.Truncate(0))
	if n, err := h.WriteAt(make([]byte, 10_000), 0); n != 10_000 || err != nil {
		t.Errorf("after truncation: %d, %v", n, err)
	}
}

// TestUsageBalances: whatever happened, removing everything gives it all back.
func TestUsageBalances(t *testing.T) {
	for seed := range uint64(20) {
		c := &changer{rng: rand.New(rand.NewPCG(seed, 4)), f: New(), now: 1}
		for range 500 {
			c.change()
			if c.rng.IntN(50) == 0 {
				c.f = c.f.Fork()
			}
		}
		ents, err := c.f.ReadDir("/")
		must(t, err)
		for _, e := range ents {
			must(t, c.f.RemoveAll("/"+e.Name()))
		}
		if used := c.f.Used(); used.Files > 1 || used.Bytes > inodeCost {
			t.Errorf("seed %d: used %+v", seed, used)
		}
	}
}

func TestDeepDirectories(t *testing.T) {
	f := New()
	d := f.Root()
	depth := 0
	for ; depth < 3000; depth++ {
		if err := d.MkdirAt("d", 0o755, 0); err != nil {
			wantErrno(t, "depth", err, syscall.ENAMETOOLONG)
			break
		}
		next, err := d.OpenAt("d", O_RDONLY, 0, 0)
		must(t, err)
		must(t, d.Close())
		d = next
	}
	must(t, d.Close())
	if depth != MaxDepth {
		t.Errorf("depth %d", depth)
	}
	must(t, f.RemoveAll("/d"))
}

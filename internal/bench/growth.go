package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/oci"
	"boxer.dev/runtime"
	"boxer.dev/vfs"
)

// growth compares runs of two programs that differ in nothing but the size of their memory images.
func (s Start) growth(ctx context.Context, r *Section) (err error) {
	dir, err := os.MkdirTemp(s.TempDir, "boxer-bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	engine, err := runtime.New(ctx, runtime.Options{CacheDir: filepath.Join(dir, "cache")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	var boxes []*runtime.Box
	for _, megabytes := range []uint32{20, 200} {
		box, err := sizedBox(ctx, engine, dir, megabytes)
		if err != nil {
			return err
		}
		boxes = append(boxes, box)
	}
	samples := make([]Sample, len(boxes))
	for round := range s.rounds(500) + 3 {
		for i, box := range boxes {
			var stats runtime.Stats
			start := time.Now()
			if err := box.Run(ctx, &runtime.Cmd{Args: []string{"/program"}, Stats: &stats}); err != nil {
				return err
			}
			took := microseconds(time.Since(start))
			if stats.Restored != 1 {
				return errors.New("a program was started without its image")
			}
			if round >= 3 { // the first are warm-up
				samples[i] = append(samples[i], took)
			}
		}
	}
	ratio, err := samples[1].Over(samples[0])
	if err != nil {
		return err
	}
	r.add(Line{Key: "restore_growth", What: "restoring 200 MB against 20 MB", Unit: "×", Figure: figure(ratio), Goal: "≤ 1.5"})
	return nil
}

// sizedBox makes a box with a program and an image of its memory, which has that many megabytes (10^6 bytes), none zero.
func sizedBox(ctx context.Context, engine *runtime.Engine, dir string, megabytes uint32) (*runtime.Box, error) {
	program, err := writeLayer(dir, "program", sizedProgram(megabytes*1_000_000/(64<<10)+1))
	if err != nil {
		return nil, err
	}
	root := &oci.Rootfs{Config: &v1.ConfigFile{}, Layers: []*vfs.Layer{program}}
	box, err := engine.Load(root)
	if err != nil {
		return nil, err
	}
	var stored bytes.Buffer
	taken, err := box.Capture(ctx, &runtime.Cmd{Args: []string{"/program"}}, &stored)
	if err != nil {
		return nil, err
	}
	image, err := writeLayer(dir, vfs.Reserved+"/"+runtime.ImageName(taken.Module), stored.Bytes())
	if err != nil {
		return nil, err
	}
	root.Layers = append(root.Layers, image)
	return engine.Load(root)
}

// writeLayer makes a layer with one file.
func writeLayer(dir, name string, contents []byte) (*vfs.Layer, error) {
	file, err := os.CreateTemp(dir, "layer")
	if err != nil {
		return nil, err
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	w, err := vfs.CreateLayer(file.Name())
	if err != nil {
		return nil, err
	}
	err = w.Add(vfs.Entry{Path: name, Mode: 0o755, Size: int64(len(contents))}, bytes.NewReader(contents))
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return vfs.OpenLayer(file.Name())
}

// sizedProgram is a module whose wizer.initialize fills a memory of that many pages with ones, and whose _start writes to
// a hundred places of it, as far apart from each other as in any other size: 16 KiB.
func sizedProgram(pages uint32) []byte {
	const i32Const, end, loop, void = 0x41, 0x0b, 0x03, 0x40
	fill := []byte{0x00, i32Const, 0, i32Const, 1}                                      // no locals; address, value
	fill = append(signed(append(fill, i32Const), int64(pages)<<16), 0xfc, 0x0b, 0, end) // memory.fill
	// local 0 from 1638400 down in steps of 16384: store a byte there
	start := signed([]byte{0x01, 0x01, 0x7f, i32Const}, 100<<14)
	start = append(start, 0x21, 0, loop, void, 0x20, 0, i32Const, 2, 0x3a, 0, 0, 0x20, 0)
	start = append(signed(append(start, i32Const), 1<<14), 0x6b, 0x22, 0, 0x0d, 0, end, end)
	module := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range []struct {
		id       byte
		contents []byte
	}{
		{1, []byte{1, 0x60, 0, 0}}, // () -> ()
		{3, []byte{2, 0, 0}},       // two functions of that type
		{5, binary.AppendUvarint([]byte{1, 0}, uint64(pages))},
		{7, exports("wizer.initialize", "_start")},
		{10, bodies(fill, start)},
	} {
		module = append(binary.AppendUvarint(append(module, s.id), uint64(len(s.contents))), s.contents...)
	}
	return module
}

// exports gives functions their names, in their order.
func exports(names ...string) []byte {
	section := []byte{byte(len(names))}
	for i, name := range names {
		section = append(append(append(section, byte(len(name))), name...), 0, byte(i))
	}
	return section
}

func bodies(code ...[]byte) []byte {
	section := []byte{byte(len(code))}
	for _, body := range code {
		section = append(binary.AppendUvarint(section, uint64(len(body))), body...)
	}
	return section
}

// signed appends a number as signed LEB128 (core specification, 5.2.2).
func signed(b []byte, n int64) []byte {
	for {
		low := byte(n & 0x7f)
		n >>= 7
		if n == 0 && low&0x40 == 0 || n == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

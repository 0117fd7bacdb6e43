//go:build linux && (amd64 || arm64)

package memory

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func testImage(t *testing.T, size int) *Image {
	t.Helper()
	contents := make([]byte, size)
	for at := 0; at < size; at += 3 * PageSize {
		contents[at] = 1
	}
	var b bytes.Buffer
	if _, _, err := Encode(&b, &Header{Size: uint64(size)}, contents, nil); err != nil {
		t.Fatal(err)
	}
	s, err := Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	i, err := Cache{}.Open(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	return i
}

// testMemory makes a memory of an image.
func testMemory(t *testing.T, size int) (*Image, *Memory) {
	t.Helper()
	i := testImage(t, size)
	m, err := i.New(uint64(size))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Free)
	return i, m
}

// The scan that new kernels have and the table that all have find the same pages: written ones, whether the image has
// something there or a hole, and none that were only read.
func TestScanAndPagemapAgree(t *testing.T) {
	i, m := testMemory(t, 4<<20)
	file, err := pagemap()
	if err != nil {
		t.Fatalf("this test needs /proc: %v", err)
	}
	b := m.Reallocate(i.Size)
	sum := byte(0)
	for at := range b {
		sum += b[at]
	}
	want := []span{}
	for page := uint64(1); page < i.Size/hostPage; page += page%5 + 1 {
		b[page*hostPage] = sum
		want = appendPage(want, page*hostPage)
	}
	read, err := m.readPagemap(file)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(read, want) {
		t.Errorf("the table tells %v, want %v", read, want)
	}
	scanned, err := m.scan(file)
	if errors.Is(err, unix.ENOTTY) {
		t.Skip("this kernel has no PAGEMAP_SCAN (Linux 6.7)")
	}
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(scanned, want) {
		t.Errorf("the scan tells %v, want %v", scanned, want)
	}
}

// More runs of pages than one call of the scan can tell.
func TestScanOfManyRuns(t *testing.T) {
	i, m := testMemory(t, 8<<20)
	b := m.Reallocate(i.Size)
	for at := uint64(0); at < i.Size; at += 2 * hostPage {
		b[at] = 0xff
	}
	runs, err := m.written()
	if err != nil {
		t.Fatal(err)
	}
	if uint64(len(runs)) != i.Size/hostPage/2 {
		t.Errorf("%d runs, want %d", len(runs), i.Size/hostPage/2)
	}
}

// Written pages that the kernel has moved to swap are written pages (wasmtime #14357). Where there is no swap, asking for
// them to be moved has no effect, and the pages are found present.
func TestWrittenPagesInSwapAreFound(t *testing.T) {
	i, m := testMemory(t, 1<<20)
	b := m.Reallocate(i.Size)
	for at := uint64(0); at < i.Size; at += hostPage {
		b[at] = 0xff
	}
	if err := unix.Madvise(b, unix.MADV_PAGEOUT); err != nil {
		t.Logf("the kernel moves nothing out: %v", err)
	}
	if _, err := m.Reset(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, i.bytes) {
		t.Error("the memory is not as the image")
	}
}

// The same by a table of pages that we made, since most machines for tests have no swap.
func TestSwappedEntriesAreWrittenPages(t *testing.T) {
	_, m := testMemory(t, 1<<20)
	table, err := os.Create(filepath.Join(t.TempDir(), "pagemap"))
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	first := int64(uint64(m.base()) / hostPage * 8)
	if err := table.Truncate(first + int64(m.size/hostPage*8)); err != nil {
		t.Fatal(err)
	}
	for page, entry := range map[int64]uint64{
		1: 1 << 62, 2: 1 << 63, 4: 1<<62 | 1<<61, 5: 1<<63 | 1<<61, 7: 1<<62 | 5, // as in Documentation/admin-guide/mm/pagemap.rst
	} {
		if _, err := table.WriteAt(binary.LittleEndian.AppendUint64(nil, entry), first+page*8); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := m.readPagemap(table)
	want := []span{{hostPage, 3 * hostPage}, {7 * hostPage, 8 * hostPage}}
	if err != nil || !slices.Equal(runs, want) {
		t.Errorf("%v, %v; want %v", runs, err, want)
	}
}

// A kernel or a sandbox without /proc: the image is mapped anew.
func TestResetWithoutPagemap(t *testing.T) {
	i, m := testMemory(t, 1<<20)
	b := m.Reallocate(i.Size)
	for at := range b {
		b[at] = 0xff
	}
	if err := m.remap(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, i.bytes) {
		t.Error("the memory is not as the image")
	}
}

// A reset without a search happens only where no further page was written, by the program or by the system on its behalf.
func TestResetKnownPagesOnly(t *testing.T) {
	i, m := testMemory(t, 4<<20)
	b := m.Reallocate(i.Size)
	null, err := unix.Open("/dev/zero", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(null)
	writes := map[string]func(page int){
		"program": func(page int) { b[page*PageSize+9] = 7 },
		"system": func(page int) {
			b[page*PageSize] = 7 // a page of its own for what the next line copies
			if _, err := unix.Read(null, b[(page+1)*PageSize:(page+2)*PageSize]); err != nil {
				t.Fatal(err)
			}
		},
	}
	page, quick := 0, 0
	for round := range 200 {
		for name, write := range writes {
			fresh := round%4 == 0
			if fresh {
				page += 3
			}
			write(page)
			_, ok := m.ResetKnown()
			if ok && fresh {
				t.Fatalf("the %s wrote to a further page, and nobody looked for it", name)
			}
			if ok {
				quick++
			} else if _, err := m.Reset(); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b, i.Bytes()) {
				t.Fatalf("round %d, %s: not reset", round, name)
			}
		}
	}
	if quick == 0 && !scanless.Load() {
		t.Error("every reset searched")
	}
}

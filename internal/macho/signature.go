package macho

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"
)

// Numbers of <kern/cs_blobs.h>. What a signature consists of is big-endian.
const (
	magicSignature = 0xfade0cc0 // CSMAGIC_EMBEDDED_SIGNATURE
	magicDirectory = 0xfade0c02 // CSMAGIC_CODEDIRECTORY
	slotDirectory  = 0          // CSSLOT_CODEDIRECTORY
	withExecSeg    = 0x20400    // CS_SUPPORTSEXECSEG
	flagAdHoc      = 0x2        // CS_ADHOC
	flagLinker     = 0x20000    // CS_LINKER_SIGNED: codesign(1) may replace it unasked
	hashSHA256     = 2          // CS_HASHTYPE_SHA256
	mainBinary     = 1          // CS_EXECSEG_MAIN_BINARY
	pageBits       = 12

	signatureAlign = 16
	wrapperSize    = 12 + 8 // the signature's own head, and one entry of its index
	directorySize  = 88
)

// codeDirectory is a signature that has the hash of each page of a file and no more. The pages are written to it.
type codeDirectory struct {
	identifier string
	limit      int64 // bytes that are signed
	text       []byte
	pages      []byte // hashes
	page       hash.Hash
	inPage     int
}

func newCodeDirectory(identifier string, limit int64, text []byte) *codeDirectory {
	return &codeDirectory{identifier: identifier, limit: limit, text: text, page: sha256.New()}
}

func (d *codeDirectory) slots() int64 { return (d.limit + 1<<pageBits - 1) >> pageBits }

// hashOffset is where hashes begin in the directory.
func (d *codeDirectory) hashOffset() int64 { return directorySize + int64(len(d.identifier)) + 1 }

func (d *codeDirectory) size() int64 { return wrapperSize + d.hashOffset() + d.slots()*sha256.Size }

func (d *codeDirectory) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		piece := p[:min(len(p), 1<<pageBits-d.inPage)]
		d.page.Write(piece)
		if d.inPage += len(piece); d.inPage == 1<<pageBits {
			d.endPage()
		}
		p = p[len(piece):]
	}
	return written, nil
}

func (d *codeDirectory) endPage() {
	d.pages = d.page.Sum(d.pages)
	d.page.Reset()
	d.inPage = 0
}

// writeTo writes the signature, once all pages are known.
func (d *codeDirectory) writeTo(w io.Writer) error {
	if d.inPage > 0 {
		d.endPage()
	}
	put := binary.BigEndian.AppendUint32
	head := make([]byte, 0, wrapperSize+d.hashOffset())
	for _, word := range []uint32{
		magicSignature, uint32(d.size()), 1, slotDirectory, wrapperSize,
		magicDirectory, uint32(d.size() - wrapperSize), withExecSeg, flagAdHoc | flagLinker,
		uint32(d.hashOffset()), directorySize, 0 /* special slots */, uint32(d.slots()), uint32(d.limit),
	} {
		head = put(head, word)
	}
	head = append(head, sha256.Size, hashSHA256, 0 /* platform */, pageBits)
	for range 4 { // spare, scatter, team, spare
		head = put(head, 0)
	}
	textOffset, textSize := order.Uint64(d.text[40:]), order.Uint64(d.text[48:])
	for _, long := range []uint64{0 /* limit of 64 bits, for larger files */, textOffset, textSize, mainBinary} {
		head = binary.BigEndian.AppendUint64(head, long)
	}
	head = append(append(head, d.identifier...), 0)
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.Write(d.pages)
	return err
}

package wazero_test

import (
	"encoding/binary"
	"slices"
)

// program is a module that accesses memory in every way, as a string of dice says, and that ends soon.
type program struct {
	dice     []byte
	imported bool   // its memory is another module's
	declared uint32 // pages that the memory has at least
	actual   uint32 // pages that it begins with
	most     uint64 // pages that it may have
	calls    [][]uint64
	module   []byte

	code   []byte
	callee byte // the function that may be called, 0 if none
	left   int  // statements that this function may yet have
	loops  byte // around the code that is being made
	labels byte // of blocks around it, those of loops aside
}

const (
	i32, i64, f32, f64, v128 = 0x7f, 0x7e, 0x7d, 0x7c, 0x7b

	mostPages = 65535 // with one more wazero believes that the memory is empty
)

// Functions have these locals. The first six are the parameters; the last two count loops.
var localTypes = []byte{i32, i32, i32, i32, i64, i64, i32, i32, i32, i32, i32, i32, i32, i32, i64, i64, i64, i64, i64, i64,
	f32, f32, f64, f64, v128, v128, i32, i32}

const parameters, firstCounter = 6, 26

// Some locals hold addresses that exist, as most do in programs, and are used again and again.
const (
	firstPlace = 10
	places     = 4
)

// Functions are these; the first is the host's. A function calls only what follows it.
const host, first, last = 0, 1, 3

// generate makes a program. Where the dice run out, everything is as simple as it can be.
func generate(dice []byte, large bool) *program {
	p := &program{dice: dice}
	p.most = 8
	sizes := []uint32{1, 2, 1, 0}
	if large {
		p.most = mostPages
		sizes = append(sizes, 32768, 32769, 49152, mostPages)
	}
	p.imported = p.roll(4) == 3
	p.declared = sizes[p.roll(len(sizes))]
	p.actual = p.declared
	if p.imported && p.declared < mostPages {
		p.actual += uint32(p.roll(2))
	}
	for range 1 + p.roll(3) {
		p.calls = append(p.calls, []uint64{p.number(), p.number(), p.number(), p.number(), p.number() << p.roll(33), p.number()})
	}
	var bodies [][]byte
	for f := byte(last); f >= first; f-- { // the first function has what is left of the dice
		bodies = append(bodies, p.function(f))
	}
	slices.Reverse(bodies)
	p.module = p.encode(bodies)
	return p
}

// roll gives a number below n.
func (p *program) roll(n int) int {
	if len(p.dice) == 0 {
		return 0
	}
	d := p.dice[0]
	p.dice = p.dice[1:]
	return int(d) % n
}

// known are addresses at which something begins or ends.
func (p *program) known() []uint32 {
	return []uint32{0, p.declared << 16, p.actual << 16, 1 << 16, 1 << 31, 3 << 30, mostPages << 16}
}

// number gives a number that may be an address near an end of something.
func (p *program) number() uint64 {
	near := p.known()
	at := near[p.roll(len(near))]
	if p.roll(2) == 0 {
		return uint64(at + uint32(p.roll(40)))
	}
	return uint64(at - uint32(p.roll(40)))
}

// offset gives the offset of an access.
func (p *program) offset() uint64 {
	switch p.roll(16) {
	default:
		return 0
	case 1, 2, 3:
		return uint64(p.roll(256))
	case 4:
		return uint64(p.roll(256)) << 8
	case 5:
		return p.number()
	}
}

func (p *program) emit(code ...byte) { p.code = append(p.code, code...) }

func (p *program) unsigned(op byte, immediates ...uint64) {
	p.emit(op)
	for _, n := range immediates {
		p.code = binary.AppendUvarint(p.code, n)
	}
}

func (p *program) constant(t byte, n uint64) {
	if t == i32 {
		p.emit(0x41)
		p.code = appendSigned(p.code, int64(int32(n)))
	} else {
		p.emit(0x42)
		p.code = appendSigned(p.code, int64(n))
	}
}

// local gives a local of a type, to be used for anything.
func (p *program) local(t byte) byte {
	var of []byte
	for i, have := range localTypes {
		if i := byte(i); have == t && (i < firstPlace || i >= firstPlace+places && i < firstCounter) {
			of = append(of, i)
		}
	}
	return of[p.roll(len(of))]
}

// place gives a local that holds an address.
func (p *program) place() byte { return firstPlace + byte(p.roll(places)) }

// function makes a body: what the dice say, with a result that depends on every local.
func (p *program) function(f byte) []byte {
	p.code, p.callee, p.left, p.loops, p.labels = nil, (f+1)%(last+1), 10*int(last+2-f), 0, 0
	for i := range byte(places) {
		p.existing(0)
		p.emit(0x21, firstPlace+i)
	}
	for i, t := range localTypes[:firstCounter] {
		if (t == i32 || t == i64) && i >= parameters && (i < firstPlace || i >= firstPlace+places) {
			p.expression(t, 1)
			p.emit(0x21, byte(i))
		}
	}
	for p.left > 0 && len(p.dice) > int(f-first)*100 {
		p.statements()
	}
	p.emit(0x42, 0)
	for i, t := range localTypes {
		p.emit(0x42, 7, 0x89, 0x20, byte(i)) // i64.rotl
		switch t {
		case i32:
			p.emit(0xad) // i64.extend_i32_u
		case f32:
			p.emit(0xbc, 0xad) // i32.reinterpret_f32
		case f64:
			p.emit(0xbd) // i64.reinterpret_f64
		case v128:
			p.emit(0xfd, 29, 0, 0x20, byte(i), 0xfd, 29, 1, 0x85) // i64x2.extract_lane, i64.xor
		}
		p.emit(0x85)
	}
	head := []byte{byte(len(localTypes) - parameters)}
	for _, t := range localTypes[parameters:] {
		head = append(head, 1, t)
	}
	return sized(head, p.code, []byte{0x0b})
}

// statements makes one statement, with those within it.
func (p *program) statements() {
	p.left--
	switch p.roll(15) {
	default:
		p.store()
	case 0, 1, 2, 3:
		t := []byte{i32, i32, i64, f32, f64, v128}[p.roll(6)]
		p.expression(t, 3)
		p.emit(0x21, p.local(t))
	case 4:
		p.loop()
	case 5, 6:
		p.conditional()
	case 7:
		if p.labels > 0 {
			p.expression(i32, 2)
			p.emit(0x0d, p.labels-1) // br_if
		}
	case 8:
		p.grow()
		p.emit(0x21, p.local(i32))
	case 9:
		p.expression(i32, 2)
		p.emit(0x24, 0) // global.set
	case 10:
		p.bulk()
	case 11:
		p.existing(2)
		p.emit(0x21, p.place())
	}
}

func (p *program) few() {
	for range 1 + p.roll(4) {
		if p.left > 0 {
			p.statements()
		}
	}
}

func (p *program) loop() {
	if p.loops == 2 {
		return
	}
	counter := firstCounter + p.loops
	p.loops++
	labels := p.labels
	p.labels = 0 // a branch out of it is one of a block in it
	p.emit(0x41, 0, 0x21, counter, 0x03, 0x40)
	p.few()
	p.emit(0x20, counter, 0x41, 1, 0x6a, 0x22, counter, 0x41, 3, 0x49, 0x0d, 0, 0x0b) // up to 3 times
	p.labels = labels
	p.loops--
}

func (p *program) conditional() {
	p.labels++
	if p.roll(2) == 0 {
		p.emit(0x02, 0x40)
		p.few()
	} else {
		p.expression(i32, 2)
		p.emit(0x04, 0x40)
		p.few()
		if p.roll(2) == 1 {
			p.emit(0x05)
			p.few()
		}
	}
	p.emit(0x0b)
	p.labels--
}

func (p *program) grow() {
	pages := []uint64{0, 1, 2, 32767, 65536}
	p.constant(i32, pages[p.roll(len(pages))])
	p.emit(0x40, 0)
}

// bulk fills or copies a little, or what is too much for any memory.
func (p *program) bulk() {
	fill := p.roll(2) == 0
	p.address(2)
	p.address(2)
	p.constant(i32, []uint64{0, 1, 16, 17, 18, 30, 32, 0xffff_ffff}[p.roll(8)])
	if fill {
		p.emit(0xfc, 11, 0)
	} else {
		p.emit(0xfc, 10, 0, 0)
	}
}

// store has an operation for each width.
func (p *program) store() {
	ops := []struct{ t, op byte }{{i32, 0x36}, {i64, 0x37}, {f32, 0x38}, {f64, 0x39}, {i32, 0x3a}, {i32, 0x3b}, {i64, 0x3c},
		{i64, 0x3d}, {i64, 0x3e}, {v128, 11}, {v128, 88}, {v128, 89}, {v128, 90}, {v128, 91}}
	o := ops[p.roll(len(ops))]
	p.address(2)
	p.expression(o.t, 2)
	p.access(o.t, o.op)
}

// access makes the instruction of a load or store, whose operands have been made.
func (p *program) access(t, op byte) {
	if t != v128 {
		p.unsigned(op, 0, p.offset())
		return
	}
	p.unsigned(0xfd, uint64(op), 0, p.offset())
	if op >= 84 && op <= 91 { // of one lane
		p.emit(byte(p.roll(2)))
	}
}

func appendSigned(dst []byte, n int64) []byte {
	for ; n < -64 || n > 63; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	return append(dst, byte(n)&0x7f)
}

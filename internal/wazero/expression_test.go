package wazero_test

import (
	"encoding/binary"
	"slices"
)

// expression makes code that leaves a value of type t.
func (p *program) expression(t byte, depth int) {
	if depth > 0 {
		switch p.roll(8) {
		case 0, 1:
			p.load(t, depth)
			return
		case 2, 3, 4:
			p.computed(t, depth)
			return
		case 5:
			p.expression(t, depth-1)
			p.emit(0x22, p.local(t)) // local.tee
			return
		case 6:
			p.expression(t, depth-1)
			p.expression(t, depth-1)
			p.expression(i32, depth-1)
			p.emit(0x1c, 1, t) // select
			return
		}
	}
	if (t == i32 || t == i64) && p.roll(2) == 0 {
		p.constant(t, p.number())
		return
	}
	if t == i32 && p.roll(2) == 0 {
		p.emit(0x20, p.place())
		return
	}
	p.emit(0x20, p.local(t))
}

// address makes an i32 that is an address more often than not.
func (p *program) address(depth int) {
	switch p.roll(32) {
	default:
		p.emit(0x20, p.place())
	case 0, 1, 2, 3, 4, 5, 6, 7:
		p.existing(depth)
	case 8:
		p.expression(i32, depth)
	}
}

// existing makes an address that lies in the memory, if there is any.
func (p *program) existing(depth int) {
	if p.roll(3) == 0 {
		p.expression(i32, depth)
		p.constant(i32, 0x7ff8)
		p.emit(0x71) // i32.and
		return
	}
	size := uint64(p.declared) << 16
	near := []uint64{size}
	for _, at := range p.known() {
		if uint64(at) < size {
			near = append(near, uint64(at))
		}
	}
	at := near[p.roll(len(near))] + uint64(p.roll(64))
	p.constant(i32, max(16, min(at, size-uint64(p.roll(32))))-16)
}

func (p *program) load(t byte, depth int) {
	p.address(depth - 1)
	ops := map[byte][]byte{
		i32:  {0x28, 0x2c, 0x2d, 0x2e, 0x2f},
		i64:  {0x29, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35},
		f32:  {0x2a},
		f64:  {0x2b},
		v128: {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 84, 85, 86, 87, 92, 93},
	}[t]
	op := ops[p.roll(len(ops))]
	if t == v128 && op >= 84 && op <= 87 {
		p.expression(v128, depth-1)
	}
	p.access(t, op)
}

// computed makes a value by an instruction that is no load: for i32 by whatever might leave something in the upper half of
// a register.
func (p *program) computed(t byte, depth int) {
	depth--
	switch t {
	case i32:
		p.computed32(depth)
	case i64:
		switch p.roll(6) {
		case 0, 1:
			ops := []byte{0x7c, 0x7d, 0x83, 0x84, 0x85, 0x86, 0x88, 0x89, 0x7e}
			p.operation(i64, i64, depth, ops[p.roll(len(ops))])
		case 2:
			p.operation(i32, 0, depth, 0xac+byte(p.roll(2))) // i64.extend_i32_s, _u
		case 3:
			p.operation(f64, 0, depth, 0xbd)
		case 4:
			p.call(depth)
		case 5:
			p.operation(v128, 0, depth, 0xfd, 29, byte(p.roll(2)))
		}
	case f32:
		p.operation(i32, 0, depth, []byte{0xbe, 0xb2, 0xb3}[p.roll(3)])
	case f64:
		p.operation(i64, 0, depth, []byte{0xbf, 0xb9, 0xba}[p.roll(3)])
	case v128:
		p.operation(i32, 0, depth, 0xfd, 15+byte(p.roll(3))) // splat
	}
}

func (p *program) computed32(depth int) {
	switch p.roll(14) {
	case 0, 1, 2:
		ops := []byte{0x6a, 0x6b, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x6c, 0x6e, 0x70, 0x49, 0x4a}
		p.operation(i32, i32, depth, ops[p.roll(len(ops))])
	case 3:
		p.operation(i64, 0, depth, 0xa7) // i32.wrap_i64
	case 4:
		p.operation(i32, 0, depth, 0xc0+byte(p.roll(2))) // i32.extend8_s, 16
	case 5:
		p.operation(f32, 0, depth, 0xfc, byte(p.roll(2))) // i32.trunc_sat
	case 6:
		p.operation(f64, 0, depth, 0xfc, 2+byte(p.roll(2)))
	case 7:
		p.operation(f64, 0, depth, 0xaa+byte(p.roll(2))) // i32.trunc
	case 8:
		p.operation(f32, 0, depth, 0xbc)
	case 9:
		p.operation(v128, 0, depth, 0xfd, 27, byte(p.roll(4)))
	case 10:
		p.operation(v128, 0, depth, 0xfd, []byte{21, 22, 24, 25}[p.roll(4)], byte(p.roll(8))) // i8x16, i16x8.extract_lane
	case 11:
		p.emit(0x23, 0) // global.get
	case 12:
		p.emit(0x3f, 0) // memory.size
	case 13:
		p.operation(i32, 0, depth, 0x10, host)
	}
}

// operation makes the operands, and then the instruction.
func (p *program) operation(x, y byte, depth int, instruction ...byte) {
	p.expression(x, depth)
	if y != 0 {
		p.expression(y, depth)
	}
	p.emit(instruction...)
}

// call calls the next function, or by the table a function that is there or not.
func (p *program) call(depth int) {
	if p.callee == 0 {
		p.constant(i64, p.number())
		return
	}
	for _, t := range localTypes[:parameters] {
		p.expression(t, min(depth, 1))
	}
	if p.roll(2) == 0 {
		p.emit(0x10, p.callee)
	} else {
		p.constant(i32, uint64(p.roll(6)))
		p.emit(0x11, 0, 0)
	}
}

// encode puts the module together (core specification, chapter 5).
func (p *program) encode(bodies [][]byte) []byte {
	imports := [][]byte{slices.Concat(text("env"), text("host"), []byte{0, 1})}
	var memory []byte
	if p.imported {
		imports = append(imports, slices.Concat(text("owner"), text("memory"), []byte{2}, p.limits(p.declared)))
	} else {
		memory = section(5, vector(p.limits(p.declared)))
	}
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, vector(slices.Concat([]byte{0x60, byte(parameters)}, localTypes[:parameters], []byte{1, i64}), []byte{0x60, 1, i32, 1, i32})),
		section(2, vector(imports...)),
		section(3, vector(slices.Repeat([][]byte{{0}}, len(bodies))...)),
		section(4, []byte{1, 0x70, 0, 5}),
		memory,
		section(6, []byte{1, i32, 1, 0x41, 8, 0x0b}),
		section(7, vector(append(text("main"), 0, first), append(text("global"), 3, 0), append(text("memory"), 2, 0))),
		section(9, []byte{1, 0, 0x41, 0, 0x0b, 3, last, last, host}), // the host's has another type; two more are null
		section(10, vector(bodies...)),
	)
}

// owner is the module whose memory is imported.
func (p *program) owner() []byte {
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(5, vector(p.limits(p.actual))),
		section(7, vector(append(text("memory"), 2, 0))))
}

func (p *program) limits(pages uint32) []byte {
	return binary.AppendUvarint(binary.AppendUvarint([]byte{1}, uint64(pages)), p.most)
}

func section(id byte, contents []byte) []byte { return append([]byte{id}, sized(contents)...) }

// sized is the concatenation of parts after its length.
func sized(parts ...[]byte) []byte {
	all := slices.Concat(parts...)
	return append(binary.AppendUvarint(nil, uint64(len(all))), all...)
}

func vector(items ...[]byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(items))), slices.Concat(items...)...)
}

func text(s string) []byte { return sized([]byte(s)) }

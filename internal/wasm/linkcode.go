package wasm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// code gives the contents of the code section, and of the function section that goes with it.
func (k *linker) code() (code, types []byte, err error) {
	m, lib := k.program, k.library
	count := uint32(len(m.Functions)) + madeStart + 1
	var bodies []byte
	for i, body := range m.Bodies {
		types = appendU32(types, m.Functions[i])
		if bodies, err = k.programBody(bodies, body); err != nil {
			return nil, nil, err
		}
	}
	imported := lib.imported[ExternFunc]
	for i, body := range lib.Bodies {
		if !k.chosen[imported+i] {
			continue
		}
		count++
		types = appendU32(types, lib.Functions[i]+uint32(len(m.Types)))
		if bodies, err = k.libraryBody(bodies, body); err != nil {
			return nil, nil, err
		}
	}
	for _, made := range k.madeBodies() {
		types = appendU32(types, k.libraryType(made.like))
		bodies = append(appendU32(bodies, uint32(len(made.body))), made.body...)
	}
	return append(appendU32(nil, count), bodies...), append(appendU32(nil, count), types...), nil
}

// replaced copies a body with some of its instructions in another form, which replace appends.
func (m *Module) replaced(dst []byte, body Body, replace func(dst []byte, x *Expr) ([]byte, bool)) ([]byte, error) {
	var out []byte
	copied := body.Locals
	x := body.Expr()
	for x.Next() {
		// What is replaced goes to a copy of its own, so that out stays as it is where nothing is.
		if with, ok := replace(nil, &x); ok {
			out = append(append(out, m.data[copied:x.Pos]...), with...)
			copied = x.End
		}
	}
	out = append(out, m.data[copied:body.End]...)
	return append(appendU32(dst, uint32(len(out))), out...), x.Err()
}

// Memory instructions that a program's view of its memory depends on.
const (
	opMemorySize = 0x3f
	opMemoryGrow = 0x40
)

func (k *linker) programBody(dst []byte, body Body) ([]byte, error) {
	var missing error
	dst, err := k.program.replaced(dst, body, func(dst []byte, x *Expr) ([]byte, bool) {
		switch x.Op {
		case OpCall, OpReturnCall, OpRefFunc:
			index, ok := k.functions.at(x.Index)
			if !ok {
				missing = &SyntaxError{Offset: x.Pos, Section: SectionCode.String(), Message: "there is no such function"}
			}
			if x.Op == OpRefFunc {
				k.referred = append(k.referred, index)
			}
			return appendU32(append(dst, byte(x.Op)), index), true
		case OpGlobalGet, OpGlobalSet:
			if int64(x.Index) >= int64(len(k.program.Globals)) {
				missing = &SyntaxError{Offset: x.Pos, Section: SectionCode.String(), Message: "there is no such global"}
			}
		case OpMemoryInit, OpDataDrop:
			if int64(x.Index) >= int64(k.program.Data) {
				missing = &SyntaxError{Offset: x.Pos, Section: SectionCode.String(), Message: "there is no such data segment"}
			}
		case opMemorySize:
			return k.call(dst, k.made+madeSize), true
		case opMemoryGrow:
			return k.call(dst, k.made+madeGrow), true
		}
		return dst, false
	})
	if err == nil {
		err = missing
	}
	return dst, err
}

// declare names the functions that code refers to: exports did, and there are none left (3.4.10).
func (k *linker) declare(d *draft) error {
	if len(k.referred) == 0 {
		return nil
	}
	slices.Sort(k.referred)
	k.referred = slices.Compact(k.referred)
	segment := appendU32([]byte{elementNotActive | elementExplicit, 0}, uint32(len(k.referred)))
	for _, f := range k.referred {
		segment = appendU32(segment, f)
	}
	return d.extend(SectionElement, 1, segment)
}

func (k *linker) libraryBody(dst []byte, body Body) ([]byte, error) {
	return k.library.replaced(dst, body, func(dst []byte, x *Expr) ([]byte, bool) {
		switch x.Op {
		case OpCall, OpReturnCall:
			return appendU32(append(dst, byte(x.Op)), k.numbers[x.Index]), true
		case OpGlobalGet, OpGlobalSet:
			return appendU32(append(dst, byte(x.Op)), k.register(k.library.globals[x.Index])), true
		}
		return dst, false
	})
}

func (k *linker) call(dst []byte, function uint32) []byte {
	return appendU32(append(dst, byte(OpCall)), function)
}

// part calls one of the library's parts.
func (k *linker) part(dst []byte, name string) []byte {
	return k.call(dst, k.numbers[k.library.exports[partPrefix+name]])
}

func constant(dst []byte, value uint32) []byte {
	return appendSigned(append(dst, byte(OpI32Const)), int64(int32(value)))
}

func (k *linker) get(dst []byte, register int) []byte {
	return appendU32(append(dst, byte(OpGlobalGet)), k.register(register))
}

// madeFunction is a function that the linker makes. Its type is that of an import or a part of the library's; "": it takes and
// gives nothing.
type madeFunction struct {
	like string
	body []byte
}

func (k *linker) libraryType(like string) uint32 {
	base := uint32(len(k.program.Types))
	if like == "" {
		return base + uint32(len(k.library.Types)) // the one behind them
	}
	for _, imp := range k.library.functionImports() {
		if imp.Module == linkModule && imp.Name == like {
			return imp.Type + base
		}
	}
	f := k.library.exports[partPrefix+like]
	return k.library.Functions[int(f)-k.library.imported[ExternFunc]] + base
}

// Instructions of the functions that the linker makes.
const (
	opSelect = 0x1b
	opI32Eqz = 0x45
	opI32LtU = 0x49
	opI32Shl = 0x74
)

func (k *linker) madeBodies() []madeFunction {
	base := append(k.get([]byte{0}, registerBase), constant(nil, libraryStack)...)
	read := append([]byte{0, byte(OpLocalGet), 0, byte(OpLocalGet), 1, byte(OpLocalGet), 2, 0xfc, 8}, appendU32(nil, k.data.packed)...)
	return []madeFunction{
		madeBase:  {"base", append(base, opI32Sub, byte(OpEnd))},
		madeTree:  {"tree", append(constant([]byte{0}, k.library.treeAt()), byte(OpEnd))},
		madeRead:  {"read", append(read, 0, byte(OpEnd))},
		madeSize:  {"size", append(k.part([]byte{0}, "size"), byte(OpEnd))},
		madeGrow:  {"settle", k.growBody()},
		madeStart: {"", k.startBody()},
	}
}

// growBody is memory.grow as the program has it. Nothing of the library is running when its region moves, so no local of its
// code holds an old address.
//
//	by = part.plan(more)
//	if by < 0 { return -1 }
//	if by > 0 {
//	  by *= page; from = base(); length = part.span()
//	  memory.copy(from+by, from, length)
//	  base += by; stack += by
//	  memory.fill(from, 0, min(by, length)) // the program finds new memory zero
//	}
//	return part.settle(more)
func (k *linker) growBody() []byte {
	const more, by, from, length = 0, 1, 2, 3
	local := func(dst []byte, op Opcode, n byte) []byte { return append(dst, byte(op), n) }
	b := []byte{1, 3, byte(TypeI32)}
	b = local(k.part(local(b, OpLocalGet, more), "plan"), OpLocalSet, by)
	b = append(constant(local(b, OpLocalGet, by), 0), opI32LtS, byte(OpIf), blockEmpty)
	b = append(constant(b, 0xffffffff), byte(OpReturn), byte(OpEnd))
	b = append(local(b, OpLocalGet, by), byte(OpIf), blockEmpty)
	b = local(append(constant(local(b, OpLocalGet, by), 16), opI32Shl), OpLocalSet, by)
	b = local(k.call(b, k.made+madeBase), OpLocalSet, from)
	b = local(k.part(b, "span"), OpLocalSet, length)
	b = append(local(local(b, OpLocalGet, from), OpLocalGet, by), opI32Add)
	b = append(local(local(b, OpLocalGet, from), OpLocalGet, length), 0xfc, 10, 0, 0)
	for register := range registers {
		b = append(local(k.get(b, register), OpLocalGet, by), opI32Add)
		b = appendU32(append(b, byte(OpGlobalSet)), k.register(register))
	}
	b = constant(local(b, OpLocalGet, from), 0)
	b = local(local(b, OpLocalGet, by), OpLocalGet, length)
	b = append(local(local(b, OpLocalGet, by), OpLocalGet, length), opI32LtU, opSelect, 0xfc, 11, 0)
	b = append(b, byte(OpEnd))
	return append(k.part(local(b, OpLocalGet, more), "settle"), byte(OpEnd))
}

// Exports of programs that their start follows, see runtime.
const (
	initializeName = "_initialize"
	servesName     = "boxer.serves"
	resumeName     = "wizer.resume"
)

// startBody runs the program as the runtime does: out of its image if that serves, or from its beginning.
func (k *linker) startBody() []byte {
	m := k.program
	b := []byte{0}
	anew := k.fresh
	if m.Start.Present {
		anew = k.programCall(anew, m.Start.Value)
	}
	for _, name := range []string{initializeName, startName} {
		if e, ok := m.Export(name); ok && e.Kind == ExternFunc {
			anew = k.programCall(anew, e.Index)
		}
	}
	if k.Image == nil {
		return append(append(b, anew...), byte(OpEnd))
	}
	b = append(k.part(b, "foreign"), byte(OpIf), byte(TypeI32))
	b = append(append(constant(b, 1), byte(OpElse)), byte(OpI32Const))
	b = append(b, 0)
	if e, ok := m.Export(servesName); ok {
		b = append(k.programCall(b[:len(b)-2], e.Index), opI32Eqz)
	}
	b = append(b, byte(OpEnd), byte(OpIf), blockEmpty)
	b = append(append(b, anew...), byte(OpElse))
	resume, ok := m.Export(resumeName)
	if !ok {
		resume, _ = m.Export(startName)
	}
	return append(k.programCall(b, resume.Index), byte(OpEnd), byte(OpEnd))
}

func (k *linker) programCall(dst []byte, function uint32) []byte {
	index, _ := k.functions.at(function) // the parser has seen that there is one
	return k.call(dst, index)
}

// dataList is a data section in the making.
type dataList struct {
	count   int
	packed  uint32 // the segment of what is packed
	encoded []byte
}

func (d *dataList) passive(contents []byte) {
	d.count++
	d.encoded = append(appendU32(append(d.encoded, 1), uint32(len(contents))), contents...)
}

func (d *dataList) active(offset, contents []byte) {
	d.count++
	d.encoded = append(append(d.encoded, 0), offset...)
	d.encoded = append(appendU32(d.encoded, uint32(len(contents))), contents...)
}

// sparse adds what of contents is not zero.
func (d *dataList) sparse(at uint32, contents []byte, gap int) {
	for _, p := range pieces(contents, gap) {
		d.active(append(constant(nil, at+uint32(p[0])), byte(OpEnd)), contents[p[0]:p[1]])
	}
}

// pieces finds the stretches between zeros of at least gap bytes, a multiple of 16.
func pieces(contents []byte, gap int) (found [][2]int) {
	zeros := make([]byte, gap)
	for at := 0; at < len(contents); {
		if end := min(at+gap, len(contents)); bytes.Equal(contents[at:end], zeros[:end-at]) {
			at = end
			continue
		}
		end := at + gap
		for end < len(contents) && !bytes.Equal(contents[end:min(end+gap, len(contents))], zeros[:min(gap, len(contents)-end)]) {
			end += gap
		}
		end = min(end, len(contents))
		found = append(found, trimmed(contents, at, end))
		at = end
	}
	return found
}

func trimmed(contents []byte, from, to int) [2]int {
	for contents[from] == 0 {
		from++
	}
	for contents[to-1] == 0 {
		to--
	}
	return [2]int{from, to}
}

// maxPieces bounds how many segments an image becomes; V8 takes 100,000 in a module.
const maxPieces = 20_000

// layOut decides where the library lies, and what the data are.
func (k *linker) layOut() error {
	m := k.program
	pages, _, err := InitialPages(m.data, k.Image)
	if err != nil {
		return err
	}
	k.base = pages + initialSlack
	if region := uint64(k.base)*pageSize + uint64(k.library.treeAt()) + uint64(len(k.Tree)) + 2*pageSize; region > 1<<32 {
		return notLinkable("memory and files take %d MB, more than a module's memory can be", region>>20)
	}
	var segments []dataSegment
	if s, ok := m.Section(SectionData); ok {
		if segments, err = m.segments(s); err != nil {
			return err
		}
	}
	for _, s := range segments {
		if s.passive || k.Image != nil {
			k.data.passive(s.contents)
		} else {
			k.data.active(s.offset, s.contents)
		}
	}
	if k.Image != nil {
		if err := k.forget(segments); err != nil {
			return err
		}
		gap := 4096
		for gap < 1<<20 && len(pieces(k.Image.Memory, gap)) > maxPieces {
			gap *= 2
		}
		k.data.sparse(0, k.Image.Memory, gap)
	}
	region := k.base * pageSize
	k.data.sparse(region+libraryStack, k.library.data, 512)
	k.data.sparse(region+k.library.treeAt(), k.Tree, 512)
	k.data.packed = uint32(k.data.count)
	k.data.passive(k.Packed)
	return nil
}

// forget makes the code that leaves nothing of an image.
func (k *linker) forget(segments []dataSegment) error {
	m := k.program
	first := uint32(0)
	if len(m.Memories) > 0 {
		first = m.Memories[0].Min
	}
	code := append(constant(constant(constant(nil, 0), 0), uint32(len(k.Image.Memory))), 0xfc, 11, 0)
	for i, s := range segments {
		if s.passive {
			continue
		}
		code = append(code, s.offset[:len(s.offset)-1]...)
		code = append(constant(constant(code, 0), uint32(len(s.contents))), 0xfc, 8)
		code = append(appendU32(code, uint32(i)), 0)
	}
	s, _ := m.Section(SectionGlobal)
	c := m.within(s)
	for i := range c.vector(len(m.Globals)) {
		g := c.globalType()
		start := c.pos
		m.constExpr(&c, nil)
		if g.Mutable {
			code = append(code, m.data[start:c.pos-1]...)
			code = appendU32(append(code, byte(OpGlobalSet)), uint32(i))
		}
	}
	k.fresh = k.part(constant(code, first), "reset")
	return c.err
}

// vector skips the length of a vector whose items are known.
func (c *cursor) vector(n int) int {
	if n > 0 {
		c.u32("number of items")
	}
	return n
}

// globalsWith gives the globals, without their number, with the values of an image; functions are as in the draft.
func (m *Module) globalsWith(image *Image, d *draft) ([]byte, error) {
	var contents []byte
	for _, s := range d.sections {
		if s.ID == SectionGlobal {
			contents = s.Data
		}
	}
	if len(m.Globals) == 0 {
		return nil, nil
	}
	c := cursor{data: contents, end: len(contents), section: SectionGlobal.String()}
	c.u32("number of globals")
	if image == nil {
		return contents[c.pos:], nil
	}
	values, err := m.imageValues(image)
	if err != nil {
		return nil, err
	}
	var dst []byte
	for i := range m.Globals {
		start := c.pos
		g := c.globalType()
		head := contents[start:c.pos]
		start = c.pos
		m.constExpr(&c, nil)
		dst = append(dst, head...)
		if value, ok := values[uint32(i)]; ok {
			dst = append(number(dst, g.Type, value), byte(OpEnd))
		} else {
			dst = append(dst, contents[start:c.pos]...)
		}
	}
	return dst, c.err
}

// imageValues finds the globals that an image names.
func (m *Module) imageValues(image *Image) (map[uint32]uint64, error) {
	restorable, _, err := Restorable(m.data)
	if err != nil {
		return nil, err
	}
	r, err := Parse(restorable)
	if err != nil {
		return nil, err
	}
	values := map[uint32]uint64{}
	for name, value := range image.Globals {
		e, ok := r.Export(name)
		if !ok || e.Kind != ExternGlobal {
			return nil, fmt.Errorf("the image is of another program: there is no global %q", name)
		}
		values[e.Index] = value
	}
	return values, nil
}

// number appends the instruction that makes a number of these bits.
func number(dst []byte, t ValueType, bits uint64) []byte {
	switch t {
	case TypeI32:
		return appendSigned(append(dst, byte(OpI32Const)), int64(int32(bits)))
	case TypeI64:
		return appendSigned(append(dst, byte(OpI64Const)), int64(bits))
	case TypeF32:
		return binary.LittleEndian.AppendUint32(append(dst, byte(OpF32Const)), uint32(bits))
	}
	return binary.LittleEndian.AppendUint64(append(dst, byte(OpF64Const)), bits)
}

package wasm

import (
	"bytes"
	"strconv"
)

// Meter is what Metered makes a module count.
type Meter byte

const (
	// Ticks are counted at the beginning of every turn of a loop and, in functions that could otherwise run for long, at
	// their entry. This is what it takes to get hold of a program that does not call the host by itself.
	Ticks Meter = iota
	// Fuel counts every instruction, but for those that only give the others structure (block, loop, end, else, nop). Of ways through a
	// function that part and meet again, and differ by no more than 32 instructions, the longest counts for all. The
	// count depends on the module and what it is told, and on nothing else. A call is counted for by and by: of one that does not
	// return, because the program ends in it, up to a thousand instructions are left out. The counter is tested as for Ticks, and
	// before each call of an imported function.
	Fuel
	// FuelAtCalls counts the same, and tests before calls of imported functions only: for those who look at the counter from outside,
	// and end the program when it has run out. Modules for which that would not do, because they have a start function or keep an
	// imported function in a table, are tested as for Fuel.
	FuelAtCalls
)

// MeterModule is where a metered module imports the function from that it calls when its counter has run out: for Ticks
// tick() -> i32, for Fuel fuel(i64) -> i64. Both give what the counter goes on from; fuel is told what it stands at. Ticks have to be
// more than any point is charged, which is less than 20,000, or the program would not get past it.
const MeterModule = "boxer:meter"

// CounterExport is the name under which a metered module exports its counter, a global that is 0 at first. A counter goes
// down, and has run out when it is below 0.
const CounterExport = "boxer:counter"

const (
	// reach is how many instructions may be executed, about, between two tests of the counter within a call. Each of them may
	// wait for memory: 5 ms.
	reach = 50_000
	// shortCall is how many a call may execute of a function that has no test at its entry. The lower it is, the more
	// functions have one; the higher, the more tests are between calls of functions that have none.
	shortCall = 2000
	// unwind is how many may follow a call that may be recursive. Where recursion ends, as many calls return as the stack
	// can hold, and each goes on for so long: there can be some hundred thousands of them, of functions made for that, which it takes
	// an interrupt from outside to end.
	unwind = 20_000
)

// Metered gives a module that does the same and counts meanwhile. Whoever runs it decides when its counter runs out, and gets
// the word at the next test. Those are at loops and wherever calls would go in circles otherwise, so that there is no way to
// run on without coming by one. Bulk operations on memory and tables are charged by what they touch.
//
// A program's fuel does not depend on the portions in which it gets it. The counter is a global: an engine that runs several instances
// of a module has a counter in each.
//
// Modules that use MeterModule or CounterExport themselves are refused, as are locals, globals and labels that there are not:
// after the rewriting there might be. That aside the module is taken to be valid; the engine validates what comes out.
func Metered(module []byte, meter Meter) ([]byte, error) { return metered(module, meter, rounding) }

func metered(module []byte, meter Meter, rounding int64) ([]byte, error) {
	m, err := Parse(module)
	if err != nil {
		return nil, err
	}
	r := &metering{m: m, meter: meter, rounding: rounding, types: len(m.Types), counter: uint32(len(m.Globals)), refill: uint32(m.imported[ExternFunc])}
	if err := m.checkMeterNames(); err != nil {
		return nil, err
	}
	if r.entries, err = m.entries(shortCall); err != nil {
		return nil, err
	}
	if r.circles = meter != FuelAtCalls || m.Start.Present; !r.circles {
		if r.circles, err = m.takesImports(); err != nil {
			return nil, err
		}
	}
	r.functions = functionMap{total: m.NumFuncs(), shift: 1}
	for i := range m.imported[ExternFunc] {
		r.functions.imports = append(r.functions.imports, uint32(i))
	}
	return r.encode()
}

// metering is a module being metered.
type metering struct {
	m       *Module
	meter   Meter
	entries *entries
	circles bool // they are tested

	rounding int64 // by how many instructions ways may differ that count as one for Fuel

	refill    uint32 // index of the function that is imported
	counter   uint32 // index of the global
	functions functionMap

	types    int    // how many there are with those added
	newTypes []byte // encoded
	results  map[string]uint32
	bulk     bulkFunctions
	long     map[uint32]bool // data segments that are; nil: nobody has asked
}

// Unmetered refuses modules that use MeterModule or CounterExport, as Metered does, for those who run a module as it is.
func Unmetered(module []byte) error {
	m, err := Parse(module)
	if err != nil {
		return err
	}
	return m.checkMeterNames()
}

func (m *Module) checkMeterNames() error {
	for _, imp := range m.Imports {
		if imp.Module == MeterModule {
			return m.importError(imp, "is not for programs")
		}
	}
	return m.nameFree([]string{CounterExport})
}

// number is the type of the counter.
func (r *metering) number() ValueType {
	if r.meter != Ticks {
		return TypeI64
	}
	return TypeI32
}

// encode puts the module together: a type, an import, a global and an export more, and other code.
func (r *metering) encode() ([]byte, error) {
	m := r.m
	d := m.draft(speaksOfCode)
	name, params := "tick", ValueTypes{}
	if r.meter != Ticks {
		name, params = "fuel", ValueTypes{1, []byte{byte(TypeI64)}}
	}
	refillType := r.addType(params, ValueTypes{1, []byte{byte(r.number())}})
	code, err := r.code()
	if err != nil {
		return nil, err
	}
	if len(m.Functions) > 0 {
		d.set(SectionCode, code)
	}
	if added := len(r.bulk.ops); added > 0 {
		if err := d.extend(SectionFunction, added, bytes.Repeat(appendU32(nil, r.bulk.typ), added)); err != nil {
			return nil, err
		}
	}
	if err := m.renumberRest(d, &r.functions); err != nil {
		return nil, err
	}
	imp := appendU32(append(appendName(appendName(nil, MeterModule), name), byte(ExternFunc)), refillType)
	global := append([]byte{byte(r.number()), 1}, append(r.constant(nil, 0), byte(OpEnd))...)
	export := appendU32(append(appendName(nil, CounterExport), byte(ExternGlobal)), r.counter)
	for id, added := range map[SectionID][]byte{SectionImport: imp, SectionGlobal: global, SectionExport: export} {
		if err := d.extend(id, 1, added); err != nil {
			return nil, err
		}
	}
	if err := d.extend(SectionType, r.types-len(m.Types), r.newTypes); err != nil {
		return nil, err
	}
	return d.encode(), nil
}

// addType gives the index of a type that may have to be added.
func (r *metering) addType(params, results ValueTypes) uint32 {
	r.newTypes = append(r.newTypes, 0x60)
	for _, types := range []ValueTypes{params, results} {
		r.newTypes = append(appendU32(r.newTypes, uint32(types.Len)), types.Encoding...)
	}
	r.types++
	return uint32(r.types - 1)
}

// giving appends the type of a block that takes nothing and gives these results.
func (r *metering) giving(dst []byte, results ValueTypes) []byte {
	switch results.Len {
	case 0:
		return append(dst, blockEmpty)
	case 1:
		return append(dst, results.Encoding...)
	}
	key := strconv.Itoa(results.Len) + string(results.Encoding)
	index, ok := r.results[key]
	if !ok {
		index = r.addType(ValueTypes{}, results)
		if r.results == nil {
			r.results = map[string]uint32{}
		}
		r.results[key] = index
	}
	return appendSigned(dst, int64(index))
}

func (r *metering) code() ([]byte, error) {
	bodies := make([]byte, 0, 2*len(r.m.data))
	b := &bodyMeter{metering: r, planner: planner{entries: r.entries}}
	b.payer.throws, b.payer.rounding = r.m.throws(), r.rounding
	for i, body := range r.m.Bodies {
		if err := b.rewrite(i, body); err != nil {
			return nil, err
		}
		bodies = appendU32(bodies, uint32(len(b.out)))
		bodies = append(bodies, b.out...)
	}
	bodies = r.bulkCode(bodies)
	return append(appendU32(nil, uint32(len(r.m.Functions)+len(r.bulk.ops))), bodies...), nil
}

// takesImports reports whether an imported function may be called through a pointer.
func (m *Module) takesImports() (takes bool, err error) {
	take := func(r reference) { takes = takes || int64(r.index) < int64(m.imported[ExternFunc]) }
	for _, s := range m.Sections {
		if s.ID == SectionTable || s.ID == SectionGlobal || s.ID == SectionElement {
			if err := m.references(s, take); err != nil {
				return false, err
			}
		}
	}
	for _, body := range m.Bodies {
		x := body.Expr()
		for x.Next() {
			if x.Op == OpRefFunc {
				take(reference{x.Imm, x.End, x.Index})
			}
		}
		if x.Err() != nil {
			return false, x.Err()
		}
	}
	return takes, nil
}

// throws reports whether there are exceptions that the module's functions may throw.
func (m *Module) throws() bool { return m.tags+m.imported[ExternTag] > 0 }

// extend adds items to a section that is a vector, as it stands in the draft.
func (d *draft) extend(id SectionID, n int, items []byte) error {
	contents := []byte{0}
	for _, s := range d.sections {
		if s.ID == id && id != SectionCustom {
			contents = s.Data
		}
	}
	c := cursor{data: contents, end: len(contents), section: id.String()}
	n += int(c.u32("number of items"))
	dst := appendU32(make([]byte, 0, len(contents)+len(items)+5), uint32(n))
	dst = append(dst, contents[c.pos:]...)
	d.set(id, append(dst, items...))
	return c.err
}

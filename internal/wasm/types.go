package wasm

import "strings"

// ValueType is the first byte of a value type (5.3.4): the whole of it, but for [TypeRef] and [TypeRefNull], which are
// followed by a heap type.
type ValueType byte

const (
	TypeI32       ValueType = 0x7f
	TypeI64       ValueType = 0x7e
	TypeF32       ValueType = 0x7d
	TypeF64       ValueType = 0x7c
	TypeV128      ValueType = 0x7b
	TypeFuncref   ValueType = 0x70
	TypeExternref ValueType = 0x6f
	TypeExnref    ValueType = 0x69 // exception handling
	TypeRef       ValueType = 0x64 // typed function references: (ref ht)
	TypeRefNull   ValueType = 0x63 // typed function references: (ref null ht)
)

// Abstract heap types, negative numbers where an index of a type is positive (5.3.2 of release 3.0).
const (
	heapFunc   = -0x10
	heapExtern = -0x11
	heapExn    = -0x17
)

var valueTypeNames = map[ValueType]string{
	TypeI32: "i32", TypeI64: "i64", TypeF32: "f32", TypeF64: "f64", TypeV128: "v128",
	TypeFuncref: "funcref", TypeExternref: "externref", TypeExnref: "exnref", TypeRef: "(ref)", TypeRefNull: "(ref null)",
}

func (t ValueType) String() string { return valueTypeNames[t] }

// ValueTypes is a result type (5.3.5): a sequence of value types, as it is encoded.
type ValueTypes struct {
	Len      int
	Encoding []byte // Len value types, without the count in front
}

// All ranges over the types. Of a typed reference it gives the first byte.
func (ts ValueTypes) All(yield func(ValueType) bool) {
	for c := (cursor{data: ts.Encoding, end: len(ts.Encoding)}); c.left() > 0; {
		if !yield(c.valueType()) {
			return
		}
	}
}

func (ts ValueTypes) String() string {
	var b strings.Builder
	b.WriteByte('(')
	for t := range ts.All {
		if b.Len() > 1 {
			b.WriteByte(' ')
		}
		b.WriteString(t.String())
	}
	b.WriteByte(')')
	return b.String()
}

// FuncType is the type of a function (5.3.6).
type FuncType struct {
	Params, Results ValueTypes
}

func (t FuncType) String() string { return t.Params.String() + " -> " + t.Results.String() }

// Limits are the bounds of a memory, in pages of 64 KiB, or of a table, in entries (5.3.7).
type Limits struct {
	Min    uint32
	Max    uint32 // meaningful if HasMax
	HasMax bool
	Shared bool // threads proposal
}

// Table is the type of a table (5.3.9).
type Table struct {
	Type   ValueType
	Limits Limits
}

// Global is the type of a global (5.3.10).
type Global struct {
	Type    ValueType
	Mutable bool
}

// valueType reads a value type, with its heap type if it has one.
func (c *cursor) valueType() ValueType {
	at := c.pos
	t := ValueType(c.byte("value type"))
	switch t {
	case TypeI32, TypeI64, TypeF32, TypeF64, TypeV128, TypeFuncref, TypeExternref, TypeExnref:
	case TypeRef, TypeRefNull:
		c.heapType()
	default:
		if c.err == nil {
			c.fail(at, "%#x is no value type", byte(t))
		}
	}
	return t
}

func (c *cursor) heapType() {
	at := c.pos
	switch t := c.signed(33, "heap type"); t {
	case heapFunc, heapExtern, heapExn:
	default:
		if t < 0 {
			c.fail(at, "%d is no heap type", t)
		}
		c.checkType(at, t)
	}
}

// checkType checks an index of a type, where it is known how many there are.
func (c *cursor) checkType(at int, index int64) {
	if c.types > 0 && index >= int64(c.types) {
		c.fail(at, "there is no type %d", index)
	}
}

// refType reads the type of a table's or an element segment's entries.
func (c *cursor) refType() ValueType {
	at := c.pos
	t := c.valueType()
	if c.err == nil && (t >= TypeV128 || t == 0) {
		c.fail(at, "%v is no reference type", t)
	}
	return t
}

func (c *cursor) valueTypes(what string) ValueTypes {
	n := c.count(1, what)
	start := c.pos
	for i := 0; i < n && c.err == nil; i++ {
		c.valueType()
	}
	return ValueTypes{Len: n, Encoding: c.data[start:c.pos:c.pos]}
}

func (c *cursor) funcType() FuncType {
	at := c.pos
	if form := c.byte("form of a type"); form != 0x60 && c.err == nil {
		c.fail(at, "type of form %#x: only functions (0x60) are supported", form)
	}
	return FuncType{
		Params:  c.valueTypes("number of parameters"),
		Results: c.valueTypes("number of results"),
	}
}

func (c *cursor) limits() Limits {
	at := c.pos
	flags := c.byte("flags of limits")
	if flags > 3 {
		c.fail(at, "limits with flags %#x: 64-bit indices and custom page sizes are not supported", flags)
	}
	l := Limits{Min: c.u32("minimum"), HasMax: flags&1 != 0, Shared: flags&2 != 0}
	if l.HasMax {
		l.Max = c.u32("maximum")
	}
	return l
}

func (c *cursor) tableType() Table { return Table{Type: c.refType(), Limits: c.limits()} }

func (c *cursor) globalType() Global {
	g := Global{Type: c.valueType()}
	at := c.pos
	mut := c.byte("mutability of a global")
	if mut > 1 {
		c.fail(at, "mutability of a global is %#x, not 0 or 1", mut)
	}
	g.Mutable = mut == 1
	return g
}

// tagType reads the type of an exception (exception handling): an attribute that is zero, and a function type.
func (c *cursor) tagType(types int) uint32 {
	at := c.pos
	if attribute := c.byte("attribute of a tag"); attribute != 0 {
		c.fail(at, "attribute of a tag is %#x, not 0", attribute)
	}
	return c.index(types, "type")
}

// index reads an index that must be below n.
func (c *cursor) index(n int, what string) uint32 {
	at := c.pos
	i := c.u32(what)
	if int64(i) >= int64(n) && c.err == nil {
		c.fail(at, "there is no %s %d", what, i)
	}
	return i
}

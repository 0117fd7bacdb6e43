package wasm

import "fmt"

// Opcode is an instruction's number: the byte itself, or, after one of the prefixes 0xfc, 0xfd and 0xfe, the prefix
// shifted left by 16 bits plus the number that follows (5.4).
type Opcode uint32

// Opcodes that passes ask for. All others are copied without being named.
const (
	OpUnreachable        Opcode = 0x00
	OpNop                Opcode = 0x01
	OpBlock              Opcode = 0x02
	OpLoop               Opcode = 0x03
	OpIf                 Opcode = 0x04
	OpElse               Opcode = 0x05
	OpThrow              Opcode = 0x08 // exception handling
	OpThrowRef           Opcode = 0x0a // exception handling
	OpEnd                Opcode = 0x0b
	OpBr                 Opcode = 0x0c
	OpBrIf               Opcode = 0x0d
	OpBrTable            Opcode = 0x0e
	OpReturn             Opcode = 0x0f
	OpCall               Opcode = 0x10
	OpCallIndirect       Opcode = 0x11
	OpReturnCall         Opcode = 0x12 // tail calls
	OpReturnCallIndirect Opcode = 0x13 // tail calls
	OpCallRef            Opcode = 0x14 // typed function references
	OpReturnCallRef      Opcode = 0x15 // typed function references
	OpTryTable           Opcode = 0x1f // exception handling
	OpLocalGet           Opcode = 0x20
	OpLocalSet           Opcode = 0x21
	OpLocalTee           Opcode = 0x22
	OpGlobalGet          Opcode = 0x23
	OpGlobalSet          Opcode = 0x24
	OpTableSet           Opcode = 0x26
	OpMemorySize         Opcode = 0x3f
	OpMemoryGrow         Opcode = 0x40
	OpI32Const           Opcode = 0x41
	OpI64Const           Opcode = 0x42
	OpF32Const           Opcode = 0x43
	OpF64Const           Opcode = 0x44
	OpI32Eqz             Opcode = 0x45 // the first comparison
	OpF64Ge              Opcode = 0x66 // the last
	OpRefFunc            Opcode = 0xd2
	OpBrOnNull           Opcode = 0xd5 // typed function references
	OpBrOnNonNull        Opcode = 0xd6 // typed function references
	OpMemoryInit         Opcode = 0xfc<<16 | 8
	OpDataDrop           Opcode = 0xfc<<16 | 9
	OpMemoryCopy         Opcode = 0xfc<<16 | 10
	OpMemoryFill         Opcode = 0xfc<<16 | 11
	OpTableInit          Opcode = 0xfc<<16 | 12
	OpElemDrop           Opcode = 0xfc<<16 | 13
	OpTableCopy          Opcode = 0xfc<<16 | 14
	OpTableGrow          Opcode = 0xfc<<16 | 15
	OpTableFill          Opcode = 0xfc<<16 | 17
)

// Arithmetic that passes insert, and the block type that takes and gives nothing.
const (
	opI32LtS       = 0x48
	opI32GtU       = 0x4b
	opI32LeU       = 0x4d
	opI64LtS       = 0x53
	opI64GtU       = 0x56
	opI32Add       = 0x6a
	opI32Sub       = 0x6b
	opI32ShrU      = 0x76
	opI64Add       = 0x7c
	opI64Sub       = 0x7d
	opI64Shl       = 0x86
	opI64ExtendI32 = 0xad // unsigned
	blockEmpty     = 0x40
)

func (op Opcode) String() string {
	if op > 0xff {
		return fmt.Sprintf("opcode %#x %#x", uint32(op>>16), uint32(op&0xffff))
	}
	return fmt.Sprintf("opcode %#x", uint32(op))
}

// shape says what immediates follow an opcode.
type shape byte

const (
	unknown    shape = iota // no instruction
	bare                    // none
	closes                  // none; end
	opens                   // block type
	opensTry                // block type, vector of catch clauses
	index                   // an index or label
	twoIndices              // two of them
	labels                  // vector of labels, and one more: br_table
	types                   // vector of one value type: select
	heap                    // heap type: ref.null
	memory                  // alignment and offset
	memoryLane              // the same and a lane
	zero                    // one zero byte: memory 0, or reserved
	twoZeroes               // two of them
	indexZero               // index, zero byte
	int32bits               // signed LEB128
	int64bits               // signed LEB128
	bytes1                  // lane
	bytes4                  // f32
	bytes8                  // f64
	bytes16                 // v128
	prefix                  // the rest of the opcode
)

// span gives a shape to the opcodes from first to last.
type span struct {
	first, last byte
	shape       shape
}

// spread makes a table of spans, each of which overwrites those before it.
func spread(spans ...span) (table [256]shape) {
	for _, s := range spans {
		for op := int(s.first); op <= int(s.last); op++ {
			table[op] = s.shape
		}
	}
	return table
}

// shapes holds the instructions of one byte (5.4.1 to 5.4.7). The gaps are the first version of exception handling
// (0x06, 0x07, 0x09, 0x18, 0x19) and proposals later than those named in the package's comment.
var shapes = spread(
	span{0x00, 0x01, bare}, span{0x02, 0x04, opens}, span{0x05, 0x05, bare}, span{0x08, 0x08, index},
	span{0x0a, 0x0a, bare}, span{0x0b, 0x0b, closes}, span{0x0c, 0x0d, index}, span{0x0e, 0x0e, labels},
	span{0x0f, 0x0f, bare}, span{0x10, 0x10, index}, span{0x11, 0x11, twoIndices}, span{0x12, 0x12, index},
	span{0x13, 0x13, twoIndices}, span{0x14, 0x15, index}, span{0x1a, 0x1b, bare}, span{0x1c, 0x1c, types},
	span{0x1f, 0x1f, opensTry}, span{0x20, 0x26, index}, span{0x28, 0x3e, memory}, span{0x3f, 0x40, zero},
	span{0x41, 0x41, int32bits}, span{0x42, 0x42, int64bits}, span{0x43, 0x43, bytes4}, span{0x44, 0x44, bytes8},
	span{0x45, 0xc4, bare}, span{0xd0, 0xd0, heap}, span{0xd1, 0xd1, bare}, span{0xd2, 0xd2, index},
	span{0xd4, 0xd4, bare}, span{0xd5, 0xd6, index}, span{0xfc, 0xfe, prefix},
)

// bulkShapes: prefix 0xfc, saturating conversions, memory and table operations (5.4.4 to 5.4.7).
var bulkShapes = spread(
	span{0, 7, bare}, span{8, 8, indexZero}, span{9, 9, index}, span{10, 10, twoZeroes}, span{11, 11, zero},
	span{12, 12, twoIndices}, span{13, 13, index}, span{14, 14, twoIndices}, span{15, 17, index},
)

// vectorShapes: prefix 0xfd (5.4.8). Relaxed SIMD starts at 0x100.
var vectorShapes = spread(
	span{0, 255, bare}, span{0, 11, memory}, span{12, 13, bytes16}, span{21, 34, bytes1}, span{84, 91, memoryLane},
	span{92, 93, memory}, span{154, 154, unknown}, span{162, 162, unknown}, span{165, 166, unknown},
	span{175, 176, unknown}, span{178, 180, unknown}, span{187, 187, unknown}, span{194, 194, unknown},
	span{197, 198, unknown}, span{207, 208, unknown}, span{210, 212, unknown}, span{226, 226, unknown},
	span{238, 238, unknown},
)

// atomicShapes: prefix 0xfe (threads).
var atomicShapes = spread(span{0, 2, memory}, span{3, 3, zero}, span{0x10, 0x4e, memory})

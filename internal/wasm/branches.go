package wasm

// ExplicitEdges gives a module that does the same, in which the ways of conditional branches that follow comparisons are blocks
// of their own, if the place that they lead to can be reached in other ways too. A branch forward gets its way at the end of
// the block that it leaves, a branch to the beginning of a loop gets it where it is:
//
//	block $out                block $out
//	  …                         block $way
//	  br_if $out                  …
//	  …                  ⇒        br_if $way
//	end                           …
//	                              br $out
//	                            end
//	                          end
//
//	loop $again               loop $again
//	  …                  ⇒      …
//	  br_if $again              if  br $again  end
//	end                       end
//
// Such a branch is a critical edge of the flow of control: others begin where it begins, and others end where it ends. wazero
// 1.12.0 gives critical edges a block too, and at these very places, but after it has settled which instructions may be merged
// with which: it makes of the comparison a boolean, and tests that (internal/engine/wazevo/ssa, splitCriticalEdge: the new
// branch is in no group of instructions).
//
// Branches that hand on values stay as they are.
func ExplicitEdges(module []byte) ([]byte, error) {
	m, err := Parse(module)
	if err != nil {
		return nil, err
	}
	if len(m.Functions) == 0 {
		return module, nil
	}
	d := m.draft(speaksOfCode)
	code := appendU32(make([]byte, 0, len(m.data)+len(m.data)/8), uint32(len(m.Functions)))
	e := edges{m: m}
	for i, body := range m.Bodies {
		if err := e.rewrite(body, m.Types[m.Functions[i]].Results.Len); err != nil {
			return nil, err
		}
		code = append(appendU32(code, uint32(len(e.out))), e.out...)
	}
	d.set(SectionCode, code)
	return d.encode(), nil
}

// edges rewrites one body after the other.
type edges struct {
	m      *Module
	blocks []edgeBlock // in the order in which they begin, the function's own first
	open   []int       // those that are open, outermost first
	out    []byte
	depth  int // how many blocks are open in the output
}

// edgeBlock is a block as the target of branches.
type edgeBlock struct {
	op       Opcode
	bare     bool // branches to it hand on no values
	edges    int  // how many ways lead there
	compared int  // how many of them are branches that follow comparisons

	at   int // how many blocks of the output are around it
	ways int // how many blocks have been made in it of those that branches forward get
	used int // how many of them have their branch
}

// explicit tells whether compared branches to the block get a way of their own.
func (b *edgeBlock) explicit() bool {
	return b.bare && b.edges > 1 && (b.op == OpBlock || b.op == OpLoop)
}

func isComparison(op Opcode) bool { return op >= OpI32Eqz && op <= OpF64Ge }

// count counts how many ways lead to each block's label.
func (e *edges) count(body Body, results int) error {
	// The end of a function is left by everything that comes there in a way of its own: a return.
	e.blocks = append(e.blocks[:0], edgeBlock{op: OpBlock, edges: 2, bare: results == 0})
	e.open = append(e.open[:0], 0)
	reached := true // is what follows
	last := OpNop
	x := body.Expr()
	for x.Next() {
		switch x.Op {
		case OpBlock, OpLoop, OpIf, OpTryTable:
			e.begin(&x)
		case OpElse:
			reached = true // if the if was, which does not matter
		case OpEnd:
			reached = e.end(reached)
		case OpBr, OpBrIf, OpBrOnNull, OpBrOnNonNull:
			e.branch(x.Index, x.Op == OpBrIf && isComparison(last))
			reached = x.Op != OpBr && reached
		case OpBrTable:
			for label := range x.Labels {
				e.branch(label, false)
			}
			reached = false
		case OpReturn, OpUnreachable:
			reached = false
		}
		last = x.Op
	}
	return x.Err()
}

// begin opens a block.
func (e *edges) begin(x *Expr) {
	kind := x.c.data[x.Imm]
	b := edgeBlock{op: x.Op, bare: kind == blockEmpty}
	switch x.Op {
	case OpLoop: // is branched to at its beginning, where it is entered too: with what it takes, not with what it gives
		b.edges, b.bare = 1, kind >= blockEmpty
	case OpIf: // has another way, with or without an else
		b.edges = 1
	}
	e.open = append(e.open, len(e.blocks))
	e.blocks = append(e.blocks, b)
}

// end closes a block, and tells whether what follows it is reached.
func (e *edges) end(reached bool) bool {
	b := &e.blocks[e.open[len(e.open)-1]]
	e.open = e.open[:len(e.open)-1]
	if b.op == OpLoop {
		return reached
	}
	if reached {
		b.edges++
	}
	return b.edges > 0
}

// target is the block with a label, nil if there is none: the engine refuses that.
func (e *edges) target(label uint32) *edgeBlock {
	if int64(label) >= int64(len(e.open)) {
		return nil
	}
	return &e.blocks[e.open[len(e.open)-1-int(label)]]
}

func (e *edges) branch(label uint32, compared bool) {
	if b := e.target(label); b != nil {
		b.edges++
		if compared {
			b.compared++
		}
	}
}

func (e *edges) rewrite(body Body, results int) error {
	if err := e.count(body, results); err != nil {
		return err
	}
	e.out = append(e.out[:0], e.m.data[body.Locals:body.Code]...)
	e.open, e.depth = append(e.open[:0], 0), 1
	e.openWays(&e.blocks[0])
	begun, last := 0, OpNop
	x := body.Expr()
	for x.Next() {
		switch x.Op {
		case OpBlock, OpLoop, OpIf:
			begun++
			e.out = append(e.out, x.Bytes()...)
			e.openBlock(begun)
		case OpEnd:
			e.closeBlock()
		case OpBrIf:
			e.brIf(&x, isComparison(last))
		case OpBr, OpBrOnNull, OpBrOnNonNull:
			e.out = append(e.out, e.m.data[x.Pos:x.Imm]...)
			e.out = appendU32(e.out, e.label(x.Index))
		case OpBrTable:
			e.out = appendU32(append(e.out, byte(OpBrTable)), x.Index)
			for label := range x.Labels {
				e.out = appendU32(e.out, e.label(label))
			}
		case OpTryTable:
			begun++
			var err error
			if e.out, err = x.appendTry(e.out, func(label uint32) (uint32, error) { return e.label(label), nil }); err != nil {
				return err
			}
			e.openBlock(begun)
		default:
			e.out = append(e.out, x.Bytes()...)
		}
		last = x.Op
	}
	return x.Err()
}

// label is what a label of the original has become.
func (e *edges) label(label uint32) uint32 {
	if b := e.target(label); b != nil {
		return uint32(e.depth - 1 - b.at)
	}
	return label + uint32(e.depth)
}

func (e *edges) openBlock(i int) {
	b := &e.blocks[i]
	b.at = e.depth
	e.open = append(e.open, i)
	e.depth++
	e.openWays(b)
}

// openWays begins the blocks at whose ends the ways will be.
func (e *edges) openWays(b *edgeBlock) {
	if b.op == OpBlock && b.explicit() {
		b.ways = b.compared
	}
	for range b.ways {
		e.out = append(e.out, byte(OpBlock), blockEmpty)
	}
	e.depth += b.ways
}

func (e *edges) closeBlock() {
	b := &e.blocks[e.open[len(e.open)-1]]
	for ; b.ways > 0; b.ways-- {
		e.out = append(appendU32(append(e.out, byte(OpBr)), uint32(b.ways)), byte(OpEnd))
		e.depth--
	}
	e.out = append(e.out, byte(OpEnd))
	e.open = e.open[:len(e.open)-1]
	e.depth--
}

func (e *edges) brIf(x *Expr, compared bool) {
	b := e.target(x.Index)
	switch {
	case b == nil || !compared || !b.explicit():
		e.out = appendU32(append(e.out, byte(OpBrIf)), e.label(x.Index))
	case b.op == OpLoop:
		e.out = append(e.out, byte(OpIf), blockEmpty, byte(OpBr))
		e.out = append(appendU32(e.out, e.label(x.Index)+1), byte(OpEnd))
	default:
		b.used++
		e.out = appendU32(append(e.out, byte(OpBrIf)), e.label(x.Index)-uint32(b.used))
	}
}

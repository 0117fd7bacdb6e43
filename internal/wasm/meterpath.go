package wasm

// path follows a body from its beginning, and knows how many instructions a call may have executed wherever it is without
// having come by a test. Tests are at the heads of loops, and where test is called.
type path struct {
	since   int64 // the most that there may have been; tested if there was a test on every way that leads here
	longest int64
	blocks  []pathBlock
	caught  int // that many of the outermost blocks are known to be where exceptions may lead
}

type pathBlock struct {
	op     Opcode // that opened it; 0: the function's
	before int64  // since where it begins
	end    int64  // the most of those that branch to its end
}

const (
	tested    = -1
	endlessly = int64(1) << 40 // how much it may be where an exception leads
)

func (p *path) begin() {
	p.since, p.longest, p.caught = 0, 0, 0
	p.blocks = append(p.blocks[:0], pathBlock{end: tested})
}

// fresh reports whether there may have been no test.
func (p *path) fresh() bool { return p.since != tested }

func (p *path) test() { p.since = tested }

// step goes on behind an instruction, which takes so many.
func (p *path) step(x *Expr, weight int64) {
	if p.fresh() {
		p.since += weight
		p.longest = max(p.longest, p.since)
	}
	switch x.Op {
	case OpBlock, OpIf, OpTryTable, OpLoop:
		p.open(x.Op)
	case OpElse:
		at := &p.blocks[len(p.blocks)-1]
		at.end = max(at.end, p.since)
		p.since, at.op = at.before, OpElse
	case OpEnd:
		p.end()
	case OpBr:
		p.branch(x.Index)
		p.test()
	case OpBrIf, OpBrOnNull, OpBrOnNonNull:
		p.branch(x.Index)
	case OpBrTable:
		for label := range x.Labels {
			p.branch(label)
		}
		p.test()
	case OpReturn, OpUnreachable, OpThrow, OpThrowRef, OpReturnCall, OpReturnCallIndirect, OpReturnCallRef:
		p.test() // nothing comes here
	}
}

func (p *path) open(op Opcode) {
	switch {
	case op == OpLoop:
		p.test()
	case op == OpTryTable && p.fresh(): // what it calls may come to any label by itself
		for i := p.caught; i < len(p.blocks); i++ {
			p.blocks[i].end = endlessly
		}
		p.longest, p.caught = endlessly, len(p.blocks)
	}
	p.blocks = append(p.blocks, pathBlock{op, p.since, tested})
}

func (p *path) end() {
	last := len(p.blocks) - 1
	at := p.blocks[last]
	p.blocks, p.caught = p.blocks[:last], min(p.caught, last)
	switch at.op {
	case OpLoop: // its label is its head
	case OpIf:
		p.since = max(p.since, at.end, at.before)
	default:
		p.since = max(p.since, at.end)
	}
}

func (p *path) branch(label uint32) {
	if at := len(p.blocks) - 1 - int(label); at >= 0 {
		p.blocks[at].end = max(p.blocks[at].end, p.since)
	}
}

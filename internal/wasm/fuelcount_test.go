package wasm

import "testing"

// countedOneByOne gives a module that counts each instruction before it, and is otherwise the same: fuel, by the simplest means.
// ok is false where there is more to fuel than instructions, or what is thrown may leave some of them out.
func countedOneByOne(t *testing.T, module []byte) (counted []byte, ok bool) {
	t.Helper()
	m, err := Parse(module)
	if err != nil {
		t.Fatal(err)
	}
	counter := uint32(len(m.Globals))
	count := appendU32([]byte{byte(OpGlobalGet)}, counter)
	count = append(count, byte(OpI64Const), 1, opI64Sub, byte(OpGlobalSet))
	count = appendU32(count, counter)
	code := appendU32(nil, uint32(len(m.Functions)))
	for _, body := range m.Bodies {
		out := append([]byte(nil), m.data[body.Locals:body.Code]...)
		for x := body.Expr(); x.Next(); {
			if _, isBulk := bulk(x.Op); isBulk || x.Op == OpTryTable {
				return nil, false
			}
			if cost(x.Op) > 0 {
				out = append(out, count...)
			}
			out = append(out, x.Bytes()...)
		}
		code = append(appendU32(code, uint32(len(out))), out...)
	}
	d := m.draft(speaksOfCode)
	if len(m.Functions) > 0 {
		d.set(SectionCode, code)
	}
	global := []byte{byte(TypeI64), 1, byte(OpI64Const), 0, byte(OpEnd)}
	export := appendU32(append(appendName(nil, CounterExport), byte(ExternGlobal)), counter)
	for id, added := range map[SectionID][]byte{SectionGlobal: global, SectionExport: export} {
		if err := d.extend(id, 1, added); err != nil {
			t.Fatal(err)
		}
	}
	return d.encode(), true
}

// compareFuel wants that a module whose functions all returned has used as much fuel as it has executed instructions, but for what is
// rounded up.
func compareFuel(t *testing.T, module []byte, fuelled *observed) {
	t.Helper()
	counted, ok := countedOneByOne(t, module)
	if !ok || fuelled.failed || fuelled.enough {
		return
	}
	want := &observed{}
	want.run(t, counted)
	if fuelled.used < want.used {
		t.Errorf("%d of fuel for %d instructions", fuelled.used, want.used)
	}
	exactly, err := metered(module, Fuel, 0)
	if err != nil {
		t.Fatal(err)
	}
	exact := &observed{slice: 1 << 40, calls: 10_000}
	exact.run(t, exactly)
	if exact.used != want.used {
		t.Errorf("%d of fuel for %d instructions, and nothing is rounded", exact.used, want.used)
	}
}

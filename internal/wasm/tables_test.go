package wasm

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHugeTables: what tables may grow to together is bounded, and the module is otherwise the same.
func TestHugeTables(t *testing.T) {
	funcref, nullFunc := byte(TypeFuncref), raw(0xd0, byte(TypeFuncref), byte(OpEnd))
	table := func(limits ...byte) []byte { return append(raw(funcref), limits...) }
	for name, test := range map[string]struct {
		tables []byte
		want   []Limits
	}{
		"without a maximum":  {vec(table(0, 10)), []Limits{{Min: 10, Max: 100, HasMax: true}}},
		"a large maximum":    {vec(table(1, 10, 0xff, 0xff, 0xff, 0xff, 0x0f)), []Limits{{Min: 10, Max: 100, HasMax: true}}},
		"a small maximum":    {vec(table(1, 10, 20)), []Limits{{Min: 10, Max: 20, HasMax: true}}},
		"as large as may be": {vec(table(1, 10, 100)), []Limits{{Min: 10, Max: 100, HasMax: true}}},
		"two":                {vec(table(0, 10), table(0, 30)), []Limits{{Min: 10, Max: 40, HasMax: true}, {Min: 30, Max: 60, HasMax: true}}},
		"with an initialiser": {
			vec(append(append(raw(tableWithInitialiser, 0), table(0, 2)...), nullFunc...), table(0, 0)),
			[]Limits{{Min: 2, Max: 51, HasMax: true}, {Max: 49, HasMax: true}},
		},
		"full":           {vec(table(0, 100)), []Limits{{Min: 100, Max: 100, HasMax: true}}},
		"more than full": {vec(table(0, 60), table(0, 41)), nil},
		"4 billion":      {vec(table(0, 0xff, 0xff, 0xff, 0xff, 0x0f)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			module := binaryModule(section(SectionType, vec(noneToNone)), section(SectionTable, test.tables), custom("kept", raw(1, 2)))
			got, err := boundTables(module, 100)
			if test.want == nil {
				if err == nil {
					t.Error("no error")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			m, err := Parse(got)
			if err != nil {
				t.Fatal(err)
			}
			var limits []Limits
			for _, table := range m.Tables {
				limits = append(limits, table.Limits)
			}
			if diff := cmp.Diff(test.want, limits); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if len(m.Sections) != 3 || m.Sections[2].Name != "kept" {
				t.Errorf("sections %v", m.Sections)
			}
			again, err := boundTables(got, 100)
			if err != nil || !bytes.Equal(again, got) {
				t.Errorf("a second time: %v", err)
			}
		})
	}
}

func boundTables(module []byte, entries uint32) ([]byte, error) {
	m, err := Parse(module)
	if err != nil {
		return nil, err
	}
	return m.BoundTables(entries)
}

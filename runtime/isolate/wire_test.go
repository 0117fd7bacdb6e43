package isolate

import (
	"math"
	"reflect"
	"testing"

	"boxer.dev/runtime"
)

// fill gives each field of a struct a value of its own. A kind of field that cannot cross fails.
func fill(t *testing.T, to any) {
	v := reflect.ValueOf(to).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case f.CanInt():
			f.SetInt(int64(i) - math.MaxInt64)
		case f.CanUint():
			f.SetUint(math.MaxUint64 - uint64(i))
		case f.Kind() == reflect.Bool:
			f.SetBool(i%2 == 0)
		default:
			t.Fatalf("%s.%s is a %s", v.Type(), v.Type().Field(i).Name, f.Kind())
		}
	}
}

func TestFieldsCross(t *testing.T) {
	for _, pair := range [][2]any{{new(runtime.Limits), new(runtime.Limits)}, {new(runtime.Stats), new(runtime.Stats)}} {
		fill(t, pair[0])
		b := appendFields(nil, pair[0])
		p := parser{rest: b}
		if p.fields(pair[1]); p.end() != nil || !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%+v arrives as %+v: %v", pair[0], pair[1], p.end())
		}
		for n := range b {
			p := parser{rest: b[:n]}
			if p.fields(pair[1]); p.end() == nil {
				t.Errorf("%d of %d bytes are taken for all", n, len(b))
			}
		}
	}
}

func BenchmarkFields(b *testing.B) {
	stats := &runtime.Stats{Total: 300_000, Run: 250_000, Programs: 1, PeakMemory: 24 << 20}
	var text []byte
	for b.Loop() {
		text = appendFields(text[:0], stats)
		p := parser{rest: text}
		if p.fields(stats); p.end() != nil {
			b.Fatal(p.end())
		}
	}
}

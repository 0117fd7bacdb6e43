package builder

import (
	"io/fs"
	"testing"
)

// Expected values are those of GNU chmod, umask 0.
func TestModeChange(t *testing.T) {
	tests := []struct {
		change string
		from   uint32
		dir    bool
		want   uint32
	}{
		{"", 0o640, false, 0o640},
		{"755", 0o600, false, 0o755},
		{"0", 0o777, false, 0},
		{"4755", 0o600, false, 0o4755},
		{"u+x", 0o644, false, 0o744},
		{"+x", 0o644, false, 0o755},
		{"a-w", 0o666, false, 0o444},
		{"go=", 0o777, false, 0o700},
		{"u=rw,go=r", 0o777, false, 0o644},
		{"go=rX", 0o700, false, 0o755},
		{"go=rX", 0o600, false, 0o644},
		{"go=rX", 0o600, true, 0o655},
		{"g=u", 0o640, false, 0o660},
		{"o=g-w", 0o660, false, 0o664},
		{"u+s", 0o755, false, 0o4755},
		{"g+s", 0o755, false, 0o2755},
		{"+t", 0o777, true, 0o1777},
		{"u-s", 0o6755, false, 0o2755},
	}
	for _, test := range tests {
		m, err := parseModeChange(test.change)
		if err != nil {
			t.Errorf("%q: %v", test.change, err)
			continue
		}
		mode := fromUnix(test.from)
		if test.dir {
			mode |= fs.ModeDir
		}
		got := m.apply(mode)
		if toUnix(got) != test.want || got.IsDir() != test.dir {
			t.Errorf("chmod %q of %04o gives %v, want %04o", test.change, test.from, got, test.want)
		}
	}
}

func TestModeChangeRefuses(t *testing.T) {
	for _, s := range []string{"10000", "8", "0o755", "77777777777777777777", "x", "u", "u+q", "z+x", "u+x,", "-1", ","} {
		if m, err := parseModeChange(s); err == nil {
			t.Errorf("%q: got %+v, want an error", s, m)
		}
	}
}

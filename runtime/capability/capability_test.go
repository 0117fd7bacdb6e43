package capability

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseLimit(t *testing.T) {
	for word, want := range map[string]Limits{
		"memory=64M": {Memory: 64 << 20}, "memory=64MiB": {Memory: 64 << 20}, "memory=64mb": {Memory: 64 << 20}, "memory=1000": {Memory: 1000},
		"memory=5B": {Memory: 5}, "fuel=1G": {Fuel: 1e9}, "fuel=2500k": {Fuel: 2_500_000}, "timeout=1m30s": {Timeout: 90 * time.Second},
		"cpu=500ms": {CPU: 500 * time.Millisecond}, "output=1K": {Output: 1024}, "writable=1T": {Writable: 1 << 40},
		"files=1M": {Files: 1_000_000}, "open-files=16": {OpenFiles: 16}, "readonly": {ReadOnly: true},
		"clock=fixed": {FixedClock: true}, "random=seeded": {SeededRandom: true},
	} {
		var got Limits
		if err := got.ParseLimit(word); err != nil || got != want {
			t.Errorf("%s: %+v, %v", word, got, err)
		}
	}
	for word, reason := range map[string]string{
		"": "there is no limit", "memory": "there is no limit", "disk=1": "there is no limit", "memory=": "whole number", "memory=-1": "whole number",
		"memory=0": "no limit", "memory=1.5G": "whole number", "memory=1e9": "whole number", "memory=64X": "whole number", "memory=0x10": "whole number",
		"memory=9223372036854775807K": "too large", "memory=9223372036854775808": "whole number", "memory=1MM": "no unit", "fuel=1GiB": "no unit",
		"fuel=1B": "no unit", "timeout=30": "no duration", "timeout=-1s": "no limit", "timeout=0s": "no limit", "timeout=9999999h": "no duration",
		"readonly=1": "there is no limit", "clock=on": "there is no limit", "MEMORY=1": "there is no limit",
	} {
		var got Limits
		if err := got.ParseLimit(word); err == nil || !strings.Contains(err.Error(), reason) || got != (Limits{}) {
			t.Errorf("%q: %+v, %v; want %q", word, got, err, reason)
		}
	}
}

func TestParseNeed(t *testing.T) {
	for word, want := range map[string]Need{
		"net=example.org:443": {Kind: Net, Value: "example.org:443"}, "net=10.0.0.1:80,optional": {Kind: Net, Value: "10.0.0.1:80", Optional: true},
		"net=[::1]:8080": {Kind: Net, Value: "[::1]:8080"}, "mount=/data": {Kind: Mount, Value: "/data"},
		"mount=/data/in:ro": {Kind: Mount, Value: "/data/in", ReadOnly: true}, "mount=/d:ro,optional": {Kind: Mount, Value: "/d", ReadOnly: true, Optional: true},
		"env=TOKEN": {Kind: Env, Value: "TOKEN"}, "stdin": {Kind: Stdin}, "clock,optional": {Kind: Clock, Optional: true}, "random": {Kind: Random},
	} {
		got, err := ParseNeed(word)
		if err != nil || got != want || got.String() != word {
			t.Errorf("%s: %+v, %v, %q", word, got, err, got.String())
		}
	}
	for _, word := range []string{
		"", "net", "net=", "net=example.org", "net=example.org:", "net=example.org:0", "net=example.org:70000", "net=example.org:080", "net=:80",
		"net=http://example.org:80", "net=EXAMPLE.org:80", "net=ex ample.org:80", "net=0x7f.1:80", "net=127.1:80", "net=0177.0.0.1:80", "net=2130706433:80",
		"net=*:80", "net=a..b:80", "net=-a.b:80", "net=[::1:80", "net=::1:80", "net=[127.0.0.1]:80", "net=[fe80::1%eth0]:80", "net=[0::1]:80", "net=a/b:80",
		"mount=", "mount=data", "mount=/", "mount=/data/", "mount=/a/../b", "mount=/a//b", "mount=/a b", "mount=/a:rw", "mount=/a,ro", "mount=/\x1b[2J",
		"mount=/\xff", "mount=/" + strings.Repeat("x", 5000), "env=", "env=A=B", "env=$A", "env=A B", "stdin=1", "clock=on", "gpu", "Net=a:1", "net =a:1",
	} {
		if got, err := ParseNeed(word); err == nil {
			t.Errorf("%q: %+v", word, got)
		}
	}
}

// random makes limits of which about half are set.
func random(rng *rand.Rand) (l Limits) {
	for _, n := range numbers {
		if rng.IntN(2) == 0 {
			*n.field(&l) = 1 + rng.Int64N(20)
		}
	}
	for _, s := range switches {
		*s.field(&l) = rng.IntN(2) == 0
	}
	return l
}

// TestNarrowOnlyNarrows: neither of two limits is exceeded by both together, in whatever order, and nothing else is bounded.
func TestNarrowOnlyNarrows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		a, b := random(rng), random(rng)
		both := a.Narrow(b)
		if diff := cmp.Diff(both, b.Narrow(a)); diff != "" {
			t.Fatalf("%v and %v: the order counts\n%s", a, b, diff)
		}
		if both.Narrow(a) != both || both.Narrow(b) != both || a.Narrow(Limits{}) != a {
			t.Fatalf("%v and %v: %v", a, b, both)
		}
		for _, n := range numbers {
			x, y, got := *n.field(&a), *n.field(&b), *n.field(&both)
			if x > 0 && (got <= 0 || got > x) || y > 0 && (got <= 0 || got > y) || x == 0 && y == 0 && got != 0 {
				t.Fatalf("%s: %d and %d are %d", n.name, x, y, got)
			}
		}
		for _, s := range switches {
			if *s.field(&both) != (*s.field(&a) || *s.field(&b)) {
				t.Fatalf("%s: %v and %v", s.word, a, b)
			}
		}
	}
}

// TestLabels: what is written is read back as it was, one form for equal requests.
func TestLabels(t *testing.T) {
	r := Requests{Limits: Limits{Memory: 100 << 20, Timeout: 90 * time.Second, Fuel: 1500, ReadOnly: true}}
	for _, word := range []string{"env=B", "mount=/data,optional", "env=A", "mount=/data:ro", "stdin,optional", "net=example.org:443"} {
		n, err := ParseNeed(word)
		if err != nil {
			t.Fatal(err)
		}
		r.Add(n)
	}
	labels := map[string]string{"other": "x", AllowLabel: "stale"}
	r.SetLabels(labels)
	want := map[string]string{
		"other":    "x",
		LimitLabel: "memory=100M fuel=1500 timeout=1m30s readonly",
		AllowLabel: "env=A env=B mount=/data net=example.org:443 stdin,optional", // two needs of /data: to write, and not optional
	}
	if diff := cmp.Diff(want, labels); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	back, err := FromLabels(labels)
	if diff := cmp.Diff(r, back); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	text, err := json.Marshal(back.Limits)
	if want := `{"execution_timeout_ms":90000,"fs_readonly":true,"max_fuel":1500,"memory_limit_bytes":104857600}`; err != nil || string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
	Requests{}.SetLabels(labels)
	if diff := cmp.Diff(map[string]string{"other": "x"}, labels); diff != "" {
		t.Errorf("nothing asked for (-want +got)\n%s", diff)
	}
}

// TestHostileLabels: an image may say anything of itself. What is not understood is refused, never passed over.
func TestHostileLabels(t *testing.T) {
	for _, text := range []string{
		"memory=64M evil=1", "memory=-1", "memory=64M\ntimeout=1s", "memory=64M\x00", "\x1b[2J", "memory=64M;timeout=1s", strings.Repeat("memory=1 ", 3000),
	} {
		if r, err := FromLabels(map[string]string{LimitLabel: text}); err == nil || r.Limits != (Limits{}) {
			t.Errorf("%.40q: %+v, %v", text, r, err)
		} else if strings.ContainsAny(err.Error(), "\x1b\x00\n") {
			t.Errorf("%.40q: the message has it: %q", text, err)
		}
	}
	for _, text := range []string{"mount=/data\tenv=A", "mount=/../etc", "net=169.254.169.254", "everything", strings.Repeat("a", maxLabel+1)} {
		if r, err := FromLabels(map[string]string{AllowLabel: text}); err == nil || len(r.Needs) > 0 {
			t.Errorf("%.40q: %+v, %v", text, r, err)
		}
	}
}

func TestCheck(t *testing.T) {
	all := Grants{Mounts: []Mounted{{Path: "/data"}, {Path: "/data/ro", ReadOnly: true}}, Env: []string{"A"}, Stdin: true}
	for _, test := range []struct {
		word   string
		grants Grants
		want   string // beginning of the error; empty: granted
	}{
		{"mount=/data", all, ""},
		{"mount=/data/in", all, ""},
		{"mount=/data/ro/deep:ro", all, ""},
		{"mount=/data/ro", all, "the box needs to write to /data/ro, which is mounted read-only"},
		{"mount=/database", all, "the box needs files of the host at /database"},
		{"mount=/database,optional", all, ""},
		{"mount=/x", Grants{Mounts: []Mounted{{Path: "/"}}}, ""},
		{"env=A", all, ""}, {"env=B", all, "the box needs the variable B"}, {"stdin", all, ""}, {"stdin", Grants{}, "the box needs standard input"},
		{"clock", Grants{}, ""}, {"clock", Grants{FixedClock: true}, "the box needs the real time"}, {"clock,optional", Grants{FixedClock: true}, ""},
		{"random", Grants{SeededRandom: true}, "the box needs random numbers"},
		{"net=example.org:443", all, "the box needs to connect to example.org:443"}, {"net=example.org:443,optional", all, ""},
	} {
		n, err := ParseNeed(test.word)
		if err != nil {
			t.Fatal(err)
		}
		err = Requests{Needs: []Need{n}}.Check(test.grants)
		var missing *MissingError
		switch {
		case test.want == "":
			if err != nil {
				t.Errorf("%s: %v", test.word, err)
			}
		case !errors.As(err, &missing) || !strings.HasPrefix(err.Error(), test.want) || missing.Hint() == "":
			t.Errorf("%s: %v, want %q", test.word, err, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"memory=64M timeout=30s readonly", "net=[::1]:80 mount=/a:ro,optional env=A stdin", "fuel=9223372036854775807", "memory=1KiB  clock=fixed"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, limits, needs string) {
		for _, labels := range []map[string]string{{LimitLabel: limits}, {AllowLabel: needs}} {
			r, err := FromLabels(labels)
			if err != nil {
				continue
			}
			for _, n := range numbers {
				if v := *n.field(&r.Limits); v < 0 || v == math.MinInt64 {
					t.Fatalf("%q: %s is %d", limits, n.name, v)
				}
			}
			// What was understood once is understood again, as the same, and in the same form.
			written := map[string]string{}
			r.SetLabels(written)
			again, err := FromLabels(written)
			if diff := cmp.Diff(r, again); err != nil || diff != "" {
				t.Fatalf("%q: %v\n%s", written, err, diff)
			}
			if r.Limits.Narrow(again.Limits) != r.Limits || r.Check(Grants{}) == nil != (again.Check(Grants{}) == nil) {
				t.Fatalf("%q", written)
			}
		}
	})
}

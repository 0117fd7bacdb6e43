package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const log = `== CPython 3.13.5
test_a (test.test_x.Case.test_a) ... ok
======================================================================
ERROR: test_b (test.test_x.Case.test_b) (mode='000')
----------------------------------------------------------------------
ERROR: test_b (test.test_x.Case.test_b) (mode='100')
FAIL: test_c (test.test_x.sub.Case.test_c) [a subtest]
ERROR: setUpClass (test.test_x.Other)
Ran 12 tests in 1.234s

FAILED (failures=1, errors=3, skipped=4)
`

func TestParseLog(t *testing.T) {
	got := parseLog("test_x", log)
	want := outcome{module: "test_x", ran: 12, skipped: 4, failed: []string{
		"test_x.Case.test_b", "test_x.Other.setUpClass", "test_x.sub.Case.test_c",
	}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(outcome{})); diff != "" {
		t.Error(diff)
	}
	if got := parseLog("test_x", "test_x skipped -- requires a moon\n\nResult: SUCCESS\n"); got.broken != "skipped -- requires a moon" {
		t.Errorf("a log of a module that was skipped gave %+v", got)
	}
	if got := parseLog("test_x", "Traceback\nMemoryError\n"); got.broken != "MemoryError" {
		t.Errorf("a log without result gave %+v", got)
	}
}

func TestCheck(t *testing.T) {
	o := outcome{module: "test_x", failed: []string{"test_x.A.one", "test_x.A.two"}}
	if err := o.check(map[string]string{"test_x.A.one": "why", "test_x.A.two": "why", "test_y.A": "why"}); err != nil {
		t.Errorf("all failures are known, got %v", err)
	}
	if err := o.check(map[string]string{"test_x.A.one": "why"}); err == nil {
		t.Error("a new failure was accepted")
	}
	if err := o.check(map[string]string{"test_x.A.one": "why", "test_x.A.two": "why", "test_x.A.three": "why"}); err == nil {
		t.Error("a test that passes again was accepted as failing")
	}
	if err := (outcome{module: "test_x", broken: "trap"}).check(nil); err == nil {
		t.Error("a module without result was accepted")
	}
}

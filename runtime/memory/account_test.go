package memory

import "testing"

// TestAccount: memories on one account are bounded together, and only for as long as they are on it.
func TestAccount(t *testing.T) {
	const page = 64 << 10
	account := NewAccount(5 * page)
	a, b := New(10*page), New(10*page)
	defer a.Free()
	if !a.Charge(account, 0) || !b.Charge(account, 0) {
		t.Fatal("there is room for nothing")
	}
	if a.Reallocate(3*page) == nil || b.Reallocate(3*page) != nil || b.Reallocate(2*page) == nil || a.Reallocate(4*page) != nil {
		t.Error("the bound is another")
	}
	if a.Reallocate(3*page) == nil {
		t.Error("what it has is taken away")
	}
	b.Free()
	if a.Reallocate(5*page) == nil || a.Reallocate(6*page) != nil {
		t.Error("what is freed is not given back")
	}
	a.Settle()
	if a.Reallocate(6*page) == nil {
		t.Error("bounded by an account that it is not on")
	}
	if a.Charge(account, 6*page) {
		t.Error("a memory larger than the account is charged")
	}
	if !a.Charge(nil, 6*page) || account.used.Load() != 0 {
		t.Errorf("%d is left on the account", account.used.Load())
	}
}

package memory

import "sync/atomic"

// Account bounds the sizes of several memories together. It is safe for concurrent use.
type Account struct {
	limit   uint64
	used    atomic.Uint64
	peak    atomic.Uint64
	refused atomic.Bool
}

// NewAccount makes an account that allows so many bytes.
func NewAccount(limit uint64) *Account { return &Account{limit: limit} }

func (a *Account) take(n uint64) bool {
	if used := a.used.Add(n); used > a.limit || used < n {
		a.used.Add(-n)
		a.refused.Store(true)
		return false
	} else {
		for peak := a.peak.Load(); used > peak && !a.peak.CompareAndSwap(peak, used); peak = a.peak.Load() {
		}
	}
	return true
}

// Peak is the most that the memories have had together, in bytes.
func (a *Account) Peak() uint64 { return a.peak.Load() }

// Refused reports whether a memory was not made, or did not grow, for want of room on the account. A nil account refuses nothing.
func (a *Account) Refused() bool { return a != nil && a.refused.Load() }

// share is what one memory has of an account. The zero value has no account, and no bound.
type share struct {
	account *Account
	charged uint64
}

// Charge puts a memory of so many bytes, and what it grows by, on an account until Settle. It reports whether there was room.
// A nil account has any.
func (s *share) Charge(a *Account, size uint64) bool {
	s.Settle()
	s.account = a
	return s.grow(size)
}

// Settle takes the memory off its account.
func (s *share) Settle() {
	if s.account != nil {
		s.account.used.Add(-s.charged)
	}
	*s = share{}
}

// grow reports whether the memory may be of a size.
func (s *share) grow(size uint64) bool {
	if s.account == nil || size <= s.charged {
		return true
	}
	if !s.account.take(size - s.charged) {
		return false
	}
	s.charged = size
	return true
}

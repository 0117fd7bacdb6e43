package repeatable

import (
	"bytes"
	"io"
	"testing"
	"time"
)

func TestClockMovesTheSameEachTime(t *testing.T) {
	first, second := Clock(Epoch), Clock(Epoch)
	last := Epoch
	for range 3 {
		now := first()
		if !now.After(last) {
			t.Errorf("the clock shows %v after %v", now, last)
		}
		if again := second(); !again.Equal(now) {
			t.Errorf("one clock shows %v, another %v", now, again)
		}
		last = now
	}
	if last.Sub(Epoch) >= time.Second {
		t.Errorf("three readings took %v", last.Sub(Epoch))
	}
}

func TestRandomFollowsFromItsSeed(t *testing.T) {
	read := func(seed byte) []byte {
		bytes := make([]byte, 100)
		if _, err := io.ReadFull(Random([32]byte{seed}), bytes); err != nil {
			t.Fatal(err)
		}
		return bytes
	}
	if !bytes.Equal(read(1), read(1)) {
		t.Error("one seed gave two streams")
	}
	if bytes.Equal(read(1), read(2)) {
		t.Error("two seeds gave one stream")
	}
}

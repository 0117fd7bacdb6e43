package bench

import (
	"testing"
	"time"
)

func TestPacedCountsAfterWarmUp(t *testing.T) {
	for _, quick := range []bool{false, true} {
		counted, warm := 0, 0
		for round, counts := range paced(7, quick) {
			if counts {
				counted++
			} else {
				warm++
			}
			if counts != (round >= warmRounds(quick)) {
				t.Errorf("round %d counts: %v", round, counts)
			}
		}
		if counted != 7 || warm != warmRounds(quick) {
			t.Errorf("%d rounds count, %d do not", counted, warm)
		}
	}
	for range paced(100, true) {
		break // whoever has enough may leave
	}
}

func TestTooSlow(t *testing.T) {
	if tooSlow(time.Hour, false) != "" || tooSlow(time.Second, true) != "" || tooSlow(time.Hour, true) == "" {
		t.Error("who is left out is not who is slow in a quick run")
	}
}

package bench

import (
	"iter"
	"time"
)

// The time that one comparison may take. Some rivals are a thousand times as slow as others, and a comparison waits for all.
const (
	budget      = time.Minute
	quickBudget = 6 * time.Second
)

// warmRounds are those before the ones that count.
const warmRounds = 2

// paced yields rounds, and whether each of them counts: warm-up, then so many, or fewer when time is up, but enough for a ratio.
func paced(rounds int, quick bool) iter.Seq2[int, bool] {
	end := time.Now().Add(budget)
	if quick {
		end = time.Now().Add(quickBudget)
	}
	return func(yield func(int, bool) bool) {
		for round := range rounds + warmRounds {
			if round >= warmRounds+leastPairs && time.Now().After(end) {
				return
			}
			if !yield(round, round >= warmRounds) {
				return
			}
		}
	}
}

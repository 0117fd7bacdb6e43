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

// warmRounds are those before the ones that count, by how many of these there are to be: few, few.
func warmRounds(quick bool) int {
	if quick {
		return 1
	}
	return 2
}

// paced yields rounds, and whether each of them counts: warm-up, then so many, or fewer when time is up, but enough for a ratio.
func paced(rounds int, quick bool) iter.Seq2[int, bool] {
	end, warm := time.Now().Add(budget), warmRounds(quick)
	if quick {
		end = time.Now().Add(quickBudget)
	}
	return func(yield func(int, bool) bool) {
		for round := range rounds + warm {
			if round >= warm+leastPairs && time.Now().After(end) {
				return
			}
			if !yield(round, round >= warm) {
				return
			}
		}
	}
}

// tooSlow says why one contender, which has taken so long altogether, is left out of a comparison; "" if it is not. Without it a single
// one would keep a quick run from ending soon.
func tooSlow(spent time.Duration, quick bool) string {
	if quick && spent > 2*quickBudget {
		return "too slow for --quick"
	}
	return ""
}
